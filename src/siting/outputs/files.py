"""Writing so that an output folder is complete or absent, and never runs in a spreadsheet."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from siting.errors import Fault, OutputError
from siting.storage import cannot_write, lock_mode, make_folder, write_synced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

MANIFEST_NAME = "plan.json"
CHECK_NAME = "check.html"
NEW, OLD = "new", "old"
AT_FDCWD, RENAME_EXCHANGE = -100, 2
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files of an output folder, or none.

    The files are written and synced in a folder beside the target, which then takes its place;
    an older output of siting is replaced, a folder that holds anything else is refused. A check
    stays, for it belongs to the study; a report goes, for it belongs to the plan that was there.

    Parameters
    ----------
    folder
        Where the output goes.
    files
        Name to content; with the manifest among them.

    Raises
    ------
    OutputError
        If the folder holds files that siting did not write, or cannot be written.
    """
    try:
        refuse_foreign_folder(folder)
        make_folder(folder.parent)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as aside:
            fresh = Path(aside, NEW)
            make_folder(fresh)
            for name, content in files.items():
                write_synced(fresh / name, content)
            if (folder / CHECK_NAME).is_file() and CHECK_NAME not in files:
                write_synced(fresh / CHECK_NAME, (folder / CHECK_NAME).read_bytes())
            _sync_folder(fresh)
            _take_place(fresh, folder)
            _sync_folder(folder.parent)
    except OSError as error:
        raise cannot_write(folder, error) from None


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold an output folder while a run works for it, and clear up after runs that died.

    The hold of a run that died is free by itself. What it left half-written is removed; should it
    have died between taking the old output away and putting the new one in its place, which only
    systems without an atomic exchange allow, then the old one is put back.

    Raises
    ------
    OutputError
        If another run holds the folder, or its parent cannot be written.
    """
    with hold_lock(
        folder.parent / f".{folder.name}.lock",
        folder=folder,
        taken="another run works for this folder",
    ):
        try:
            for aside in sorted(folder.parent.glob(f".{folder.name}-*")):
                if (aside / OLD).is_dir() and not folder.exists():
                    (aside / OLD).rename(folder)
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        yield


@contextmanager
def hold_lock(lock_path: Path, *, folder: Path, taken: str) -> Iterator[None]:
    """Hold a lock file for a folder, or say at once that another run has it.

    Raises
    ------
    OutputError
        With ``taken`` if another run holds it, or if it cannot be written.
    """
    lock = FileLock(lock_path, timeout=0, mode=lock_mode())
    try:
        make_folder(lock_path.parent)
        lock.acquire()
    except Timeout:
        remedy = "wait for it, or name another folder with -o"
        raise OutputError([Fault(file=str(folder), what=taken, remedy=remedy)]) from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:  # what goes wrong from here on is the run's own and keeps its name
        yield
    finally:
        lock.release()


def refuse_foreign_folder(folder: Path) -> None:
    """Refuse an output folder that holds anything but an earlier output of siting.

    Called before solving too, so that a wrong folder costs seconds and not hours.

    Raises
    ------
    OutputError
        If the folder exists and siting did not write what is in it.
    """
    if not (folder.exists() or folder.is_symlink()):  # a link to nothing is not free either
        return
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        if (folder / MANIFEST_NAME).is_file() or names <= {CHECK_NAME}:
            return
    raise OutputError(
        [
            Fault(
                file=str(folder),
                what="the output folder holds other files"
                if folder.exists()
                else "the output folder is a link that leads nowhere",
                remedy="name an empty or new folder with -o",
            )
        ]
    )


def sha256(content: bytes) -> str:
    """Return the SHA-256 of the content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def render_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV that opens in Excel with Chinese intact and runs no formula.

    UTF-8 with a byte-order mark; a text that a spreadsheet would run gets an apostrophe before it.
    """
    texts = [column for column in table.columns if table[column].dtype.kind not in "biufc"]
    safe = table.assign(**{column: table[column].map(neutralise_formula) for column in texts})
    return str(safe.to_csv(index=False, lineterminator="\r\n")).encode("utf-8-sig")


def neutralise_formula(value: object) -> object:
    """Return a text that a spreadsheet shows and does not run."""
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _take_place(fresh: Path, folder: Path) -> None:
    """Put a new folder where an old one may be: in one step where the system can."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        folder.rename(fresh.parent / OLD)
        fresh.rename(folder)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places atomically; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done = rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    return bool(done == 0)


def _sync_folder(folder: Path) -> None:
    """Let a folder's entries reach the disk; Windows does that by itself."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
