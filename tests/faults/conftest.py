"""The fault bench: a clean corpus in every format, and the oracle that judges a planted fault.

A mutation is a function of a random generator and a study's folder; it plants one fault there and
returns a pattern of what siting must say about it: place, value, words. The oracle reads the study
as `siting plan` would, without solving, and knows three verdicts and no fourth:

* refused: a list of faults, exit code 2, the pattern among them, and nothing written;
* noticed: accepted, with a new notice that matches, which the manifest and the check carry;
* harmless: accepted, and what the solver sees is the same to the last byte.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from planting import set_study

from siting.errors import ExitCode, SitingError
from siting.inputs.candidates import count_reasons
from siting.inputs.roads import read_compact_roads
from siting.outputs.proof import render_instance
from siting.pipeline import build_case, read_inputs, read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from siting.case import SitingCase
    from siting.errors import Fault

    Mutation = Callable[[np.random.Generator, Path], str]

TALLY = "faults"
CLASS_OF_FILE = re.compile(r"test_(\w+?)_(?:faults|names)\.py")
ROAD_LAT, HALF_WIDTH_DEG = 30.6, 0.002


class Verdict(StrEnum):
    """What may become of a planted fault."""

    REFUSED = "refused"
    NOTICED = "noticed"
    HARMLESS = "harmless"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a study: its case, or its faults; and all that was said on the way."""

    case: SitingCase | None
    faults: tuple[Fault, ...]

    @property
    def said(self) -> list[str]:
        """Return all that the planner is told, a line each; the manifest holds all of it."""
        if self.case is None:
            return [str(fault) for fault in self.faults]
        case = self.case
        left_out = {
            "unreachable": count_reasons(case.unreachable),
            "left out": count_reasons(case.excluded_candidates),
        }
        counts = [f"{what}: {n} {why}" for what, by in left_out.items() for why, n in by.items()]
        return [*map(str, case.notices), *counts]


def read_case(folder: Path) -> Outcome:
    """Read a study as `siting plan` does before it solves."""
    try:
        return Outcome(case=build_case(read_inputs(read_study(folder / "study.yaml"))), faults=())
    except SitingError as error:
        refusal = error
    assert refusal.exit_code is ExitCode.BAD_INPUT, refusal
    assert all(fault.what and fault.remedy for fault in refusal.faults)
    return Outcome(case=None, faults=refusal.faults)


def vehicles_of(case: SitingCase) -> dict[str, float]:
    return {
        name: float(case.demand[name].sum()) for name in case.demand if name.startswith("vehicles_")
    }


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Plants faults in copies of a clean corpus, and judges what siting makes of each."""

    corpus: Path
    clean: SitingCase
    place: Path
    tally: Callable[[str, object], None]

    def judge(
        self,
        mutate: Mutation,
        verdict: Verdict,
        seeds: Iterable[int],
        *,
        may_change_demand: bool = False,
    ) -> None:
        """Plant a fault once for each seed; each must meet its verdict."""
        clean = self.clean
        for seed in seeds:
            folder = self.place / f"{mutate.__name__}-{seed}"
            shutil.copytree(self.corpus, folder)
            says = mutate(np.random.default_rng([seed, *mutate.__name__.encode()]), folder)
            before = sorted(folder.rglob("*"))
            outcome = read_case(folder)
            found = self._find_verdict(outcome, clean, says)
            assert found == verdict, f"seed {seed}, {says!r}: {found}; said {outcome.said}"
            assert sorted(folder.rglob("*")) == before, "reading wrote something"
            if outcome.case is not None and not may_change_demand:
                assert vehicles_of(outcome.case) == vehicles_of(clean)
            self.tally(TALLY, str(found))
            shutil.rmtree(folder)

    def _find_verdict(self, outcome: Outcome, clean: SitingCase, says: str) -> str:
        if outcome.case is None:
            told = any(re.search(says, line) for line in outcome.said)
            return Verdict.REFUSED if told else "refused, but not for what was planted"
        new = set(outcome.said) - set(Outcome(case=clean, faults=()).said)
        if any(re.search(says, line) for line in new):
            return Verdict.NOTICED
        return Verdict.HARMLESS if same(outcome.case, clean) else "silently accepted"


def same(one: SitingCase, other: SitingCase) -> bool:
    """Whether two cases are the same to the solver, and in all names that are shown."""
    tables = ("demand", "candidates", "stations", "excluded_candidates", "unreachable")
    return render_instance(one.instance) == render_instance(other.instance) and all(
        getattr(one, name).to_json() == getattr(other, name).to_json() for name in tables
    )


def _zones(folder: Path) -> gpd.GeoDataFrame:
    """Return the corpus's points of vehicles as squares around them."""
    table = pd.read_csv(folder / "vehicles.csv")
    squares = [
        shapely.box(x - HALF_WIDTH_DEG, y - HALF_WIDTH_DEG, x + HALF_WIDTH_DEG, y + HALF_WIDTH_DEG)
        for x, y in zip(table.pop("longitude"), table.pop("latitude"), strict=True)
    ]
    return gpd.GeoDataFrame(table, geometry=squares, crs=4326)


