"""A plan small enough to check by hand, and headless Chromium with the network blocked.

d0 (ant 100, bee 50) ── s0 120 s, e0 60 s        s0 opens big, s1 opens small, s2 stays closed
d1 (ant 80)          ── s0 300 s, s1 100 s       e0: 60 kWh a day, today ant only
d2 (bee 40)          ── e1 30 s, s1 240 s        e1: 100 kWh a day, no brand may charge
d3 (ant 10, bee 10)  ── nothing
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from siting.case import SitingCase
from siting.domain import WGS84_EPSG, SolveStatus
from siting.inputs.roads import RoadTable, read_compact_roads
from siting.instance import CLOSED, Decision, SitingInstance, evaluate, no_requirements
from siting.optimise.limits import StopReason
from siting.optimise.result import SolveResult
from siting.plan import ServiceState, SitingPlan
from siting.study import parse_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, CDPSession, Page, Route

    OpenPage = Callable[..., AbstractContextManager[Page]]

LON, LAT = 114.3, 30.6
STEP_DEG = 0.01
STUDY = """\
name: toy
title: {en: Toy town, zh: 玩具城}
data_date: "2026-01"
illustrative_note: {en: All of this is made up., zh: 全为虚构。}
brands:
  - {id: ant, name: Ant, name_zh: 蚁}
  - {id: bee, name: Bee, name_zh: 蜂}
inputs:
  roads: {path: roads.npz}
  vehicles: {path: vehicles.csv, illustrative: true}
  stations: [{path: stations.csv}]
  candidates: {source: file, path: candidates.csv}
tiers:
  - {id: small, name: {en: Small, zh: 小型}, connectors: 4, power_kw: 120, cost_cny: 1.0e+6}
  - {id: big, name: {en: Big, zh: 大型}, connectors: 12, power_kw: 480, cost_cny: 2.5e+6}
requirements: {budget_cny: 4.0e+6}
"""
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
DESKTOP = {"width": 1600, "height": 1000}
PHONE = {"width": 390, "height": 844}
NAMES = ("North Gate", "South Gate", "West Gate")
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
# inked("points") tells how many pixels of a pane's canvases are not blank.
INKED = """window.inked = (pane) => {
    let n = 0;
    for (const canvas of document.querySelectorAll(`.leaflet-${pane}-pane canvas`)) {
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const pen = copy.getContext("2d", { willReadFrequently: true });
        pen.drawImage(canvas, 0, 0);
        const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
        for (let k = 3; k < data.length; k += 4) n += data[k] > 0;
    }
    return n;
}"""


def find_chromium() -> str | None:
    named = os.environ.get("SITING_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSER_NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    required = os.environ.get("SITING_REQUIRE_BROWSER") == "1"
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing
    except ImportError:
        if required:
            raise
        pytest.skip("playwright is not installed")
    executable = find_chromium()
    if executable is None:
        message = "no Chromium on the PATH; SITING_CHROMIUM names one"
        pytest.fail(message) if required else pytest.skip(message)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def meters() -> dict[Page, CDPSession]:
    """Return what has measured each page's work since before it was opened."""
    return {}


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path, meters: dict[Page, CDPSession]) -> OpenPage:
    """Open a page from a file; afterwards nothing was fetched and nothing complained."""

    @contextmanager
    def opened(
        html: str,
        *,
        language: str = "en-GB",
        phone: bool = False,
        ready: str = "body[data-ready]",
    ) -> Iterator[Page]:
        path = tmp_path / "map.html"
        path.write_text(html, encoding="utf-8", newline="\n")
        asked: list[str] = []
        complaints: list[str] = []
        context = browser.new_context(
            viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type] - a plain dict will do
            locale=language,
            has_touch=phone,
            is_mobile=phone,
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))

        def block(route: Route) -> None:
            if route.request.url == path.as_uri():
                route.continue_()
            else:
                asked.append(route.request.url)
                route.abort()

        page.route("**/*", block)
        meters[page] = context.new_cdp_session(page)
        meters[page].send("Performance.enable")
        page.goto(path.as_uri())
        page.wait_for_selector(ready)
        page.evaluate(INKED)
        yield page
        assert asked == []
        assert complaints == []
        context.close()

    return opened


@pytest.fixture
def inked_script() -> str:
    """Return the script that defines ``inked``, for pages that were not opened by open_page."""
    return INKED


