"""What siting ships and stands on is listed: every package and vendored file, with its licence."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PINNED = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
PINS = re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", PINNED, re.MULTILINE)
NAMES = sorted({name for name, _ in PINS})
ACCEPTED = re.compile(
    r"(MIT|MIT-CMU|BSD-[23]-Clause|0BSD|ISC|Zlib|Apache-2\.0|PSF-2\.0|MPL-2\.0|CC0-1\.0)"
    r"( WITH LLVM-exception)?"
)
ASSETS = (ROOT / "src/siting/outputs/map_assets", ROOT / "tests/outputs/vendor")


def read_licences() -> dict[str, str]:
    path = ROOT / "requirements" / "licences.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["package"]: row["licence"] for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = []
    for name in ("one", "two"):
        out = tmp_path_factory.mktemp("sbom") / f"{name}.json"
        script = ROOT / "scripts" / "make_sbom.py"
        command = [sys.executable, str(script), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own script
        made.append(out.read_bytes())
    assert made[0] == made[1], "the same requirements give other bytes"
    content: dict[str, Any] = json.loads(made[0])
    return content


def test_every_pin_is_in_the_bill_of_materials_with_all_of_its_hashes(sbom: dict[str, Any]) -> None:
    listed = {(part["name"], part["version"]) for part in sbom["components"]}
    assert set(PINS) < listed
    assert {name for name, _ in listed - set(PINS)} == {"leaflet"}
    hashes = {found["content"] for part in sbom["components"] for found in part["hashes"]}
    assert set(re.findall(r"sha256:([0-9a-f]{64})", PINNED)) < hashes
    assert all(part["licenses"] and part["hashes"] for part in sbom["components"])
    assert sbom["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in sbom["components"]]


def test_no_address_of_an_index_is_in_the_bill_of_materials(sbom: dict[str, Any]) -> None:
    text = json.dumps(sbom | {"$schema": ""})
    assert "://" not in text


def test_the_licence_of_every_package_is_listed_and_lets_siting_be_shipped() -> None:
    licences = read_licences()
    assert sorted(licences) == NAMES
    unknown = {
        name: licence
        for name, licence in licences.items()
        if not all(ACCEPTED.fullmatch(part) for part in re.split(r" AND | OR ", licence))
    }
    assert unknown == {}


def test_listed_licences_are_what_the_packages_state() -> None:
    wrong = {}
    for name, licence in read_licences().items():
        try:
            stated = distribution(name).metadata.get("License-Expression")
        except PackageNotFoundError:  # of another platform
            continue
        if stated and stated != licence:
            wrong[name] = (licence, stated)
    assert wrong == {}


@pytest.mark.parametrize("folder", ASSETS, ids=lambda folder: folder.name)
def test_vendored_files_are_listed_with_their_hash_and_licence(folder: Path) -> None:
    notes = (folder / "LICENSES.md").read_text(encoding="utf-8")
    vendor = folder / "vendor" if (folder / "vendor").is_dir() else folder
    for package in (path for path in vendor.iterdir() if path.is_dir()):
        assert (package / "LICENSE").is_file()
        for path in package.iterdir():
            if path.name != "LICENSE":
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                assert f"{path.relative_to(folder)}`, sha256 {digest}" in notes, path


def test_the_embedded_data_says_where_it_comes_from() -> None:
    source = (ROOT / "data" / "wuhan" / "SOURCE.md").read_text(encoding="utf-8")
    for path in (ROOT / "data" / "wuhan").iterdir():
        assert path.name == "SOURCE.md" or f"`{path.name}`" in source, path.name
