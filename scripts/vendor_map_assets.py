"""Fetch the map's vendored files from npm and record where they come from.

Run by hand when a release is to be replaced: ``python scripts/vendor_map_assets.py``. It needs
npm on the PATH, which verifies a package by its own hash. The files are kept as published; siting
leaves out what the page does not use when it renders.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Vendored:
    """One npm package, the files taken from it, and the folder they go to."""

    package: str
    version: str
    licence: str
    files: tuple[str, ...]
    folder: Path


MAP_ASSETS = ROOT / "src" / "siting" / "outputs" / "map_assets"
TEST_ASSETS = ROOT / "tests" / "outputs" / "vendor"
PACKAGES = (
    Vendored(
        "leaflet",
        "1.9.4",
        "BSD-2-Clause",
        ("dist/leaflet.js", "dist/leaflet.css", "LICENSE"),
        MAP_ASSETS / "vendor" / "leaflet",
    ),
    Vendored(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        ("axe.min.js", "LICENSE"),
        TEST_ASSETS / "axe-core",
    ),
)
NOTES = {
    MAP_ASSETS: "Files inside every map that siting writes, as published on npm.",
    TEST_ASSETS: "Files that the tests use and no map holds, as published on npm.",
}


def main() -> None:
    """Fetch every package and write the licence notes."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not on the PATH")
    for package in PACKAGES:
        fetch(package, npm=npm)
    for folder, note in NOTES.items():
        write_licences(folder, note)


def fetch(package: Vendored, *, npm: str) -> None:
    """Fetch one package and replace its files."""
    package.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as aside:
        name = f"{package.package}@{package.version}"
        subprocess.run([npm, "pack", "--silent", name], cwd=aside, check=True)  # noqa: S603 - npm by its full path, fixed arguments
        (archive,) = Path(aside).glob("*.tgz")
        with tarfile.open(archive) as tar:
            for file in package.files:
                member = tar.extractfile(f"package/{file}")
                if member is None:
                    raise SystemExit(f"{name} has no file {file}")
                (package.folder / Path(file).name).write_bytes(member.read())
    print(f"{name} → {package.folder.relative_to(ROOT)}")


def write_licences(folder: Path, note: str) -> None:
    """Write LICENSES.md: package, version, licence, and the hash of every file."""
    lines = ["# Licences of vendored files", "", note]
    for package in PACKAGES:
        if folder not in package.folder.parents:
            continue
        place = package.folder.relative_to(folder).as_posix()
        lines += [
            "",
            f"## {package.package} {package.version}",
            "",
            f"{package.licence}; the text stands in {place}/LICENSE.",
            "",
        ]
        for file in package.files[:-1]:
            path = package.folder / Path(file).name
            lines.append(f"- `{place}/{path.name}`, sha256 {sha256(path)}")
    (folder / "LICENSES.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
