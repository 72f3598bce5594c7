"""Execute every notebook of a folder from its first cell to its last, as CI does.

Notebooks are stored without outputs, as py:percent files (``.py``) or as ``.ipynb``: what a reader
sees is what the code gives today. A stored output, or a cell that raises, fails the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_TIMEOUT_S = 600


def holds_outputs(notebook: NotebookNode) -> bool:
    """Whether any code cell is stored with an output or with the count of a run."""
    return any(
        cell.get("outputs") or cell.get("execution_count")
        for cell in notebook.cells
        if cell.cell_type == "code"
    )


def run_notebook(path: Path) -> str | None:
    """Execute one notebook in its own folder; return what is wrong with it, or None."""
    notebook = jupytext.read(path)
    if holds_outputs(notebook):
        return "is stored with outputs: clear them"
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return f"raised in a cell:\n{error}"
    return None


def main() -> None:
    """Execute every notebook, then fail with all that were wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix in {".py", ".ipynb"} and path.is_file()
    )
    paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
    wrong: list[str] = []
    for path in paths:
        started_s = time.perf_counter()
        fault = run_notebook(path)
        print(f"{path}: {'failed' if fault else 'ran'} in {time.perf_counter() - started_s:.1f} s")
        if fault:
            wrong.append(f"{path} {fault}")
    if wrong:
        sys.exit("\n\n".join(wrong))
    print(f"{len(paths)} notebooks ran from top to bottom")


if __name__ == "__main__":
    main()