@pytest.fixture
def check_with_axe() -> Callable[[Page], None]:
    """Fail on any barrier for readers that axe finds on a page as it is now."""

    def check(page: Page) -> None:
        page.evaluate(AXE.read_text("utf-8"))
        assert [
            f"{item['id']}: {node['target']} {node['failureSummary']}"
            for item in page.evaluate("axe.run()")["violations"]
            for node in item["nodes"]
        ] == []

    return check


@pytest.fixture
def check_map_with_axe(
    open_page: OpenPage, check_with_axe: Callable[[Page], None]
) -> Callable[..., None]:
    """Hold every panel of a map, and the card of its first hit, to axe."""

    def check(html: str, *, language: str, phone: bool) -> None:
        with open_page(html, language=language, phone=phone) as page:
            if phone:
                page.click("#grip")
                page.wait_for_timeout(400)
            for tab in ("summary", "list", "about"):
                page.click(f"#tab-{tab}")
                check_with_axe(page)
            page.evaluate("document.body.classList.remove('sheet-open')")
            page.evaluate("document.querySelector('#hits button').click()")
            page.wait_for_timeout(400)
            check_with_axe(page)

    return check


@pytest.fixture
def measure_work_s(meters: dict[Page, CDPSession]) -> Callable[[Page], float]:
    """Return a page's seconds of work so far, whatever else this machine does meanwhile."""

    def measure(page: Page) -> float:
        metrics = meters[page].send("Performance.getMetrics")["metrics"]
        work_s = float({metric["name"]: metric["value"] for metric in metrics}["TaskDuration"])
        assert work_s > 0.01, "nothing was measured"
        return work_s

    return measure


@dataclass(frozen=True)
class Toy:
    """What a test may change."""

    site_names: tuple[str, str, str] = NAMES
    station_name: str = "Old station"
    network: str = "alliance"
    district_name: str = "Old Town"
    zoned: bool = True
    tiles: str = ""
    grid: bool = False
    status: SolveStatus = SolveStatus.OPTIMAL


@pytest.fixture
def build_toy_plan() -> Callable[..., SitingPlan]:
    def build(**changes: object) -> SitingPlan:
        return _build(Toy(**changes))  # type: ignore[arg-type]

    return build


@pytest.fixture
def toy_plan(build_toy_plan: Callable[..., SitingPlan]) -> SitingPlan:
    return build_toy_plan()


def _build(toy: Toy) -> SitingPlan:
    today, unified = _instance(e0_open=(True, False)), _instance(e0_open=(True, True))
    closed = np.full(3, CLOSED)
    states = [
        _state(today, closed, {(0, 3): (60, 0)}),
        _state(unified, closed, {(0, 3): (40, 20)}),
        _state(
            unified,
            np.array([1, 0, CLOSED]),
            {(0, 3): (40, 20), (0, 0): (60, 30), (1, 0): (80, 0), (2, 1): (0, 40)},
        ),
    ]
    objective = states[2].evaluation.objective_kwh_per_day
    solve = SolveResult(
        status=toy.status,
        decision=states[2].decision,
        objective=objective,
        bound=objective * 1.004,
        gap=0.004,
        bound_by_duality=objective * 1.004,
        engine="highs",
        stopped=StopReason.PROVEN if toy.status is SolveStatus.OPTIMAL else StopReason.TIME,
        wall_s=0.1,
        cpu_s=0.1,
        work=1.0,
    )
    if toy.grid:
        unified = _with_grid(unified)
    case = _case(toy, today=today, unified=unified)
    return SitingPlan(case=case, today=states[0], unified=states[1], joint=states[2], solve=solve)


def _instance(*, e0_open: tuple[bool, bool]) -> SitingInstance:
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=("d0", "d1", "d2", "d3"),
        demand_kwh_per_day=[[100, 50], [80, 0], [0, 40], [10, 10]],
        demand_district=[0, 0, 0, -1],
        site_ids=("s0", "s1", "s2"),
        site_district=[0, 0, -1],
        station_ids=("e0", "e1"),
        district_ids=("D",),
        tiers=("small", "big"),
        tier_cost_cny=np.tile([1.0e6, 2.5e6], (3, 1)),
        tier_power_kw=np.tile([480.0, 5760.0], (3, 1)),
        tier_capacity_kwh_per_day=np.tile([100.0, 300.0], (3, 1)),
        tier_allowed=np.ones((3, 2), dtype=bool),
        station_capacity_kwh_per_day=[60.0, 100.0],
        usable=[[True, True]] * 3 + [list(e0_open), [False, False]],
        cover_start=[0, 2, 4, 6, 6],
        cover_supply=[0, 3, 0, 1, 1, 4],
        cover_time_s=[120.0, 60.0, 300.0, 100.0, 240.0, 30.0],
        cover_worth=np.ones(6),
        requirements=no_requirements(n_site=3, n_brand=2, budget_cny=4.0e6),
    )


