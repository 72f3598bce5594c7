"""The stages, composed: from a study file to a plan and its outputs.

Every stage is a function of plain typed values, so a notebook can stop after any of them::

    study = read_study(Path("data/wuhan/study.yaml"))
    inputs = read_inputs(study)
    case = build_case(inputs)
    plan = solve_case(case)
    write_outputs(plan, Path("outputs/wuhan"))
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pydantic import BaseModel

from siting.alliance.games import compute_fingerprint
from siting.apart import call_apart, find_caps
from siting.case import SitingCase, StudyInputs, build_case
from siting.corridors.answer import TripAnswer
from siting.corridors.build import build_corridors
from siting.corridors.evaluation import evaluate_joint
from siting.corridors.solve import cover_today, solve_joint
from siting.diagnosis import diagnose
from siting.domain import Doubt, SolveStatus, Stage, ignore_stage
from siting.errors import (
    Fault,
    InfeasibleError,
    InputError,
    OutputError,
    SolveError,
    StudyError,
    UnverifiedError,
)
from siting.inputs.areas import read_areas
from siting.inputs.candidates import read_candidate_files
from siting.inputs.districts import read_districts
from siting.inputs.pings import measure_density
from siting.inputs.population import read_population
from siting.inputs.stations import merge_stations, read_stations
from siting.inputs.trips import read_trips
from siting.inputs.vehicles import read_vehicles
from siting.instance import evaluate, settle_flows
from siting.investment import JointInvestment, WhatIf, build_alliance, solve_investment
from siting.network.road_network import load_roads
from siting.optimise.conflicts import find_conflict
from siting.optimise.fairness import solve_fair
from siting.optimise.frontier import solve_frontier
from siting.optimise.solve import (
    SolveOptions,
    expect_plan,
    solve,
    solve_baseline,
)
from siting.outputs.alliance_page import render_alliance
from siting.outputs.alliance_store import KEPT_IN, PlanFolder, refuse_other_folder
from siting.outputs.alliance_tables import (
    ALLIANCE_MANIFEST,
    WHAT_IF_NAME,
    render_alliance_manifest,
    render_tables,
)
from siting.outputs.compare import PlanComparison, compare_plans, render_comparison_csv
from siting.outputs.compare_page import render_comparison
from siting.outputs.files import (
    CHECK_NAME,
    MANIFEST_NAME,
    hold_folder,
    refuse_foreign_folder,
    render_csv,
    sha256,
    write_folder,
)
from siting.outputs.frontier import (
    Frontier,
    keep_best_known,
    render_frontier,
    render_frontier_csv,
    render_frontier_json,
)
from siting.outputs.manifest import build_manifest, render_manifest
from siting.outputs.map import render_check_map, render_drawing
from siting.outputs.map_bill import build_investment_payload
from siting.outputs.map_payload import build_map_payload
from siting.outputs.page import PageLanguage
from siting.outputs.phases import render_phase_files
from siting.outputs.proof import INSTANCE_NAME, render_instance, render_proof
from siting.outputs.reasons import describe_reasons, render_reasons_tables
from siting.outputs.report import render_report
from siting.outputs.report_alliance import read_alliance
from siting.outputs.robust import render_robust
from siting.outputs.sensitivity import (
    render_sensitivity,
    render_sensitivity_csv,
    render_sensitivity_json,
)
from siting.outputs.site_list import render_sites_csv, render_sites_geojson
from siting.outputs.stations import write_stations
from siting.outputs.study_results import read_results
from siting.outputs.trips import render_trips
from siting.outputs.waiting import render_waiting
from siting.outputs.written_plan import MAP_NAME, read_written_plan
from siting.phases.instance import build_phases
from siting.phases.plan import PhasedPlan
from siting.phases.solve import solve_phases
from siting.plan import ServiceState, SitingPlan
from siting.reasons import (
    PlanReasons,
    explain,
    explain_plan,
    glance,
    know_claim,
    know_plan,
)
from siting.scenarios.plan import RobustAnswer, check_on_draws
from siting.scenarios.solve import solve_robust
from siting.scenarios.worlds import build_worlds
from siting.sensitivity import STEPS, Sensitivity, Variation, solve_sensitivity
from siting.storage import write_file
from siting.study import Objective, Stations, Study, read_station_feeds, read_study
from siting.verify import Check, verify_folder
from siting.verify.claim import read_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from siting.alliance.games import CoalitionPlan
    from siting.diagnosis import Diagnosis
    from siting.domain import Datum
    from siting.inputs.pings import PingColumns, VehicleDensity
    from siting.inputs.stations import MergedStations, StationTable
    from siting.inputs.trips import TripTable
    from siting.instance import Decision, SitingInstance
    from siting.optimise.solve import Progress, SolveResult

P = ParamSpec("P")
T = TypeVar("T")
FEED_LISTS = (".yaml", ".yml")
REPORT_NAME = "report.html"
FRONTIER_NAME, SENSITIVITY_NAME = "frontier.json", "sensitivity.json"

__all__ = [
    "Stage",
    "ask_sensitivity",
    "build_case",
    "diagnose",
    "embedded_study_path",
    "explain_plan",
    "explain_written",
    "hold_folder",
    "invest",
    "read_apart",
    "read_inputs",
    "read_study",
    "refuse_foreign_folder",
    "run",
    "solve_case",
    "write_check",
    "write_comparison",
    "write_investment",
    "write_outputs",
    "write_reasons",
    "write_report",
    "write_sensitivity",
]


def embedded_study_path() -> Path:
    """Return the study file of the embedded city, inside the package or in a checkout."""
    inside = Path(str(resources.files("siting"))) / "data" / "wuhan" / "study.yaml"
    checkout = Path(__file__).parents[2] / "data" / "wuhan" / "study.yaml"
    return inside if inside.is_file() else checkout


def read_inputs(
    study: Study,
    *,
    cache_folder: Path | None = None,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> StudyInputs:
    """Read and validate every file of a study; all faults of all files at once.

    Parameters
    ----------
    study
        What is asked.
    cache_folder
        Where to keep roads that are slow to read, by their content.
    on_stage
        Told of each stage as it begins.

    Raises
    ------
    InputError
        With the faults of every file that cannot be read or breaks its contract.
    """
    brands = [brand.id for brand in study.brands]
    files = study.inputs
    faults: list[Fault] = []
    on_stage(Stage.READ_ROADS)
    roads = _collect(faults, load_roads, files.roads, cache_folder=cache_folder)
    on_stage(Stage.READ_TABLES)
    vehicles = _collect(faults, read_vehicles, files.vehicles, brands)
    stations = [
        _collect(faults, read_stations, spec, brands=study.brands) for spec in files.stations
    ]
    districts = (
        None if files.districts is None else _collect(faults, read_districts, files.districts)
    )
    population = (
        None if files.population is None else _collect(faults, read_population, files.population)
    )
    water = (
        None
        if files.water is None
        else _collect(faults, read_areas, files.water.path, files.water.datum)
    )
    trips = None if files.trips is None else _collect(faults, read_trips, files.trips, brands)
    candidates = _collect(faults, read_candidate_files, files.candidates)
    if faults or roads is None or vehicles is None or candidates is None:
        raise InputError(faults)
    return StudyInputs(
        study=study,
        roads=roads,
        vehicles=vehicles,
        stations=tuple(table for table in stations if table is not None),
        candidates=candidates,
        districts=districts,
        population=population,
        water=water,
        trips=trips,
        input_sha256=hash_inputs(study),
    )


def read_apart(
    study: Study,
    *,
    cache_folder: Path | None = None,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> StudyInputs:
    """Read every file of a study as `read_inputs` does, in a child process under caps.

    Raises
    ------
    InputError
        As `read_inputs`; also if the caps do not suffice, or a reader crashes.
    """
    return call_apart(
        lambda tell: read_inputs(study, cache_folder=cache_folder, on_stage=tell),
        caps=find_caps(list_files(study)),
        name=study.name,
        on_stage=on_stage,
    )


def _collect(
    faults: list[Fault], read: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """Return what the reader returns; on a fault, note it and go on to the next file."""
    try:
        return read(*args, **kwargs)
    except InputError as error:
        faults.extend(error.faults)
        return None


def solve_case(
    case: SitingCase,
    *,
    on_stage: Callable[[Stage], None] = ignore_stage,
    on_progress: Callable[[Progress], None] | None = None,
    known: SolveResult | None = None,
) -> SitingPlan:
    """Solve a case: service today, with unified accounts, and with the best plan found.

    Parameters
    ----------
    case
        What is solved.
    on_stage, on_progress
        Told of the stages, and of the solve.
    known
        The answer, where it was found before.

    Raises
    ------
    InfeasibleError
        If the study's requirements conflict; the faults name them.
    SolveError
        If no plan was found within the limits.
    KeyboardInterrupt
        On Ctrl-C before there is a plan; after, the best plan is returned and says so.
    """
    if case.trips is not None:
        return _solve_with_trips(case, case.trips, on_stage=on_stage, on_progress=on_progress)
    on_stage(Stage.BASELINES)
    today = _serve(case.instance_today)
    unified = _serve(case.instance)
    on_stage(Stage.SOLVE)
    options = _solve_options(case.study)
    if case.study.phases:
        phased = _solve_phases(case, options, on_progress)
        result = phased.result.as_solve()
        joint = ServiceState(
            decision=expect_plan(result), evaluation=evaluate(case.instance, expect_plan(result))
        )
        return SitingPlan(
            case=case, today=today, unified=unified, joint=joint, solve=result, phases=phased
        )
    fairness = None
    if case.study.objective is not Objective.TOTAL and known is None:
        fairness = solve_fair(
            case.instance, objective=case.study.objective, options=options, progress=on_progress
        )
        result = fairness.result
    else:
        result = known or solve(case.instance, options=options, progress=on_progress)
    if result.interrupted and result.decision is None:
        raise KeyboardInterrupt
    if result.status is SolveStatus.INFEASIBLE:
        on_stage(Stage.EXPLAIN)
        raise InfeasibleError(find_conflict(case.instance) or _unexplained())
    decision = settle_flows(case.instance, expect_plan(result))
    joint = ServiceState(decision=decision, evaluation=evaluate(case.instance, decision))
    return SitingPlan(
        case=case, today=today, unified=unified, joint=joint, solve=result, fairness=fairness
    )


def _solve_with_trips(
    case: SitingCase,
    trips: TripTable,
    *,
    on_stage: Callable[[Stage], None],
    on_progress: Callable[[Progress], None] | None,
) -> SitingPlan:
    """Solve the city's demand and the trips as one model, and drive every covered trip again."""
    on_stage(Stage.BUILD_INSTANCE)
    corridors = build_corridors(case, trips)
    options = _solve_options(case.study)
    on_stage(Stage.BASELINES)
    today, unified = _serve(case.instance_today), _serve(case.instance)
    covered_today = cover_today(case.instance, corridors.instance, options=options)
    on_stage(Stage.SOLVE)
    result = solve_joint(case.instance, corridors.instance, options=options, progress=on_progress)
    if result.solve.interrupted and result.trips is None:
        raise KeyboardInterrupt
    if result.solve.status is SolveStatus.INFEASIBLE:
        on_stage(Stage.EXPLAIN)
        raise InfeasibleError(find_conflict(case.instance) or _unexplained())
    decision = expect_plan(result.solve)
    covered = covered_today if result.trips is None else result.trips
    evaluation = evaluate_joint(case.instance, decision, corridors.instance, covered)
    return SitingPlan(
        case=replace(case, notices=(*case.notices, *corridors.notices)),
        today=today,
        unified=unified,
        joint=ServiceState(decision=decision, evaluation=evaluation),
        solve=result.solve,
        trips=TripAnswer(corridors=corridors, today=covered_today, joint=covered),
    )


