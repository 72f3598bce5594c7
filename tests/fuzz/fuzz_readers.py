"""What is fuzzed: every reader of files, with a clean file to start from; and the fuzzer itself.

A reader may accept a file or raise a `SitingError`; anything else is a finding. Hypothesis runs
them in CI (`test_fuzz.py`); atheris, which steers by coverage, by name:

    make fuzz                                        # an hour, shared by all readers
    python tests/fuzz/fuzz_readers.py ocpi --seconds 600

A finding is written to tests/fuzz/found; once fixed it moves to tests/fuzz/cases and stays.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import re
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = HERE.parent / "inputs" / "samples" / "stations"
TOKEN = re.compile(rb'"[^"\n]{0,80}"|-?\d[\d.eE+-]*|[A-Za-z_]\w*|[\[\]{}<>/:,=\n]')
NASTY = (
    b"", b"NaN", b"-1", b"1e999", b"1e-320", b"18446744073709551616", b"0", b"null", b"true", b"[]",
    b"{}", b"[[[[", b'""', b'"', b"'", b"\n", b",", b":", b"&a", b"*a", b"!!x", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\x00", b'"\xe2\x80\xae"', b'"\\ud800"', b"2024-13-45", b"180.1", b"1,234",
    b'"=1+1"', b"Infinity", b"\xef\xbc\x91", b"<a>", b"]]>", b"&l;", b"EMPTY", b"9" * 400,
)  # fmt: skip
INSTRUMENTED = (
    "siting.study", "siting.batch.jobs", "siting.inputs.areas", "siting.inputs.candidates",
    "siting.inputs.districts", "siting.inputs.roads", "siting.inputs.stations",
    "siting.inputs.vehicles",
)  # fmt: skip
MAX_BYTES = 20_000
WALL_S, MEMORY_MIB = 120, 3_000


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A reader of one kind of file: its suffix, a clean file of it, and how it is read."""

    suffix: str
    seed: bytes
    read: Callable[[Path], object]

    def try_bytes(self, content: bytes, folder: Path) -> None:
        """Read a content; only siting's own errors are let pass."""
        from siting.errors import SitingError  # noqa: PLC0415 - atheris instruments it first

        path = folder / f"t{self.suffix}"
        path.write_bytes(content)
        with warnings.catch_warnings(), contextlib.suppress(SitingError):
            warnings.simplefilter("error")
            self.read(path)


def _stations(path: Path) -> object:
    from siting.inputs.stations import read_stations  # noqa: PLC0415 - as above
    from siting.study import Brand, Stations  # noqa: PLC0415 - the same

    brands = [Brand(id="aito", name="Aito", name_zh="问界", usable_power_kw=100)]
    return read_stations(Stations(path=path), brands=brands)


def _vehicles(path: Path) -> object:
    from siting.inputs.vehicles import read_vehicles  # noqa: PLC0415 - as above
    from siting.study import Vehicles  # noqa: PLC0415 - the same

    form = "zones" if path.suffix == ".geojson" else "points"
    return read_vehicles(Vehicles.model_validate({"path": path, "format": form}), ["ant", "bee"])


def _candidates(path: Path) -> object:
    from siting.inputs.candidates import read_candidate_files  # noqa: PLC0415 - as above
    from siting.study import Candidates  # noqa: PLC0415 - the same

    spec = Candidates.model_validate(
        {"path": path, "source": "osm" if path.suffix == ".osm" else "file"}
    )
    return read_candidate_files(spec)


def _roads(path: Path) -> object:
    from siting.network.road_network import build_road_network, load_roads  # noqa: PLC0415 - same
    from siting.study import Roads  # noqa: PLC0415 - the same

    return build_road_network(load_roads(Roads(path=path)))


def _districts(path: Path) -> object:
    from siting.domain import Datum  # noqa: PLC0415 - as above
    from siting.inputs.districts import read_districts  # noqa: PLC0415 - the same
    from siting.study import Districts  # noqa: PLC0415 - the same

    return read_districts(Districts(path=path, datum=Datum.GCJ02))