def _with_grid(instance: SitingInstance) -> SitingInstance:
    """s0 takes 5.76 of its own 7.2 MW; s1 takes 480 of the 960 kW that it and s2 have in North."""
    limits = instance.requirements.replace(
        site_grid_limit_kw=[7200.0, np.inf, 600.0],
        grid_group=[-1, 0, 0],
        grid_group_limit_kw=[960.0],
    )
    return instance.replace(requirements=limits)


def _state(
    instance: SitingInstance, tier: np.ndarray, kwh: dict[tuple[int, int], tuple[float, float]]
) -> ServiceState:
    flow = np.zeros((instance.n_pair, 2))
    for pair, (i, j) in enumerate(zip(instance.cover_demand, instance.cover_supply, strict=True)):
        flow[pair] = kwh.get((int(i), int(j)), (0, 0))
    decision = Decision(tier_of_site=tier, flow_kwh_per_day=flow)
    evaluation = evaluate(instance, decision)
    assert evaluation.feasible, evaluation.violations
    return ServiceState(decision=decision, evaluation=evaluation)


def _case(toy: Toy, *, today: SitingInstance, unified: SitingInstance) -> SitingCase:
    zone_ids = ["z0", "z1", "z2", "z3"]
    demand = _points({"demand_id": ["d0", "d1", "d2", "d3"]}, [(0, 0), (1, 0), (0, 1), (3, 3)])
    demand["zone_id"] = zone_ids if toy.zoned else ""
    demand["district_id"] = ["D", "D", "D", ""]
    zones = gpd.GeoDataFrame(
        {"zone_id": zone_ids},
        geometry=[point.buffer(STEP_DEG / 2, cap_style="square") for point in demand.geometry],
        crs=WGS84_EPSG,
    )
    stations = _points(
        {
            "station_id": ["e0", "e1"],
            "name": [toy.station_name, "Closed station"],
            "name_zh": [toy.station_name, "关闭的站"],
            "operator": ["Ant", "Other"],
            "network": [toy.network, "other"],
            "owner_brand": ["ant", ""],
            "connectors": [4, 8],
            "power_kw": [60.0, 120.0],
            "illustrative": [True, True],
        },
        [(0.5, 0.1), (0.4, 1.2)],
    )
    districts = gpd.GeoDataFrame(
        {"district_id": ["D"], "name": [toy.district_name], "name_zh": ["老城"]},
        geometry=[shapely.box(LON - 0.02, LAT - 0.02, LON + 0.02, LAT + 0.02)],
        crs=WGS84_EPSG,
    )
    unreachable = demand.loc[[3], ["demand_id", "geometry"]].assign(
        reason="no road near", kwh_per_day=20.0
    )
    return SitingCase(
        study=parse_study(_study(toy), folder=Path()),
        roads=_roads(),
        districts=districts,
        zones=zones if toy.zoned else None,
        demand=demand,
        candidates=_points(
            {
                "site_id": ["s0", "s1", "s2"],
                "name": list(toy.site_names),
                "kind": ["parking", "fuel", "parking"],
            },
            [(0.6, 0.6), (1.2, 1), (2, 2)],
        ),
        excluded_candidates=pd.DataFrame({"site_id": [], "reason": []}),
        stations=stations,
        unreachable=unreachable,
        instance=unified,
        instance_today=today,
        notices=(),
        input_sha256={},
    )


def _study(toy: Toy) -> str:
    budget = "{budget_cny: 4.0e+6"
    limited = f"{budget}, grid_group_limit_kw: {{North: 960}}"
    return (STUDY.replace(budget, limited) if toy.grid else STUDY) + toy.tiles


def _points(columns: dict[str, object], at: list[tuple[float, float]]) -> gpd.GeoDataFrame:
    points = [shapely.Point(LON + x * STEP_DEG, LAT + y * STEP_DEG) for x, y in at]
    return gpd.GeoDataFrame(columns, geometry=points, crs=WGS84_EPSG)


