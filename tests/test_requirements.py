"""The pinned requirements keep their promises: hashed, complete, and without an index's address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
COMPILED = sorted(path.name for path in REQUIREMENTS.glob("*.txt"))
PYTHONS = ("3.11", "3.12", "3.13")


def logical_lines(name: str) -> list[str]:
    """Return a file's requirements, each joined with its hashes."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def pins(name: str, *, python: str) -> dict[str, str]:
    """Return the release of every package that the file pins for one Python on Linux."""
    requirements = [Requirement(line.split(" --hash=")[0].strip()) for line in logical_lines(name)]
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in requirements
        if r.marker is None or r.marker.evaluate(environment)
    }


def test_the_files_are_there() -> None:
    assert COMPILED == ["audit.txt", "benchmarks.txt", "dev.txt", "run.txt"]


@pytest.mark.parametrize("name", COMPILED)
def test_every_release_is_pinned_with_its_hashes(name: str) -> None:
    form = re.compile(r"^[a-z0-9.-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*$")
    assert [line for line in logical_lines(name) if not form.match(line)] == []


@pytest.mark.parametrize("name", [*COMPILED, "run.in", "dev.in", "benchmarks.in", "audit.in"])
def test_no_address_is_named(name: str) -> None:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index|--extra-index|--find-links)", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
def test_what_pyproject_asks_for_is_pinned_within_its_bounds(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        Requirement(text)
        for text in project["project"]["dependencies"] + project["build-system"]["requires"]
    ]
    pinned = pins("run.txt", python=python)
    wrong = [
        str(r)
        for r in asked
        if not r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"), prereleases=True)
    ]
    assert wrong == []


@pytest.mark.parametrize("python", PYTHONS)
def test_the_tests_run_on_the_releases_that_ship(python: str) -> None:
    shipped, tested = pins("run.txt", python=python), pins("dev.txt", python=python)
    assert {name: tested.get(name) for name in shipped} == shipped
