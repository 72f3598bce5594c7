"""Read studies, each in a child of its own with a cap on memory and time; say what became of it.

Run as `python limited_read.py FOLDER…`; prints a line of JSON for each folder.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path

from siting.errors import SitingError
from siting.network import osmnx_graph  # noqa: F401 - imported here, not once in every child
from siting.pipeline import build_case, read_inputs, read_study

MEMORY_BYTES = 1 << 30
"""What a child may take on top of what it starts with."""
CPU_S = 20


def read_limited(folder: Path) -> dict[str, object]:
    """Read a study in a forked child; return its exit code, what it said, and what it took."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        _limit()
        said = _read(folder)
        os.write(sink, said.encode()[:60_000])
        os._exit(0)
    os.close(sink)
    with os.fdopen(source, encoding="utf-8", errors="replace") as stream:
        said = stream.read()
    _, status, used = os.wait4(child, 0)
    told = json.loads(said) if said else {"exit": None, "said": f"died: {status}"}
    return told | {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    cap = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


def _read(folder: Path) -> str:
    try:
        build_case(read_inputs(read_study(folder / "study.yaml")))
    except SitingError as error:
        return json.dumps({"exit": int(error.exit_code), "said": str(error)[:10_000]})
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall see it
        return json.dumps({"exit": 1, "said": traceback.format_exc()[-10_000:]})
    return json.dumps({"exit": 0, "said": ""})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(read_limited(Path(name))), flush=True)  # noqa: T201 - it is the answer
