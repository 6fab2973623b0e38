# SPDX-License-Identifier: Apache-2.0
"""Breaks an AAR in each way that the inspection is there for, and sees that it notices.

    inspect_aar_test.py AAR POM VERSION

The AAR is one that passes. The native library is a small one of C for this machine: an inspection is of headers alone.
"""

import io
import platform
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import assemble_aar
import inspect_aar

AAR, POM, VERSION = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
EXPORTS = "int JNI_OnLoad(void) { return 0; } int ffi_hongyan_uniffi_contract_version(void) { return 0; }"
ABI = {"x86_64": "x86_64", "aarch64": "arm64-v8a"}.get(platform.machine())
CAN_LINK = ABI is not None and platform.system() == "Linux"


def entries_of(data: bytes) -> dict[str, bytes]:
    """What a zip holds."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def library(*options: str, code: str = EXPORTS) -> bytes:
    """A shared library of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "a.c"), Path(folder, "a.so")
        source.write_text(code)
        subprocess.run(["cc", "-shared", "-fPIC", *options, "-o", output, source], check=True)
        return output.read_bytes()


class Inspection(unittest.TestCase):
    """Each test changes one thing in an AAR that is in order."""

    def setUp(self):
        self.entries = entries_of(AAR.read_bytes())
        # Whatever the machine has built, the tests start from an AAR without native libraries.
        self.entries = {name: data for name, data in self.entries.items() if not name.startswith("jni/")}

    def faults(self, mark: str = "-nojni") -> list[str]:
        """What the inspection says of the AAR as it is now."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"hongyan-{VERSION}{mark}.aar")
            path.write_bytes(assemble_aar.zipped(self.entries))
            return list(inspect_aar.aar_faults(path, VERSION))

    def assert_fault(self, words: str, mark: str = "-nojni"):
        """One of the faults speaks of it."""
        faults = self.faults(mark)
        self.assertTrue(any(words in fault for fault in faults), f"`{words}` is not in {faults}")

    def edit(self, name: str, old: str, new: str):
        """Replaces text in an entry, where it must be."""
        text = self.entries[name].decode()
        self.assertIn(old, text)
        self.entries[name] = text.replace(old, new).encode()

    def change_classes(self, change):
        """Changes what classes.jar holds."""
        classes = entries_of(self.entries["classes.jar"])
        change(classes)
        self.entries["classes.jar"] = assemble_aar.zipped(classes)

    def test_what_is_in_order_has_no_fault(self):
        self.assertEqual(self.faults(), [])

    def test_an_aar_without_libraries_is_not_named_as_if_it_were_complete(self):
        self.assert_fault("holds the ABIs []", mark="")
        self.assert_fault("holds the ABIs []", mark="-partial")

    def test_another_floor(self):
        self.edit("AndroidManifest.xml", 'minSdkVersion="19"', 'minSdkVersion="21"')
        self.assert_fault("minSdkVersion")

    def test_a_permission_more_or_less(self):
        self.edit("AndroidManifest.xml", "permission.INTERNET", "permission.CAMERA")
        self.assert_fault("permissions are ['android.permission.CAMERA']")

    def test_a_missing_class(self):
        self.change_classes(lambda classes: classes.pop("im/hongyan/ImClient.class"))
        self.assert_fault("lacks im/hongyan/ImClient.class")

    def test_a_test_class(self):
        self.change_classes(lambda classes: classes.update({"im/hongyan/LoginTest.class": classes["im/hongyan/ImClient.class"]}))
        self.assert_fault("test class")

    def test_a_foreign_class(self):
        self.change_classes(lambda classes: classes.update({"kotlin/Unit.class": classes["im/hongyan/ImClient.class"]}))
        self.assert_fault("holds kotlin/Unit.class")

    def test_no_list_of_top_level_declarations(self):
        self.change_classes(lambda classes: [classes.pop(name) for name in list(classes) if name.endswith(".kotlin_module")])
        self.assert_fault("no .kotlin_module")

    def test_bytecode_of_java_9(self):
        name = "im/hongyan/ImClient.class"
        self.change_classes(lambda classes: classes.update({name: classes[name][:7] + b"\x35" + classes[name][8:]}))
        self.assert_fault("class file version 53")

    def test_a_missing_rule(self):
        self.edit("proguard.txt", "-keep class com.sun.jna.** { *; }", "")
        self.assert_fault("proguard.txt lacks")

    def test_a_rule_that_is_only_a_comment(self):
        self.edit("proguard.txt", "-keep class com.sun.jna.** { *; }", "# -keep class com.sun.jna.** { *; }")
        self.assert_fault("proguard.txt lacks")

    def test_an_entry_too_many(self):
        self.entries["libs/jna.jar"] = b""
        self.assert_fault("libs/jna.jar")

    @unittest.skipUnless(CAN_LINK, "no ABI of Android has the machine of this computer")
    def test_native_libraries(self):
        good = ["-s", "-Wl,-z,max-page-size=16384"]
        cases = [
            (library(*good), None),
            (library("-Wl,-z,max-page-size=16384"), "not stripped"),
            (library("-s", "-Wl,-z,max-page-size=4096"), "aligned"),
            (library(*good, code="int JNI_OnLoad(void) { return 0; }"), "ffi_hongyan_uniffi_contract_version"),
            (b"no library", "no little-endian ELF"),
        ]
        for data, words in cases:
            with self.subTest(fault=words):
                self.entries[f"jni/{ABI}/libhongyan.so"] = data
                if words is None:
                    self.assertEqual(self.faults("-partial"), [])
                else:
                    self.assert_fault(words, "-partial")
        other = "x86_64" if ABI == "arm64-v8a" else "arm64-v8a"
        self.entries = {name: data for name, data in self.entries.items() if not name.startswith("jni/")}
        self.entries[f"jni/{other}/libhongyan.so"] = library(*good)
        self.assert_fault("ELF machine", "-partial")

    def test_another_version_or_kind_of_dependency_in_the_pom(self):
        text = POM.read_text("utf-8")
        self.assertEqual(list(inspect_aar.pom_faults(text.encode(), VERSION)), [])
        self.assertTrue(list(inspect_aar.pom_faults(text.encode(), VERSION + ".1")))
        without = text.replace("      <type>aar</type>\n", "")
        self.assertNotEqual(text, without)
        self.assertTrue(list(inspect_aar.pom_faults(without.encode(), VERSION)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