def _trips_refused() -> StudyError:
    what, remedy = "trips are planned by `siting plan` alone so far", "leave inputs.trips out"
    return StudyError([Fault(file="study", column="inputs.trips", what=what, remedy=remedy)])


def _solve_phases(
    case: SitingCase, options: SolveOptions, on_progress: Callable[[Progress], None] | None
) -> PhasedPlan:
    """Solve all periods of a case."""
    phased = build_phases(case.instance, case.study.phases)
    found = solve_phases(phased, options=options, progress=on_progress)
    if found.status is SolveStatus.INFEASIBLE:
        raise InfeasibleError(find_conflict(case.instance) or _unexplained())
    return PhasedPlan(phased=phased, result=found)


def solve_budgets(
    case: SitingCase,
    budgets_cny: Sequence[float],
    *,
    gap: float | None = None,
    folder: Path | None = None,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> Frontier:
    """Solve a case for several budgets, each from the plans and prices of its neighbours.

    A plan that a smaller budget pays for is one for every larger budget, so that more money never
    serves less.

    Parameters
    ----------
    case
        What is solved; its own budget is not looked at.
    budgets_cny
        The budgets.
    gap
        Gap that every point is sought to; the study's own if it is not given, or is wider. A
        point that ends above it says so.
    folder
        An output folder; where it holds a plan of this very case, no budget that pays for that
        plan shows less.
    on_stage
        Told of the stages.

    Returns
    -------
    Frontier
        A plan each, in the order of the budgets; those too small for any plan that was found are
        named apart.

    Raises
    ------
    InfeasibleError
        If no budget can meet the study's requirements; the faults name those that conflict.
    SolveError
        If no plan was found within the limits for any.
    """
    require_one_period(case.study)
    on_stage(Stage.BASELINES)
    today, unified = _serve(case.instance_today), _serve(case.instance)
    on_stage(Stage.SOLVE)
    options = _solve_options(case.study, gap)
    results = solve_frontier(case.instance, budgets_cny, options=options)
    plans: list[SitingPlan] = []
    unplanned: dict[float, SolveStatus] = {}
    for budget_cny, result in zip(budgets_cny, results, strict=True):
        if result.decision is None and budget_cny < max(budgets_cny):
            unplanned[budget_cny] = result.status
            continue
        requirements = case.instance.requirements.replace(budget_cny=budget_cny)
        instance = case.instance.replace(requirements=requirements)
        if result.status is SolveStatus.INFEASIBLE:
            on_stage(Stage.EXPLAIN)
            raise InfeasibleError(find_conflict(instance) or _unexplained())
        decision = settle_flows(instance, expect_plan(result))
        joint = ServiceState(decision=decision, evaluation=evaluate(instance, decision))
        plans.append(
            SitingPlan(
                case=replace(case, instance=instance),
                today=today,
                unified=unified,
                joint=joint,
                solve=result,
            )
        )
    known = None if folder is None else _read_decision(case, folder)
    kept = keep_best_known(plans, gap=options.gap, known=known)
    return Frontier(plans=kept, unplanned=unplanned, gap=options.gap)


def _read_decision(case: SitingCase, folder: Path) -> Decision | None:
    """Return the plan that a folder holds, if it was made for the very instance of a case."""
    try:
        same = (folder / INSTANCE_NAME).read_bytes() == render_instance(case.instance)
        return know_claim(read_claim(folder)).decision if same else None
    except (OSError, InputError):
        return None


def write_frontier(frontier: Frontier, folder: Path) -> None:
    """Write what several budgets buy into a folder: a table, a page, and what a report reads.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    write_file(folder / "frontier.csv", render_frontier_csv(frontier))
    write_file(folder / "frontier.html", render_frontier(frontier))
    write_file(folder / FRONTIER_NAME, render_frontier_json(frontier))


def ask_sensitivity(
    plan: SitingPlan,
    inputs: StudyInputs,
    *,
    steps: Sequence[float] = STEPS,
    doubts: Sequence[Doubt] = tuple(Doubt),
    gap: float | None = None,
    on_solved: Callable[[Variation], None] | None = None,
) -> Sensitivity:
    """Solve a plan's study again with one figure off at a time, as hard as the study asks.

    Parameters
    ----------
    plan, inputs, steps, doubts, on_solved
        As in `siting.sensitivity.solve_sensitivity`.
    gap
        Gap of every solve; the study's own if it is not given, or is wider.

    Raises
    ------
    StudyError
        If the study has phases.
    """
    require_one_period(plan.case.study)
    return solve_sensitivity(
        plan,
        inputs,
        options=_solve_options(plan.case.study, gap),
        steps=steps,
        doubts=doubts,
        on_solved=on_solved,
    )


def require_one_period(study: Study) -> None:
    """Refuse a study with phases or trips: only its last period, or its city, would be asked.

    Raises
    ------
    StudyError
        If the study has phases or trips.
    """
    if study.inputs.trips is not None:
        raise _trips_refused()
    if study.phases:
        raise _phases_refused()


def _phases_refused() -> StudyError:
    what = "this is asked of one period: of several, all but the last would be passed over"
    remedy = "ask it of a study without phases"
    return StudyError([Fault(file="study", column="phases", what=what, remedy=remedy)])


def _futures_refused() -> StudyError:
    what, remedy = "reasons are given for one future", "ask it of the plan of one future"
    return StudyError([Fault(file="study", column="scenarios", what=what, remedy=remedy)])


def ask_robust(
    case: SitingCase,
    *,
    on_stage: Callable[[Stage], None] = ignore_stage,
    on_progress: Callable[[Progress], None] | None = None,
) -> RobustAnswer:
    """Plan a case for all of its study's scenarios, and check the plan on futures drawn anew.

    Raises
    ------
    StudyError
        If the study names no scenario.
    SolveError
        If no plan was found that every future can pay.
    KeyboardInterrupt
        On Ctrl-C.
    """
    study = case.study
    if not study.scenarios:
        what, remedy = "names no future", "list at least one; `siting schema` explains it"
        raise StudyError([Fault(column="scenarios", what=what, remedy=remedy)])
    on_stage(Stage.SOLVE)
    worlds = build_worlds(case, study.scenarios, own_weight=study.robust.own_weight)
    found = solve_robust(worlds, options=_solve_options(study), progress=on_progress)
    if found is None or study.robust.rule not in found.plans:
        what = "no plan was found that every future can pay"
        raise SolveError([Fault(what=what, remedy="allow more time, or relax a requirement")])
    return check_on_draws(
        case, found, study.robust.rule, n_draw=study.robust.draws, seed=study.solve.seed
    )


def plan_robust(
    case: SitingCase,
    *,
    on_stage: Callable[[Stage], None] = ignore_stage,
    on_progress: Callable[[Progress], None] | None = None,
) -> SitingPlan:
    """Plan a case for all of its study's scenarios: the plan by the study's rule.

    Raises
    ------
    StudyError, SolveError, KeyboardInterrupt
        As :func:`ask_robust` does.
    """
    answer = ask_robust(case, on_stage=on_stage, on_progress=on_progress)
    decision = answer.decision
    return SitingPlan(
        case=case,
        today=_serve(case.instance_today),
        unified=_serve(case.instance),
        joint=ServiceState(decision=decision, evaluation=evaluate(case.instance, decision)),
        solve=answer.as_solve(gap_asked=case.study.solve.gap),
        robust=answer,
    )


def write_sensitivity(sensitivity: Sensitivity, folder: Path) -> None:
    """Write a sensitivity into a folder: a table, a page, and what a report reads.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    write_file(folder / "sensitivity.csv", render_sensitivity_csv(sensitivity))
    write_file(folder / "sensitivity.html", render_sensitivity(sensitivity))
    write_file(folder / SENSITIVITY_NAME, render_sensitivity_json(sensitivity))


def write_outputs(plan: SitingPlan, folder: Path) -> None:
    """Write a plan into a folder, whole or not at all.

    The site list, the map, the manifest, and what `siting.verify` needs.

    Raises
    ------
    OutputError
        If the folder cannot be written or holds other files.
    """
    files = {
        "sites.csv": render_sites_csv(plan),
        "sites.geojson": render_sites_geojson(plan),
        **render_proof(plan),
        **render_trips(plan),
        **render_waiting(plan),
        **render_phase_files(plan),
        **render_robust(plan),
        "map.html": _render_map(plan, build_map_payload(plan)),
    }
    manifest = render_manifest(build_manifest(plan, files=files))
    write_folder(folder, {**files, MANIFEST_NAME: manifest})


def _render_map(plan: SitingPlan, drawing: dict[str, Any]) -> bytes:
    """Draw a plan, with the reasons that take no solve; of one period and future, without trips."""
    if plan.phases is None and plan.trips is None and plan.robust is None:
        drawing = drawing | {"reasons": describe_reasons(glance(know_plan(plan)))}
    return render_drawing(drawing, plan.case.study.facility).encode()


def explain_written(
    folder: Path,
    plan: SitingPlan | None = None,
    **options: Any,  # noqa: ANN401 - as `explain`
) -> PlanReasons:
    """Say why a written plan is as it is, from the plan itself where it is still in hand.

    Parameters
    ----------
    folder
        The output folder of the plan.
    plan
        The plan that was written there, or None: then the folder alone is read.
    options
        As in :func:`siting.reasons.explain`.

    Raises
    ------
    InputError
        If the folder holds no plan.
    UnverifiedError
        If the plan does not hold when it is recomputed.
    StudyError
        If an id that was asked about is no candidate, or the plan has trips, periods or futures.
    """
    _require_verified(folder)
    claim = read_claim(folder)
    if claim.has_trips:
        raise _trips_refused()
    if claim.has_phases:
        raise _phases_refused()
    if claim.has_futures:
        raise _futures_refused()
    if plan is not None:
        return explain_plan(plan, **options)
    return explain(know_claim(claim), **options)


def write_reasons(reasons: PlanReasons, folder: Path) -> None:
    """Write the reasons of a plan into its folder: as tables, and into its map.

    A report that stands there goes, for it does not show these.

    Raises
    ------
    InputError
        If the folder holds no plan.
    OutputError
        If it cannot be written.
    """
    plan = read_written_plan(folder)
    drawing = plan.drawing | {"reasons": describe_reasons(reasons)}
    changed = {
        MAP_NAME: render_drawing(drawing, plan.facility).encode(),
        **render_reasons_tables(reasons, plan.facility),
    }
    hashes = plan.manifest["files_sha256"] | {name: sha256(new) for name, new in changed.items()}
    manifest = plan.manifest | {"files_sha256": dict(sorted(hashes.items()))}
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    kept.pop(REPORT_NAME, None)
    write_folder(folder, {**kept, **changed, MANIFEST_NAME: render_manifest(manifest)})


def compare_inputs(inputs: StudyInputs, folder: Path) -> Check:
    """Hold a written plan's instance to what its study's inputs say, read anew.

    Raises
    ------
    StudyError, InputError
        If the inputs make no case.
    """
    fresh = render_instance(build_case(inputs).instance)
    same = fresh == (folder / INSTANCE_NAME).read_bytes()
    stated = json.loads((folder / MANIFEST_NAME).read_bytes())["inputs_sha256"]
    changed = sorted(
        name
        for name in stated.keys() | inputs.input_sha256.keys()
        if stated.get(name) != inputs.input_sha256.get(name)
    )
    faults = [f"{name} is not the file that was read" for name in changed]
    if not same:
        faults.append("the inputs give another instance than the plan was made for")
    return Check(name="inputs", detail=f"{len(stated)} files read anew", faults=tuple(faults))


def write_check(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write the diagnostic map into a folder, beside a plan that may be there, and say where.

    Raises
    ------
    OutputError
        If the folder cannot be written or holds other files.
    """
    refuse_foreign_folder(folder)
    path = folder / CHECK_NAME
    write_file(path, render_check_map(diagnosis).encode())
    return path


def invest(
    case: SitingCase,
    folder: Path,
    *,
    on_stage: Callable[[Stage], None] = ignore_stage,
    on_progress: Callable[[Progress], None] | None = None,
    on_coalition: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> JointInvestment:
    """Solve a case and all coalitions of its brands, going on from what the folder holds.

    Every finished coalition is kept in ``folder/coalitions``, so a run that was killed redoes
    nothing, and a changed study solves only what the change touches.

    Raises
    ------
    StudyError, InfeasibleError, SolveError
        As :func:`solve_case` and :func:`siting.investment.solve_investment` do.
    OutputError
        If the folder holds other files.
    KeyboardInterrupt
        On Ctrl-C; what was finished is kept.
    """
    require_one_period(case.study)
    refuse_other_folder(folder)
    build_alliance(case)  # its faults come before the solve, not after
    store = PlanFolder(path=folder / KEPT_IN)
    key = compute_fingerprint(case.instance, case.study.solve)
    # A fair plan is more than one solve, so only its coalitions are kept.
    is_kept = case.study.objective is Objective.TOTAL
    known = store.get_joint(key, case.instance) if is_kept else None
    plan = solve_case(case, on_stage=on_stage, on_progress=on_progress, known=known)
    if plan.solve.interrupted:
        raise KeyboardInterrupt
    if known is None and is_kept:
        store.keep_joint(key, plan.solve)
    on_stage(Stage.COALITIONS)
    return solve_investment(plan, store=store, on_solved=on_coalition, n_worker=n_worker)


def write_investment(
    investment: JointInvestment, folder: Path, *, what_if: WhatIf | None = None
) -> None:
    """Write a joint investment's tables, its page and its plan's map; the manifest comes last.

    Raises
    ------
    OutputError
        If the folder holds other files or cannot be written.
    """
    refuse_other_folder(folder)
    files = {
        **render_tables(investment, what_if),
        "alliance.html": render_alliance(investment, what_if),
        "map.html": _render_map(investment.plan, build_investment_payload(investment)),
    }
    for name in {ALLIANCE_MANIFEST, WHAT_IF_NAME} - set(files):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_file(folder / name, content)
    write_file(folder / ALLIANCE_MANIFEST, render_alliance_manifest(investment, files=files))


def write_report(
    folder: Path,
    *,
    out_file: Path | None = None,
    alliance_folder: Path | None = None,
    language: PageLanguage = PageLanguage.BOTH,
) -> Path:
    """Write the report of a written plan, which must hold when it is recomputed, and say where.

    Parameters
    ----------
    folder
        The output folder of a plan; what `siting frontier` and `siting sensitivity` wrote into it
        becomes a part of the report.
    out_file
        Where the report goes; ``report.html`` in the folder if it is not given.
    alliance_folder
        The output folder of a joint investment of the same study.
    language
        The languages of the report.

    Raises
    ------
    InputError
        If a folder does not hold what it should.
    UnverifiedError
        If the plan does not hold.
    OutputError
        If the file cannot be written.
    """
    plan = read_written_plan(folder)
    checks = _require_verified(folder)
    alliance = None if alliance_folder is None else read_alliance(alliance_folder, plan)
    frontier, sensitivity = (
        read_results(folder / name, plan, command=command) if (folder / name).is_file() else None
        for name, command in ((FRONTIER_NAME, "frontier"), (SENSITIVITY_NAME, "sensitivity"))
    )
    path = out_file or folder / REPORT_NAME
    page = render_report(
        plan,
        checks,
        alliance=alliance,
        frontier=frontier,
        sensitivity=sensitivity,
        language=language,
    )
    write_file(path, page)
    return path


def _require_verified(folder: Path) -> tuple[Check, ...]:
    """Recompute a written plan and refuse it where it does not hold."""
    checks = verify_folder(folder)
    remedy = "run `siting plan` again; only what holds is shown and explained"
    faults = [
        Fault(file=str(folder), what=fault, remedy=remedy)
        for check in checks
        for fault in check.faults
    ]
    if faults:
        raise UnverifiedError(faults)
    return checks


def write_comparison(
    first: Path, second: Path, *, out_file: Path, language: PageLanguage = PageLanguage.BOTH
) -> PlanComparison:
    """Write what changed from one written plan to another: a page, and the sites as CSV beside it.

    Raises
    ------
    InputError
        If a folder holds no plan, or the plans are of two kinds.
    OutputError
        If the files cannot be written, or the page would take the table's name.
    """
    table_file = out_file.with_suffix(".csv")
    if table_file == out_file:
        what, remedy = "is the name of the table beside the page", "name the page .html"
        raise OutputError([Fault(file=str(out_file), what=what, remedy=remedy)])
    comparison = compare_plans(read_written_plan(first), read_written_plan(second))
    write_file(table_file, render_comparison_csv(comparison))
    write_file(out_file, render_comparison(comparison, language=language))
    return comparison


def run(study_path: Path, folder: Path) -> SitingPlan:
    """Run a whole study: read, build, solve, write."""
    refuse_foreign_folder(folder)
    with hold_folder(folder):
        plan = solve_case(build_case(read_inputs(read_study(study_path))))
        write_outputs(plan, folder)
    return plan


def count_telemetry(
    paths: Sequence[Path], *, out_file: Path, columns: PingColumns, datum: Datum, **options: int
) -> VehicleDensity:
    """Count vehicles by cell and brand from telemetry and write them as a table for `format: h3`.

    Parameters
    ----------
    paths, columns, datum, options
        As in `siting.inputs.pings.measure_density`.
    out_file
        A CSV.

    Raises
    ------
    InputError
        With the faults of every file, or if the extra is missing.
    OutputError
        If the file cannot be written.
    """
    density = measure_density(paths, columns=columns, datum=datum, **options)
    write_file(out_file, render_csv(density.table))
    return density


def merge_feeds(feeds: Sequence[Path], *, out_file: Path) -> MergedStations:
    """Merge station feeds into one charging map and write it, with every merge beside it.

    The feeds are read in a child process under caps.

    Parameters
    ----------
    feeds
        The feeds, the most trusted first: files in WGS-84, or a YAML list of feeds with their
        datum, columns and defaults.
    out_file
        ``.csv``, ``.geojson`` or ``.json`` (OCPI); ``<name>.merges.csv`` is written beside it.

    Raises
    ------
    StudyError, InputError
        With the faults of every feed.
    OutputError
        If the file cannot be written.
    """
    specs = [
        spec
        for feed in feeds
        for spec in (
            read_station_feeds(feed) if feed.suffix in FEED_LISTS else [Stations(path=feed)]
        )
    ]
    caps = find_caps([spec.path for spec in specs])
    merged = merge_stations(
        call_apart(lambda _: _read_feeds(specs), caps=caps, name="the feeds", on_stage=ignore_stage)
    )
    write_stations(merged.frame, out_file)
    write_file(out_file.with_suffix(".merges.csv"), render_csv(merged.merges))
    return merged


def _read_feeds(specs: Sequence[Stations]) -> list[StationTable]:
    """Read station feeds; all faults of all of them at once."""
    faults: list[Fault] = []
    tables = [_collect(faults, read_stations, spec) for spec in specs]
    if faults:
        raise InputError(faults)
    return [table for table in tables if table is not None]


def _unexplained() -> list[Fault]:
    """Say that a conflict was proven but not found again within the time of its checks."""
    return [
        Fault(
            what="no plan can meet all requirements, and which conflict could not be told in time",
            remedy="relax floors or the budget, and run again",
        )
    ]


def _solve_options(study: Study, gap: float | None = None) -> SolveOptions:
    """Return how hard a study asks to look, or less hard where another gap is wider."""
    asked = study.solve
    return SolveOptions(
        gap=asked.gap if gap is None else max(gap, asked.gap),
        time_limit_s=asked.time_limit_s,
        seed=asked.seed,
        engine=asked.engine,
    )


def _serve(instance: SitingInstance) -> ServiceState:
    """Return the best service of the existing stations alone."""
    decision = settle_flows(instance, solve_baseline(instance))
    return ServiceState(decision=decision, evaluation=evaluate(instance, decision))


def hash_inputs(study: Study) -> dict[str, str]:
    """Return the SHA-256 of every input file by its name; of two of a name, by folder and name.

    A file that cannot be read has an empty hash; its reader says what is wrong with it.
    """
    paths = list_files(study)
    names = [path.name for path in paths]
    return {
        path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}": _hash_file(
            path
        )
        for path in paths
    }


def list_files(study: Study) -> list[Path]:
    """Return every file that a study names, each once, by its path."""
    return sorted(set(_find_paths(study.inputs)))


def _find_paths(part: BaseModel) -> Iterator[Path]:
    """Yield every file that a part of the study names."""
    for name in type(part).model_fields:
        values = getattr(part, name)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, Path):
                yield value
            elif isinstance(value, BaseModel):
                yield from _find_paths(value)


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
