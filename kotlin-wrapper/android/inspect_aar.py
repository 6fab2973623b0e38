# SPDX-License-Identifier: Apache-2.0
"""Looks into an AAR and the POM beside it, and fails unless they are what an app can use.

    inspect_aar.py AAR POM VERSION

Everything that is wrong is listed, not the first alone.
"""

import io
import re
import struct
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

PERMISSIONS = {"android.permission.INTERNET"}
MIN_SDK = "19"
# Java 8: what the build tools of Android 4.4's time on can turn into DEX.
CLASS_MAJOR_MAX = 52
CLASSES = [
    "im/hongyan/ImClient.class",
    "im/hongyan/ImException.class",
    "im/hongyan/ErrorCode.class",
    "im/hongyan/android/HongyanAndroid.class",
    "im/hongyan/ffi/ImClient.class",
    "im/hongyan/ffi/RustBuffer.class",
]
RULES = [
    "-keep class com.sun.jna.** { *; }",
    "extends com.sun.jna.Structure { *; }",
    "extends com.sun.jna.Callback { *; }",
    "native <methods>;",
]
DEPENDENCIES = {
    "org.jetbrains.kotlin:kotlin-stdlib": None,
    "org.jetbrains.kotlinx:kotlinx-coroutines-core": None,
    # As a jar it would bring the libraries of desktops and none of Android's.
    "net.java.dev.jna:jna": "aar",
}
# ABI: the machine of its ELF header, whether it has 64 bits.
MACHINES = {"arm64-v8a": (183, True), "armeabi-v7a": (40, False), "x86": (3, False), "x86_64": (62, True)}
EXPORTS = {"JNI_OnLoad", "ffi_hongyan_uniffi_contract_version"}
PAGE_BYTES = 16 * 1024
ANDROID = "{http://schemas.android.com/apk/res/android}"
MAVEN = "{http://maven.apache.org/POM/4.0.0}"

SHT_SYMTAB, SHT_DYNSYM, PT_LOAD = 2, 11, 1


def manifest_faults(text: bytes):
    """The manifest's package, floor and permissions."""
    root = ElementTree.fromstring(text)
    if root.get("package") != "im.hongyan":
        yield f"the manifest's package is {root.get('package')}"
    floors = [node.get(ANDROID + "minSdkVersion") for node in root.iter("uses-sdk")]
    if floors != [MIN_SDK]:
        yield f"minSdkVersion is {floors}, not {MIN_SDK}"
    asked = {node.get(ANDROID + "name") for node in root if node.tag.startswith("uses-permission")}
    if asked != PERMISSIONS:
        yield f"permissions are {sorted(asked)}, not {sorted(PERMISSIONS)}"
    if list(root.iter("application")):
        yield "the manifest declares an application"


def classes_faults(jar: bytes):
    """The classes: all of the SDK, nothing else, and readable for old build tools."""
    with zipfile.ZipFile(io.BytesIO(jar)) as archive:
        names = set(archive.namelist())
        for name in CLASSES:
            if name not in names:
                yield f"classes.jar lacks {name}"
        if not any(re.fullmatch(r"META-INF/.+\.kotlin_module", name) for name in names):
            yield "classes.jar has no .kotlin_module: the compiler would not find typealiases and top-level functions"
        for name in sorted(names):
            if not re.fullmatch(r"im/hongyan/.+\.class|META-INF/[^/]+\.kotlin_module", name):
                yield f"classes.jar holds {name}"
                continue
            if re.search(r"(Test|Tests|TestKt)(\$[^/]*)?\.class$|/(test|tests|guide)/", name):
                yield f"classes.jar holds the test class {name}"
            if name.endswith(".class"):
                magic, _, major = struct.unpack(">IHH", archive.read(name)[:8])
                if magic != 0xCAFEBABE or major > CLASS_MAJOR_MAX:
                    yield f"{name} has class file version {major}, more than {CLASS_MAJOR_MAX}"


class Elf:
    """What is asked of a shared library, read from its headers (little-endian, as on every ABI of Android)."""

    def __init__(self, data: bytes):
        if data[:4] != b"\x7fELF" or data[5] != 1:
            raise ValueError("no little-endian ELF file")
        self.data = data
        self.is_64 = data[4] == 2
        self.kind, self.machine = struct.unpack_from("<HH", data, 16)
        if self.is_64:
            self.segments_at, self.sections_at = struct.unpack_from("<QQ", data, 32)
            counts = struct.unpack_from("<HHHH", data, 54)
        else:
            self.segments_at, self.sections_at = struct.unpack_from("<II", data, 28)
            counts = struct.unpack_from("<HHHH", data, 42)
        self.segment_size, self.segments_count, self.section_size, self.sections_count = counts

    def load_alignments(self) -> list[int]:
        """On which boundaries the parts that are loaded begin."""
        found = []
        for at in range(self.segments_count):
            place = self.segments_at + at * self.segment_size
            if struct.unpack_from("<I", self.data, place)[0] == PT_LOAD:
                form, field = ("<Q", 48) if self.is_64 else ("<I", 28)
                found.append(struct.unpack_from(form, self.data, place + field)[0])
        return found

    def sections(self) -> list[tuple[int, int, int, int]]:
        """Type, place, bytes and link of each section."""
        found = []
        for at in range(self.sections_count):
            place = self.sections_at + at * self.section_size
            kind = struct.unpack_from("<I", self.data, place + 4)[0]
            form, field = ("<QQI", 24) if self.is_64 else ("<III", 16)
            found.append((kind, *struct.unpack_from(form, self.data, place + field)))
        return found

    def is_stripped(self) -> bool:
        """Whether the table of all symbols, which nothing needs at run time, is gone."""
        return all(kind != SHT_SYMTAB for kind, *_ in self.sections())

    def exports(self) -> set[str]:
        """The names of what the library defines for others."""
        sections, names = self.sections(), set()
        for kind, place, size, link in sections:
            if kind != SHT_DYNSYM:
                continue
            texts = sections[link][1]
            step = 24 if self.is_64 else 16
            for at in range(place, place + size, step):
                name = struct.unpack_from("<I", self.data, at)[0]
                section = struct.unpack_from("<H", self.data, at + (6 if self.is_64 else 14))[0]
                if section != 0:
                    end = self.data.index(b"\0", texts + name)
                    names.add(self.data[texts + name:end].decode())
        return names


