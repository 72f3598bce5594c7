"""Compile the hash-pinned requirements files from pyproject.toml and requirements/*.in.

Run by hand after a dependency changes: ``make requirements`` (or with ``--upgrade`` for newer
releases of everything). It needs uv on the PATH; who installs siting needs pip alone.

Every file pins one set of releases for Python 3.11 to 3.13 on all platforms, wheels only, and names
no index: the installer's own settings say where packages come from.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# dev.txt holds all of run.txt, so that one environment serves the demo and the tests.
INPUTS = {
    "requirements/run.txt": ("pyproject.toml", "requirements/run.in"),
    "requirements/dev.txt": ("pyproject.toml", "requirements/run.in", "requirements/dev.in"),
    "requirements/benchmarks.txt": (
        "pyproject.toml",
        "requirements/run.in",
        "requirements/benchmarks.in",
    ),
    "requirements/audit.txt": ("pyproject.toml", "requirements/run.in", "requirements/audit.in"),
}
OLDEST_PYTHON = "3.11"


def compile_requirements(*, uv: str, output: str, inputs: tuple[str, ...], upgrade: bool) -> None:
    """Compile one file; releases pinned in it already stay unless ``upgrade`` is asked for."""
    command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--universal",
        f"--python-version={OLDEST_PYTHON}",
        "--generate-hashes",
        "--only-binary=:all:",
        "--no-emit-index-url",
        "--no-emit-find-links",
        "--annotation-style=line",
        "--custom-compile-command=make requirements",
        f"--output-file={output}",
        *(["--upgrade"] if upgrade else []),
        *inputs,
    ]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - fixed arguments, no shell
    if "://" in (ROOT / output).read_text(encoding="utf-8"):
        sys.exit(f"{output} names an address; a requirements file holds names and hashes only")


def main() -> None:
    """Compile every file, run.txt first because the others are held to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest releases")
    upgrade: bool = parser.parse_args().upgrade
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("uv is not on the PATH: `pip install uv` first")
    for output, inputs in INPUTS.items():
        compile_requirements(uv=uv, output=output, inputs=inputs, upgrade=upgrade)
        print(f"compiled {output}")


if __name__ == "__main__":
    main()