def _water(path: Path) -> object:
    from siting.domain import Datum  # noqa: PLC0415 - as above
    from siting.inputs.areas import read_areas  # noqa: PLC0415 - the same

    return read_areas(path, Datum.WGS84)


def _study(path: Path) -> object:
    from siting.study import read_study  # noqa: PLC0415 - as above

    return read_study(path)


def _batch(path: Path) -> object:
    from siting.batch.jobs import read_jobs  # noqa: PLC0415 - as above

    return read_jobs([path])


SQUARE = "[[[114.3,30.5],[114.4,30.5],[114.4,30.6],[114.3,30.6],[114.3,30.5]]]"
ZONES = (
    '{"type":"FeatureCollection","features":[{"type":"Feature","properties":'
    '{"zone_id":"a","district_id":"a","name":"A","vehicles_ant":5,"vehicles_bee":7},'
    f'"geometry":{{"type":"Polygon","coordinates":{SQUARE}}}}}]}}'
).encode()
OSM_HEAD = b'<?xml version="1.0" encoding="UTF-8"?><osm version="0.6">'
OSM_NODES = b"".join(
    b'<node id="%d" version="1" lon="114.3%d" lat="30.5%d"/>' % (k, k, k % 3) for k in range(1, 5)
)
OSM_ROADS = (
    OSM_HEAD + OSM_NODES + b'<way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/>'
    b'<tag k="highway" v="primary"/><tag k="oneway" v="-1"/><tag k="maxspeed" v="60 mph"/></way>'
    b"</osm>"
)
OSM_WATER = (
    OSM_HEAD + OSM_NODES + b'<way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/>'
    b'<nd ref="1"/><tag k="natural" v="water"/></way><relation id="1" version="1">'
    b'<member type="way" ref="1" role="outer"/><tag k="type" v="multipolygon"/>'
    b'<tag k="natural" v="water"/></relation></osm>'
)
OSM_SITES = (
    OSM_HEAD + b'<node id="1" version="1" lon="114.3" lat="30.5"><tag k="amenity" v="parking"/>'
    b'<tag k="capacity" v="120"/><tag k="access" v="yes"/><tag k="name" v="P"/></node></osm>'
)
GRAPHML = (
    b'<?xml version="1.0" encoding="utf-8"?><graphml>'
    b'<key id="crs" for="graph" attr.name="crs" attr.type="string"/>'
    b'<key id="x" for="node" attr.name="x" attr.type="string"/>'
    b'<key id="y" for="node" attr.name="y" attr.type="string"/>'
    b'<key id="h" for="edge" attr.name="highway" attr.type="string"/>'
    b'<key id="l" for="edge" attr.name="length" attr.type="string"/>'
    b'<key id="g" for="edge" attr.name="geometry" attr.type="string"/>'
    b'<key id="s" for="edge" attr.name="maxspeed" attr.type="string"/>'
    b'<graph edgedefault="directed"><data key="crs">epsg:4326</data>'
    b'<node id="1"><data key="x">114.3</data><data key="y">30.5</data></node>'
    b'<node id="2"><data key="x">114.31</data><data key="y">30.5</data></node>'
    b'<edge source="1" target="2" id="0"><data key="h">primary</data><data key="l">960</data>'
    b'<data key="g">LINESTRING (114.3 30.5, 114.31 30.5)</data><data key="s">60</data>'
    b"</edge></graph></graphml>"
)
FEATURES = b"zone_id,longitude,latitude,vehicles_ant,vehicles_bee,km_per_day\na,114.3,30.5,5,7,50\n"
SITES = b"site_id,name,longitude,latitude,connectors_max\nA,\xe6\xad\xa6,114.3,30.5,9\n"
STATIONS = (
    b"station_id,name,longitude,latitude,connectors,power_kw,status,access,owner_brand,illustrative"
    b"\ns1,Old,114.3,30.5,4,120,operational,public,aito,true\n"
)
BATCH = b"name,study,requirements.budget_cny,brands.aito.floor\none,nowhere.yaml,1e6,0.5\n"


