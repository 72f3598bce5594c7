"""Make the software bill of materials (CycloneDX 1.6, JSON): all that an installed siting holds.

Run by ``make sbom``; it writes dist/siting.cdx.json from the hash-pinned requirements, their
licences and the vendored files. Nothing is fetched, no clock is read, no address of an index is
written: the same requirements give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINNED = ROOT / "requirements" / "run.txt"
LICENCES = ROOT / "requirements" / "licences.csv"
VENDORED = ROOT / "src" / "siting" / "outputs" / "map_assets" / "vendor"
DEFAULT_OUT = ROOT / "dist" / "siting.cdx.json"
PIN = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)\s*(?:;\s*([^\\]+?))?\s*(?:\\|$)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
LEAFLET_VERSION = re.compile(r"Leaflet (\d+\.\d+\.\d+)")


def read_licences() -> dict[str, str]:
    """Return the licence of every pinned package, as an SPDX expression."""
    with LICENCES.open(encoding="utf-8", newline="") as stream:
        return {row["package"]: row["licence"] for row in csv.DictReader(stream)}


def list_packages(text: str, licences: dict[str, str]) -> list[dict[str, Any]]:
    """Return a component for every pin, with the hashes of all of its wheels."""
    components: list[dict[str, Any]] = []
    for line in text.splitlines():
        if pin := PIN.match(line):
            name, version, marker = pin.groups()
            purl = f"pkg:pypi/{name}@{version}"
            component = {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "licenses": [{"expression": licences[name]}],
                "hashes": [],
            }
            if marker:
                component["properties"] = [{"name": "siting:marker", "value": marker}]
            components.append(component)
        for found in HASH.findall(line):
            components[-1]["hashes"].append({"alg": "SHA-256", "content": found})
    return components


def list_vendored() -> list[dict[str, Any]]:
    """Return a component for what stands in the maps."""
    script = VENDORED / "leaflet" / "leaflet.js"
    found = LEAFLET_VERSION.search(script.read_text(encoding="utf-8")[:400])
    if found is None:
        raise SystemExit(f"{script} does not say its version")
    purl = f"pkg:npm/leaflet@{found[1]}"
    content = hashlib.sha256(script.read_bytes()).hexdigest()
    return [
        {
            "type": "library",
            "bom-ref": purl,
            "name": "leaflet",
            "version": found[1],
            "purl": purl,
            "licenses": [{"expression": "BSD-2-Clause"}],
            "hashes": [{"alg": "SHA-256", "content": content}],
        }
    ]


def build_sbom() -> dict[str, Any]:
    """Return the bill of materials; its serial number is a hash of what it lists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = list_packages(PINNED.read_text(encoding="utf-8"), read_licences())
    components = [*packages, *list_vendored()]
    listed = json.dumps(components, sort_keys=True)
    reference = f"pkg:pypi/{project['name']}@{project['version']}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, listed)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": project["name"],
                "version": project["version"],
                "purl": reference,
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": components,
        "dependencies": [{"ref": reference, "dependsOn": [part["bom-ref"] for part in components]}],
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT)
    out: Path = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    sbom = build_sbom()
    out.write_text(json.dumps(sbom, indent=1) + "\n", encoding="utf-8")
    print(f"{len(sbom['components'])} components: {out}")


if __name__ == "__main__":
    main()
