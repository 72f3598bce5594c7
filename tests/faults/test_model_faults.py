"""Studies that ask for what makes no sense, for nothing, or for what no plan can give."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from planting import pick, set_study

from siting.errors import ExitCode, InfeasibleError, SolveError
from siting.pipeline import build_case, read_inputs, read_study, solve_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Mutation = Callable[[np.random.Generator, Path], str]

REACHED_OF_ANT = 600 / 610  # the farm's one ant in 61 is out of reach
BUDGET = "{budget_cny: 1.5e+6}"
NO_NUMBERS = (".nan", ".inf", "-.inf", "-1", "about 5", '"1,5"', "[1]", "true", "~", '"１２"')


def budget_of_no_sense(rng: np.random.Generator, folder: Path) -> str:
    set_study(folder, "1.5e+6", pick(rng, NO_NUMBERS))
    return r"study.yaml, row \d+, requirements.*budget_cny"


def figure_of_no_sense(rng: np.random.Generator, folder: Path) -> str:
    old, key = pick(rng, [
        ("connectors: 60", "connectors"), ("power_kw: 120", "power_kw"),
        ("cost_cny: 1.0e+6", "cost_cny"), ("cutoff_minutes: 2.5", "cutoff_minutes"),
        ("max_wait_minutes: 5", "max_wait_minutes"), ("session_kwh: 30", "session_kwh"),
        ("gap: 0.0001", "gap"), ("km_per_day: 10", "km_per_day"), ("kwh_per_km: 1", "kwh_per_km"),
        ("public_share: 1", "public_share"), ("max_snap_m: 200", "max_snap_m"),
    ])  # fmt: skip
    set_study(folder, old, f"{key}: {pick(rng, [n for n in NO_NUMBERS if n != '~'])}")
    return rf"study.yaml, row \d+, .*{key}"


def out_of_its_range(rng: np.random.Generator, folder: Path) -> str:
    old, new, key = pick(rng, [
        ("public_share: 1", "public_share: 1.01", "public_share"),
        ("name: Ant,", "name: Ant, floor: 1.2,", "floor"),
        ("name: Ant,", "name: Ant, floor: .nan,", "floor"),
        ("cutoff_minutes: 2.5", "cutoff_minutes: 0", "cutoff_minutes"),
        ("cutoff_minutes: 2.5", "cutoff_minutes: 241", "cutoff_minutes"),
        ("connectors: 60", "connectors: 0", "connectors"),
        ("connectors: 60", "connectors: 2.5", "connectors"),
        ("power_kw: 120", "power_kw: 0", "power_kw"),
        ("gap: 0.0001", "gap: 2", "gap"),
        ("gap: 0.0001", "time_limit_s: 0", "time_limit_s"),
        ("gap: 0.0001", "seed: -1", "seed"),
    ])  # fmt: skip
    set_study(folder, old, new)
    return rf"study.yaml, row \d+, .*{key}"


def name_of_nothing(rng: np.random.Generator, folder: Path) -> str:
    new, says = pick(rng, [
        ("required: [NORTH]", "NORTH.*no candidate site has this name"),
        ("forbidden: [NORTH]", "NORTH.*no candidate site has this name"),
        ("district_min_sites: {D9: 1}", "D9.*no district has this name"),
        ("grid_group_limit_kw: {G: 1}", "G.*no group has this name"),
        ("required: [WEST], forbidden: [WEST]", "both required and forbidden: WEST"),
        ("budgets: 5", "budgets.*unknown key"),
        ("min_sites: -1", "min_sites"),
        ("min_sites: 2, max_sites: 1", "min_sites.*max_sites"),
    ])  # fmt: skip
    set_study(folder, BUDGET, f"{{budget_cny: 1.5e+6, {new}}}")
    return says


def same_id_twice(rng: np.random.Generator, folder: Path) -> str:
    if rng.integers(2):
        set_study(folder, "id: bee", "id: ant")
        return "brands have the same id twice: ant"
    set_study(folder, "tiers:\n", "tiers:\n  - {id: big, name: {en: B}, connectors: 1, power_kw: 60, cost_cny: 1}\n")  # fmt: skip # noqa: E501
    return "tiers have the same id twice: big"


REFUSED = (
    budget_of_no_sense,
    figure_of_no_sense,
    out_of_its_range,
    name_of_nothing,
    same_id_twice,
)


def budget_under_the_cheapest_site(rng: np.random.Generator, folder: Path) -> str:
    set_study(folder, "1.5e+6", pick(rng, ["0", "1", "999999.99"]))
    return "no site can be opened: the cheapest costs 1,000,000.00 CNY"


@pytest.mark.parametrize("mutate", REFUSED)
def test_refused(mutate: Mutation, make_bench: Callable[[str], Any], seeds: range) -> None:
    make_bench("csv").judge(mutate, "refused", [10 * seed + k for seed in seeds for k in range(9)])


def test_a_budget_that_opens_nothing_is_noticed(
    make_bench: Callable[[str], Any], seeds: range
) -> None:
    make_bench("csv").judge(budget_under_the_cheapest_site, "noticed", seeds)


def solve(folder: Path) -> Any:  # noqa: ANN401 - a plan
    return solve_case(build_case(read_inputs(read_study(folder / "study.yaml"))))


def test_a_conflict_is_told_in_words_and_is_irreducible(copy_of: Callable[[str], Path]) -> None:
    folder = copy_of("csv")
    set_study(folder, "name: Ant,", "name: Ant, floor: 0.9,")
    set_study(folder, "name: Bee", "name: Bee, floor: 0.01")
    set_study(folder, BUDGET, "{budget_cny: 0.5e+6, max_sites: 2}")
    with pytest.raises(InfeasibleError) as caught:
        solve(folder)
    assert caught.value.exit_code is ExitCode.INFEASIBLE
    assert {fault.column for fault in caught.value.faults} == {
        "brands: ant.floor",
        "requirements.budget_cny",
    }
    for old, new in (("floor: 0.9", "floor: 0"), ("0.5e+6", "1.5e+6")):
        text = (folder / "study.yaml").read_text(encoding="utf-8")
        set_study(folder, old, new)
        assert solve(folder).joint.evaluation.feasible  # without either one there is a plan
        (folder / "study.yaml").write_text(text, encoding="utf-8")


def test_conflicts_of_any_figures_are_irreducible(
    copy_of: Callable[[str], Path], seeds: range
) -> None:
    folder = copy_of("csv")
    for seed in seeds:
        rng = np.random.default_rng(seed)
        floor, budget = rng.uniform(0.05, 1.0), rng.uniform(0, 0.99e6)
        kept = (folder / "study.yaml").read_text(encoding="utf-8")
        set_study(folder, "name: Ant,", f"name: Ant, floor: {floor:.4f},")
        set_study(folder, "1.5e+6", f"{budget:.2f}")
        with pytest.raises(InfeasibleError) as caught:
            solve(folder)
        assert {fault.column for fault in caught.value.faults} == {
            "brands: ant.floor",
            "requirements.budget_cny",
        }
        set_study(folder, f"{budget:.2f}", "3.0e+6")
        assert (floor > REACHED_OF_ANT) == (not is_feasible(folder))
        (folder / "study.yaml").write_text(kept, encoding="utf-8")


def is_feasible(folder: Path) -> bool:
    try:
        return bool(solve(folder).joint.evaluation.feasible)
    except InfeasibleError:
        return False


@pytest.mark.parametrize("engine", ["auto", "highs"])
def test_any_limit_gives_an_honest_plan_or_says_that_there_is_none(
    engine: str, copy_of: Callable[[str], Path], seeds: range
) -> None:
    folder = copy_of("csv")
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    for seed in seeds:
        limit_s = 10 ** np.random.default_rng(seed).uniform(-9, -1)
        limited = f"{{gap: 0, time_limit_s: {limit_s:.12f}, engine: {engine}}}"
        (folder / "study.yaml").write_text(text.replace("{gap: 0.0001}", limited), encoding="utf-8")
        with contextlib.suppress(SolveError):
            plan = solve(folder)
            assert plan.joint.evaluation.feasible
            assert plan.solve.bound >= plan.joint.evaluation.objective_kwh_per_day - 1e-6
            assert plan.solve.status.value != "optimal" or plan.solve.gap == 0
    assert SolveError.exit_code is ExitCode.NO_PLAN


@pytest.mark.parametrize("engine", ["auto", "highs", "lagrangian"])
def test_no_budget_makes_a_study_unbounded(
    engine: str, copy_of: Callable[[str], Path], seeds: range
) -> None:
    folder = copy_of("csv")
    text = (folder / "study.yaml").read_text(encoding="utf-8")
    for seed in seeds:
        budget = 10 ** np.random.default_rng(seed).uniform(6.5, 300)
        free = text.replace("1.5e+6", f"{budget:.3e}").replace("cost_cny: 1.0e+6", "cost_cny: 0")
        free = free.replace("{gap: 0.0001}", f"{{gap: 0.0001, engine: {engine}}}")
        (folder / "study.yaml").write_text(free, encoding="utf-8")
        plan = solve(folder)
        wanted = plan.case.instance.demand_kwh_per_day.sum()
        assert plan.joint.evaluation.feasible
        assert plan.joint.evaluation.objective_kwh_per_day <= plan.solve.bound <= wanted + 1e-6
        assert plan.solve.status.value == "optimal"


def test_ties_of_any_names_are_broken_the_same_way_each_time(
    copy_of: Callable[[str], Path], seeds: range
) -> None:
    folder = copy_of("csv")
    frame = pd.read_csv(folder / "candidates.csv")
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n_twin = int(rng.integers(2, 6))
        names = [f"{chr(65 + k)}{k}" for k in rng.permutation(26)[:n_twin]]
        twins = frame.iloc[[0] * n_twin].assign(site_id=names, name=names)
        twins.to_csv(folder / "candidates.csv", index=False)
        plans = [solve(folder) for _ in range(2)]
        assert plans[0].sites["site_id"].tolist() == plans[1].sites["site_id"].tolist()
        assert plans[0].joint.evaluation.objective_kwh_per_day == pytest.approx(1500.0)