def library_faults(abi: str, data: bytes):
    """One native library: the right machine, stripped, complete, and with pages that new devices can load."""
    try:
        elf = Elf(data)
    except (ValueError, struct.error) as error:
        yield f"{abi}: {error}"
        return
    if (elf.machine, elf.is_64) != MACHINES[abi]:
        yield f"{abi}: it is for ELF machine {elf.machine}, not {MACHINES[abi][0]}"
    if elf.kind != 3:
        yield f"{abi}: it is no shared library"
    if not elf.is_stripped():
        yield f"{abi}: it is not stripped"
    if missing := EXPORTS - elf.exports():
        yield f"{abi}: it does not export {sorted(missing)}"
    alignments = elf.load_alignments()
    if elf.is_64 and (not alignments or min(alignments) < PAGE_BYTES):
        yield f"{abi}: its segments are aligned to {alignments} bytes, less than {PAGE_BYTES}"


def pom_faults(text: bytes, version: str):
    """The POM: the version of the SDK, and what an app needs besides."""
    root = ElementTree.fromstring(text)
    wanted = {"groupId": "im.hongyan", "artifactId": "hongyan", "version": version, "packaging": "aar"}
    for field, value in wanted.items():
        if root.findtext(MAVEN + field) != value:
            yield f"the POM's {field} is {root.findtext(MAVEN + field)}, not {value}"
    found = {}
    for node in root.iter(MAVEN + "dependency"):
        found[f"{node.findtext(MAVEN + 'groupId')}:{node.findtext(MAVEN + 'artifactId')}"] = node.findtext(MAVEN + "type")
        if not re.fullmatch(r"\d+(\.\d+)+", node.findtext(MAVEN + "version") or ""):
            yield f"the POM's dependency has the version {node.findtext(MAVEN + 'version')}"
    if found != DEPENDENCIES:
        yield f"the POM depends on {found}, not {DEPENDENCIES}"


def rules_faults(text: str):
    """The keep rules without which R8 breaks the app."""
    rules = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    for rule in RULES:
        if rule not in rules:
            yield f"proguard.txt lacks `{rule}`"


def aar_faults(path: Path, version: str):
    """Everything that is wrong with the AAR itself."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if times := {entry.date_time for entry in archive.infolist()} - {(1980, 1, 1, 0, 0, 0)}:
            yield f"entries carry times: {sorted(times)}"
        present = {match[1] for name in names if (match := re.fullmatch(r"jni/([^/]+)/libhongyan\.so", name))}
        wanted = {"AndroidManifest.xml", "R.txt", "classes.jar", "proguard.txt"}
        wanted |= {f"jni/{abi}/libhongyan.so" for abi in present & MACHINES.keys()}
        if sorted(names) != sorted(wanted):
            yield f"it holds {sorted(names)}, not {sorted(wanted)}"
            return
        mark = "" if present == MACHINES.keys() else "-partial" if present else "-nojni"
        if path.name != f"hongyan-{version}{mark}.aar":
            yield f"it is named {path.name}, and holds the ABIs {sorted(present)}"
        yield from manifest_faults(archive.read("AndroidManifest.xml"))
        yield from classes_faults(archive.read("classes.jar"))
        yield from rules_faults(archive.read("proguard.txt").decode())
        for abi in sorted(present):
            yield from library_faults(abi, archive.read(f"jni/{abi}/libhongyan.so"))


def main() -> None:
    """Says what is wrong, or what is there."""
    aar, pom, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    faults = [*aar_faults(aar, version), *pom_faults(pom.read_bytes(), version)]
    for fault in faults:
        print(f"{aar.name}: {fault}", file=sys.stderr)
    if faults:
        sys.exit(1)
    with zipfile.ZipFile(aar) as archive:
        present = {name.split("/")[1] for name in archive.namelist() if name.startswith("jni/")}
        with zipfile.ZipFile(io.BytesIO(archive.read("classes.jar"))) as jar:
            count = sum(name.endswith(".class") for name in jar.namelist())
    print(f"{aar.name}: {aar.stat().st_size} bytes, {count} classes, inspected and in order")
    for abi in sorted(MACHINES.keys() - present):
        print(f"    NO NATIVE LIBRARY for {abi}")


if __name__ == "__main__":
    main()
