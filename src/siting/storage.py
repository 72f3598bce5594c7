"""Writing a file completely or not at all, readable by its owner alone unless sharing is asked for.

Plans name vehicles, sites and money, and machines have many users. `siting --share`, or
``SITING_SHARE=1`` for notebooks and the workers of a cluster, leaves it to the umask instead.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from siting.errors import Fault, OutputError

SHARE_VARIABLE = "SITING_SHARE"
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
SHARED_FILE, SHARED_FOLDER = 0o666, 0o777  # less the umask, as every program's files
SHARED_LOCK = 0o644  # no umask is taken from a lock's mode


def lock_mode() -> int:
    """Return the mode of a lock file."""
    return SHARED_LOCK if _is_shared() else PRIVATE_FILE


def make_folder(folder: Path) -> None:
    """Make a folder; those above it that are missing are made as well."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=SHARED_FOLDER if _is_shared() else PRIVATE_FOLDER, exist_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write one file completely or not at all: aside, synced, renamed.

    Raises
    ------
    OutputError
        If the file cannot be written, or what stands there is a device or a pipe: it would be gone.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise FileExistsError(errno.EEXIST, "a device or a pipe stands there")
        make_folder(path.parent)
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}-", dir=path.parent, ignore_cleanup_errors=True
        ) as aside:
            fresh = Path(aside, path.name)
            write_synced(fresh, content)
            fresh.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and let it reach the disk."""
    mode = SHARED_FILE if _is_shared() else PRIVATE_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Return the error that a planner is told when a path cannot be written."""
    return OutputError(
        [
            Fault(
                file=str(path),
                what=f"cannot be written: {error.strerror or error}",
                remedy="free some space or name another place with -o; nothing was changed",
            )
        ]
    )


def _is_shared() -> bool:
    return os.environ.get(SHARE_VARIABLE, "") not in {"", "0"}