def _list_readers() -> dict[str, Reader]:
    feeds = {
        path.name.replace(".", "_"): Reader(
            suffix=path.suffix, seed=path.read_bytes()[:MAX_BYTES], read=_stations
        )
        for path in sorted(SAMPLES.iterdir())
        if path.suffix != ".md"
    }
    study = (ROOT / "data" / "wuhan" / "study.yaml").read_bytes()
    return {
        "study": Reader(suffix=".yaml", seed=study, read=_study),
        **feeds,
        "stations": Reader(suffix=".csv", seed=STATIONS, read=_stations),
        "vehicles": Reader(suffix=".csv", seed=FEATURES, read=_vehicles),
        "zones": Reader(suffix=".geojson", seed=ZONES, read=_vehicles),
        "candidates": Reader(suffix=".csv", seed=SITES, read=_candidates),
        "candidates_osm": Reader(suffix=".osm", seed=OSM_SITES, read=_candidates),
        "roads_osm": Reader(suffix=".osm", seed=OSM_ROADS, read=_roads),
        "roads_graphml": Reader(suffix=".graphml", seed=GRAPHML, read=_roads),
        "districts": Reader(suffix=".geojson", seed=ZONES, read=_districts),
        "water": Reader(suffix=".osm", seed=OSM_WATER, read=_water),
        "batch": Reader(suffix=".csv", seed=BATCH, read=_batch),
    }


READERS = _list_readers()


def replace_token(content: bytes, at: int, token: bytes) -> bytes:
    """Return the content with one of its words, numbers or marks replaced."""
    places = [match.span() for match in TOKEN.finditer(content)]
    if not places:
        return content + token
    start, end = places[at % len(places)]
    return content[:start] + token + content[end:]


def _fuzz_one(name: str, *, seconds: int) -> None:
    """Fuzz one reader in this process until it fails or the time is over."""
    import atheris  # noqa: PLC0415 - by name only; Linux alone has it

    with atheris.instrument_imports(include=["siting"]):
        for module in INSTRUMENTED:
            importlib.import_module(module)
    reader = READERS[name]

    def mutate(content: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)  # noqa: S311 - bytes to try, not secrets
        if rng.random() < 0.5:
            return atheris.Mutate(content, max_size)
        for _ in range(rng.choice((1, 1, 2, 4))):
            content = replace_token(content, rng.randrange(1 << 20), rng.choice(NASTY))
        return content[:max_size]

    with tempfile.TemporaryDirectory(prefix="siting-fuzz-") as place:
        corpus, found = Path(place, "corpus"), HERE / "found" / name
        corpus.mkdir()
        found.mkdir(parents=True, exist_ok=True)
        (corpus / "seed").write_bytes(reader.seed)
        arguments = [
            sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-timeout={WALL_S}",
            f"-rss_limit_mb={MEMORY_MIB}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={found}/",
            "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup(
            arguments, lambda data: reader.try_bytes(data, Path(place)), custom_mutator=mutate
        )
        atheris.Fuzz()


def main() -> None:
    """Fuzz one reader, or all of them one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", nargs="?", choices=sorted(READERS))
    parser.add_argument("--seconds", type=int, default=3600, help="in all")
    asked = parser.parse_args()
    if asked.reader is not None:
        _fuzz_one(asked.reader, seconds=asked.seconds)
        return
    each, failed = max(1, asked.seconds // len(READERS)), []
    for name in READERS:
        command = [sys.executable, __file__, name, "--seconds", str(each)]
        run = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
        runs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", run.stderr)
        print(f"{name}: {runs[-1] if runs else '?'} runs, exit {run.returncode}", flush=True)  # noqa: T201
        if run.returncode:
            failed.append(name)
            print(run.stderr[-4000:], flush=True)  # noqa: T201
    sys.exit(f"findings in {', '.join(failed)}: see {HERE / 'found'}" if failed else 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