def _points(folder: Path, name: str) -> gpd.GeoDataFrame:
    table = pd.read_csv(folder / name)
    points = gpd.points_from_xy(table.pop("longitude"), table.pop("latitude"))
    return gpd.GeoDataFrame(table, geometry=points, crs=4326)


def _graphml(folder: Path) -> str:
    """Return the corpus's roads as OSMnx would save them, both directions as edges."""
    roads = read_compact_roads(folder / "roads.npz")
    keys = {
        "crs": ("graph", "string"),
        "x": ("node", "string"),
        "y": ("node", "string"),
        "highway": ("edge", "string"),
        "length": ("edge", "string"),
        "speed_kph": ("edge", "string"),
        "osmid": ("edge", "string"),
        "oneway": ("edge", "string"),
    }
    text = ['<?xml version="1.0" encoding="utf-8"?><graphml>']
    text += [
        f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>'
        for name, (of, kind) in keys.items()
    ]
    text.append('<graph edgedefault="directed"><data key="crs">epsg:4326</data>')
    text += [
        f'<node id="{k}"><data key="x">{x}</data><data key="y">{y}</data></node>'
        for k, (x, y) in enumerate(zip(roads.node_lon_deg, roads.node_lat_deg, strict=True))
    ]
    for k in range(roads.n_segment):
        ends = (int(roads.segment_from[k]), int(roads.segment_to[k]))
        for tail, head in (ends, ends[::-1]):
            text.append(
                f'<edge source="{tail}" target="{head}" id="0"><data key="osmid">{k}</data>'
                f'<data key="highway">primary</data><data key="oneway">False</data>'
                f'<data key="length">{roads.length_m[k]}</data>'
                f'<data key="speed_kph">{roads.forward_kph[k]}</data></edge>'
            )
    return "\n".join([*text, "</graph></graphml>"])


def _osm(folder: Path) -> str:
    roads = read_compact_roads(folder / "roads.npz")
    nodes = [
        f'<node id="{k + 1}" version="1" lon="{x:.7f}" lat="{y:.7f}"/>'
        for k, (x, y) in enumerate(zip(roads.node_lon_deg, roads.node_lat_deg, strict=True))
    ]
    refs = "".join(f'<nd ref="{k + 1}"/>' for k in range(roads.n_node))
    way = f'<way id="1" version="1">{refs}<tag k="highway" v="primary"/></way>'
    head = '<?xml version="1.0" encoding="UTF-8"?><osm version="0.6">'
    return "\n".join([head, *nodes, way, "</osm>"])


def _road_lines(folder: Path) -> gpd.GeoDataFrame:
    roads = read_compact_roads(folder / "roads.npz")
    xy = np.column_stack([roads.shape_lon_deg, roads.shape_lat_deg])
    lines = [shapely.LineString(part) for part in np.split(xy, roads.shape_start[1:-1])]
    return gpd.GeoDataFrame({"highway": ["primary"] * len(lines)}, geometry=lines, crs=4326)


@pytest.fixture(scope="session")
def built_corpora() -> dict[str, Path]:
    """Return what `corpora` has built: it is built once, and never written to again."""
    return {}