def _roads() -> RoadTable:
    """Three nodes in a line, a primary road; the first street stands in both directions."""
    lon, lat = LON + STEP_DEG * np.arange(3), np.full(3, LAT)
    ends = np.array([[0, 1], [1, 0], [1, 2]])
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=ends[:, 0],
        segment_to=ends[:, 1],
        length_m=np.full(3, 957.0),
        forward_kph=np.full(3, 40.0),
        backward_kph=np.full(3, 40.0),
        highway=np.zeros(3, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.arange(0, 7, 2),
        shape_lon_deg=lon[ends.ravel()],
        shape_lat_deg=lat[ends.ravel()],
        source="made for a test",
    )


@pytest.fixture
def build_grid_plan(toy_plan: SitingPlan) -> Callable[..., SitingPlan]:
    """Return a builder of large plans on a square grid: one site in ten opens, serving its own."""

    def build(*, n_demand: int, n_site: int) -> SitingPlan:
        instance = _grid_instance(n_demand, n_site)
        tier = np.where(np.arange(n_site) % 10 == 0, np.arange(n_site) // 10 % 2, CLOSED)
        own = (tier != CLOSED)[instance.cover_supply]
        flow = np.where(own, 0.05, 0.0)[:, None] * [1.0, 1.0]
        state = ServiceState(
            decision=(decision := Decision(tier_of_site=tier, flow_kwh_per_day=flow)),
            evaluation=evaluate(instance, decision),
        )
        closed = Decision(tier_of_site=np.full(n_site, CLOSED), flow_kwh_per_day=0 * flow)
        before = ServiceState(decision=closed, evaluation=evaluate(instance, closed))
        at = _grid_at(n_demand)
        demand = _points({"demand_id": list(instance.demand_ids)}, at)
        case = replace(
            toy_plan.case,
            roads=_city_roads() or toy_plan.case.roads,
            demand=demand.assign(zone_id=demand["demand_id"], district_id="D"),
            zones=gpd.GeoDataFrame(
                {"zone_id": demand["demand_id"]},
                geometry=shapely.buffer(
                    demand.geometry.to_numpy(), 0.45 * STEP_DEG / 4, cap_style="square"
                ),
                crs=WGS84_EPSG,
            ),
            candidates=_points(
                {"site_id": list(instance.site_ids), "name": "Site", "kind": "parking"},
                at[:: len(at) // n_site][:n_site],
            ),
            stations=_points({"station_id": [], "name": []}, []),
            unreachable=demand.iloc[::50][["demand_id", "geometry"]].assign(
                reason="no road near", kwh_per_day=1.0
            ),
            instance=instance,
            instance_today=instance,
        )
        return replace(toy_plan, case=case, today=before, unified=before, joint=state)

    return build


def _grid_at(n: int) -> list[tuple[float, float]]:
    side = int(np.ceil(np.sqrt(n)))
    return [(k % side / 4, k // side / 4) for k in range(n)]


def _grid_instance(n_demand: int, n_site: int) -> SitingInstance:
    """Every demand point reaches 40 sites near it in the order of the grid."""
    first = np.minimum(np.arange(n_demand) * n_site // n_demand, n_site - 40)
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=tuple(f"cell-{i}" for i in range(n_demand)),
        demand_kwh_per_day=np.column_stack([5 + np.arange(n_demand) % 90, np.full(n_demand, 7.3)]),
        demand_district=np.zeros(n_demand),
        site_ids=tuple(f"site-{j}" for j in range(n_site)),
        site_district=np.zeros(n_site),
        station_ids=(),
        district_ids=("D",),
        tiers=("small", "big"),
        tier_cost_cny=np.tile([1.0e6, 2.5e6], (n_site, 1)),
        tier_power_kw=np.tile([480.0, 5760.0], (n_site, 1)),
        tier_capacity_kwh_per_day=np.tile([1e4, 3e4], (n_site, 1)),
        tier_allowed=np.ones((n_site, 2), dtype=bool),
        station_capacity_kwh_per_day=np.empty(0),
        usable=np.ones((n_site, 2), dtype=bool),
        cover_start=40 * np.arange(n_demand + 1),
        cover_supply=(first[:, None] + np.arange(40)).ravel(),
        cover_time_s=np.tile(15.0 * np.arange(40), n_demand),
        cover_worth=np.ones(40 * n_demand),
        requirements=no_requirements(n_site=n_site, n_brand=2),
    )


def _city_roads() -> RoadTable | None:
    """Return the embedded city's roads, which a sparse checkout may lack."""
    path = Path(__file__).parents[2] / "data" / "wuhan" / "roads.npz"
    return read_compact_roads(path) if path.is_file() else None
