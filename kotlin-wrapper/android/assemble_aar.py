# SPDX-License-Identifier: Apache-2.0
"""Assembles the AAR and the Maven POM beside it, without the Android SDK.

    assemble_aar.py jar JAR FOLDER...
    assemble_aar.py aar --version V --out FOLDER --classes FOLDER... --native FOLDER --dependency GROUP:NAME:VERSION[:TYPE]...

`jar` zips folders of classes. `aar` does everything and prints the path of the AAR. Both are zips of fixed names, and the
same input gives the same bytes: entries are sorted and carry no time. An AAR that holds every ABI is named hongyan-V.aar. One that lacks ABIs says so in its name,
`-partial` or, without any native library, `-nojni`: an app with it would start and fail at the first call.
"""

import argparse
import io
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
ABIS = ["arm64-v8a", "armeabi-v7a", "x86", "x86_64"]
LIBRARY = "libhongyan.so"
# The earliest time that a zip can hold.
NO_TIME = (1980, 1, 1, 0, 0, 0)


def zipped(entries: dict[str, bytes]) -> bytes:
    """A zip of these entries, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, entries[name])
    return buffer.getvalue()


def classes(folders: list[Path]) -> dict[str, bytes]:
    """The classes of the wrapper, and what tells the Kotlin compiler of its top-level declarations."""
    entries: dict[str, bytes] = {}
    for folder in folders:
        found = [*folder.rglob("*.class"), *folder.glob("META-INF/*.kotlin_module")]
        if not found:
            raise SystemExit(f"{folder} holds no classes")
        for path in found:
            name = path.relative_to(folder).as_posix()
            if name in entries:
                raise SystemExit(f"{name} is in two folders of classes")
            entries[name] = path.read_bytes()
    return entries


def pom(version: str, dependencies: list[str]) -> str:
    """What Gradle and Maven read beside the AAR: above all, what an app needs besides."""
    rows = []
    for dependency in dependencies:
        group, name, number, *kind = dependency.split(":")
        rows += [
            "    <dependency>",
            f"      <groupId>{escape(group)}</groupId>",
            f"      <artifactId>{escape(name)}</artifactId>",
            f"      <version>{escape(number)}</version>",
            *(f"      <type>{escape(value)}</type>" for value in kind),
            "      <scope>compile</scope>",
            "    </dependency>",
        ]
    return "\n".join([
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<project xmlns="http://maven.apache.org/POM/4.0.0"',
        '    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
        '    xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 https://maven.apache.org/xsd/maven-4.0.0.xsd">',
        "  <modelVersion>4.0.0</modelVersion>",
        "  <groupId>im.hongyan</groupId>",
        "  <artifactId>hongyan</artifactId>",
        f"  <version>{escape(version)}</version>",
        "  <packaging>aar</packaging>",
        "  <name>Hongyan for Android</name>",
        "  <description>Instant messaging: the client SDK</description>",
        "  <url>https://github.com/hongyan-im/hongyan</url>",
        "  <licenses>",
        "    <license>",
        "      <name>Apache-2.0</name>",
        "      <url>https://www.apache.org/licenses/LICENSE-2.0.txt</url>",
        "    </license>",
        "  </licenses>",
        "  <dependencies>",
        *rows,
        "  </dependencies>",
        "</project>",
        "",
    ])


def assemble(given: argparse.Namespace) -> None:
    """Writes the AAR and the POM, in the place of those of earlier runs."""
    entries = {
        "AndroidManifest.xml": (HERE / "src/main/AndroidManifest.xml").read_bytes(),
        "classes.jar": zipped(classes(given.classes)),
        "proguard.txt": (HERE / "consumer-rules.pro").read_bytes(),
        # There are no resources; the file must be there nevertheless.
        "R.txt": b"",
    }
    libraries = {abi: given.native / abi / LIBRARY for abi in ABIS}
    present = [abi for abi in ABIS if libraries[abi].is_file()]
    for abi in present:
        entries[f"jni/{abi}/{LIBRARY}"] = libraries[abi].read_bytes()
    mark = "" if present == ABIS else "-partial" if present else "-nojni"

    given.out.mkdir(parents=True, exist_ok=True)
    for old in [*given.out.glob("hongyan-*.aar"), *given.out.glob("hongyan-*.pom")]:
        old.unlink()
    aar = given.out / f"hongyan-{given.version}{mark}.aar"
    aar.write_bytes(zipped(entries))
    (given.out / f"hongyan-{given.version}.pom").write_text(pom(given.version, given.dependency), "utf-8")
    print(aar)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    jar = commands.add_parser("jar")
    jar.add_argument("jar", type=Path)
    jar.add_argument("classes", nargs="+", type=Path)
    aar = commands.add_parser("aar")
    aar.add_argument("--version", required=True)
    aar.add_argument("--out", required=True, type=Path)
    aar.add_argument("--classes", required=True, action="append", type=Path)
    aar.add_argument("--native", required=True, type=Path)
    aar.add_argument("--dependency", required=True, action="append")
    given = parser.parse_args()
    if given.command == "jar":
        given.jar.write_bytes(zipped(classes(given.classes)))
    else:
        assemble(given)


if __name__ == "__main__":
    main()