@pytest.fixture
def corpora(
    built_corpora: dict[str, Path],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Return the clean corpus in its forms: a folder each, with a study.yaml."""
    if not built_corpora:
        study_path: Path = request.getfixturevalue("study_path")
        base = tmp_path_factory.mktemp("clean") / "study"
        shutil.copytree(study_path.parent, base)
        built_corpora.update(_build_corpora(base, tmp_path_factory))
    return built_corpora


@pytest.fixture
def copy_of(corpora: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies the clean corpus of a form, to be changed at will."""

    def copied(form: str) -> Path:
        folder = tmp_path / f"copy-{form}"
        shutil.copytree(corpora[form], folder)
        return folder

    return copied


def _build_corpora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = pd.read_csv(base / "stations.csv").assign(name="旧站é", operator="国家电网")
    far = names.assign(station_id="second", name="东站", longitude=names["longitude"] + 0.013)
    pd.concat([names, far]).to_csv(base / "stations.csv", index=False)
    west, east = 114.2, 114.5
    district = {"district_id": ["D1"], "name": ["Hé"], "name_zh": ["河"]}
    gpd.GeoDataFrame(district, geometry=[shapely.box(west, 30.5, east, 30.7)], crs=4326).to_file(
        base / "districts.geojson", driver="GeoJSON"
    )
    candidates = "  candidates: {source: file, path: candidates.csv}\n"
    set_study(base, candidates, candidates + "  districts: {path: districts.geojson}\n")

    built = {"csv": base}
    for name in ("geo", "joined", "parquet", "osm"):
        built[name] = tmp_path_factory.mktemp(name) / "study"
        shutil.copytree(base, built[name])
    _make_geo(built["geo"])
    _make_joined(built["joined"])
    _make_parquet(built["parquet"])
    _make_osm(built["osm"])
    return built


def _make_geo(folder: Path) -> None:
    (folder / "roads.graphml").write_text(_graphml(folder), encoding="utf-8")
    _zones(folder).to_file(folder / "vehicles.geojson", driver="GeoJSON")
    _points(folder, "stations.csv").to_file(folder / "stations.gpkg", driver="GPKG")
    _points(folder, "candidates.csv").to_file(folder / "candidates.geojson", driver="GeoJSON")
    set_study(folder, "roads.npz", "roads.graphml")
    set_study(folder, "{path: vehicles.csv,", "{path: vehicles.geojson, format: zones,")
    set_study(folder, "stations.csv", "stations.gpkg")
    set_study(folder, "candidates.csv", "candidates.geojson")


def _make_joined(folder: Path) -> None:
    zones = _zones(folder)
    zones[["demand_id", "geometry"]].to_file(folder / "zones.geojson", driver="GeoJSON")
    zones.drop(columns="geometry").to_csv(folder / "vehicles.csv", index=False)
    more = "format: zones, zones_path: zones.geojson, zones_id_column: demand_id,"
    set_study(folder, "{path: vehicles.csv,", "{path: vehicles.csv, " + more)


def _make_parquet(folder: Path) -> None:
    pd.read_csv(folder / "vehicles.csv").to_parquet(folder / "vehicles.parquet")
    _points(folder, "stations.csv").to_parquet(folder / "stations.parquet")
    _road_lines(folder).to_parquet(folder / "roads.parquet")
    set_study(folder, "vehicles.csv", "vehicles.parquet")
    set_study(folder, "stations.csv", "stations.parquet")
    set_study(folder, "roads.npz", "roads.parquet")


def _make_osm(folder: Path) -> None:
    (folder / "roads.osm").write_text(_osm(folder), encoding="utf-8")
    set_study(folder, "roads.npz", "roads.osm")


@pytest.fixture(params=[range(3), pytest.param(range(3, 28), marks=pytest.mark.slow)], ids=str)
def seeds(request: pytest.FixtureRequest) -> range:
    """Return the seeds of this run: three of each mutation, and 25 more by name."""
    seeds: range = request.param
    return seeds


@pytest.fixture(scope="session")
def clean_cases() -> dict[str, SitingCase]:
    """Return the clean corpus as read, by form; each is read when it is first asked for."""
    return {}


@pytest.fixture
def make_bench(
    corpora: dict[str, Path],
    clean_cases: dict[str, SitingCase],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> Callable[[str], Bench]:
    """Return a function from a form of the corpus to its bench."""

    def make(form: str) -> Bench:
        corpus = corpora[form]
        if form not in clean_cases:
            clean = read_case(corpus).case
            assert clean is not None, "the clean corpus was refused"
            clean_cases[form] = clean
        return Bench(corpus=corpus, clean=clean_cases[form], place=tmp_path, tally=record_property)

    return make


@pytest.fixture
def read_folder() -> Callable[[Path], Outcome]:
    """Return the oracle's reader, for tests that judge by themselves."""
    return read_case


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what became of the planted faults, class by class."""
    by_class: dict[str, Counter[str]] = {}
    for report in terminalreporter.stats.get("passed", []):
        match = CLASS_OF_FILE.search(report.nodeid)
        found = [str(value) for name, value in report.user_properties if name == TALLY]
        if match and found:
            by_class.setdefault(match[1], Counter()).update(found)
    for name, counts in sorted(by_class.items()):
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        terminalreporter.write_line(f"fault bench: {name}: {counts.total()} planted: {told}")
