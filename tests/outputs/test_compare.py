"""Two toy plans side by side: what changed is known by hand, and what is proven is said."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.domain import Facility
from siting.errors import ExitCode, InputError, OutputError
from siting.instance import CLOSED, Decision, evaluate
from siting.outputs.compare import PlanComparison, SiteChange, compare_plans
from siting.outputs.compare_page import render_comparison
from siting.outputs.page import PageLanguage
from siting.outputs.units import name_keys
from siting.outputs.written_plan import read_written_plan
from siting.pipeline import write_comparison, write_outputs
from siting.plan import ServiceState

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan

    OpenPage = Callable[..., AbstractContextManager[Page]]

HOSTILE = ("<img src=x onerror=alert(1)>", "</svg><script>alert(2)</script>", "x' onload='alert(3)")


def change_plan(plan: SitingPlan, *, tiers: list[int], budget_cny: float) -> SitingPlan:
    """Return a plan with other tiers, each site serving what it did, as far as it is open."""
    instance = plan.case.instance
    instance = replace(instance, requirements=instance.requirements.replace(budget_cny=budget_cny))
    tier_of_site = np.array(tiers)
    flow = plan.joint.decision.flow_kwh_per_day.copy()
    closed = [j for j in range(instance.n_site) if tier_of_site[j] == CLOSED]
    flow[np.isin(instance.cover_supply, closed)] = 0
    if tier_of_site[0] == 0:  # the small tier gives 100 kWh: 60 and 30 to d0, 10 to d1
        flow[2] = (10, 0)
    decision = Decision(tier_of_site=tier_of_site, flow_kwh_per_day=flow)
    evaluation = evaluate(instance, decision)
    assert evaluation.feasible, evaluation.violations
    objective = evaluation.objective_kwh_per_day
    return replace(
        plan,
        case=replace(plan.case, instance=instance),
        joint=ServiceState(decision=decision, evaluation=evaluation),
        solve=replace(plan.solve, objective=objective, bound=objective * 1.004),
    )


@pytest.fixture
def folders(toy_plan: SitingPlan, tmp_path: Path) -> tuple[Path, Path]:
    """Write two plans. First: s0 small alone, 1 million. Second: s0 big and s1, 3.5 million."""
    write_outputs(
        change_plan(toy_plan, tiers=[0, CLOSED, CLOSED], budget_cny=1e6), tmp_path / "first"
    )
    write_outputs(toy_plan, tmp_path / "second")
    return tmp_path / "first", tmp_path / "second"


def read_both(folders: tuple[Path, Path]) -> PlanComparison:
    first, second = map(read_written_plan, folders)
    return compare_plans(first, second)


def words_of(page: bytes) -> str:
    text = page.decode()
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", text[text.index("<body>") :]))


def test_what_became_of_each_site(folders: tuple[Path, Path]) -> None:
    changes = {pair.row["site_id"]: pair.change for pair in read_both(folders).sites}
    assert changes == {"s0": SiteChange.LARGER, "s1": SiteChange.ADDED}
    changes = {pair.row["site_id"]: pair.change for pair in read_both(folders[::-1]).sites}
    assert changes == {"s0": SiteChange.SMALLER, "s1": SiteChange.DROPPED}
    same = read_both((folders[0], folders[0]))
    assert [pair.change for pair in same.sites] == [SiteChange.SAME]
    assert not same.study
    assert "Both plans open the same sites" in words_of(render_comparison(same))


def test_the_page_says_what_changed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out_file = tmp_path / "compared.html"
    write_comparison(*folders, out_file=out_file, language=PageLanguage.EN)
    text = words_of(out_file.read_bytes())
    # 160 of 290 kWh with the first plan, 270 with the second.
    for part in (
        "Illustrative data All of this is made up.",
        "1 → 2 sites, 1.00 → 3.50 million CNY: 55.2 % → 93.1 %",
        "Sites that stay: 0. Given up: 0. New: 1. Larger: 1. Smaller: 0.",
        "2.50 million CNY more serve 110 more kWh a day: 22,727 CNY for each.",
        "Both were planned from the same input files.",
        "No plan under the first study's rules can serve as much as the second plan.",
        "Budget, million CNY 1.00 4.00 +3.00",
        "1 South Gate Old Town – Small +1.00 +40",
        "2 North Gate Old Town Small Big +1.50 +70",
        "Bee 50.0 % 90.0 % +40.0 points",
        "Old Town 59.3 % 100.0 % +40.7 points",
    ):
        assert part in text.replace("&#x27;", "'"), (part, text)
    table = pd.read_csv(out_file.with_suffix(".csv"), encoding="utf-8-sig")
    assert table["site_id"].tolist() == ["s1", "s0"]
    assert table["first_tier"].fillna("").tolist() == ["", "small"]
    assert table["second_energy_kwh_per_day"].tolist() == [40.0, 170.0]


def edit_manifest(folder: Path, edit: Callable[[dict], object]) -> None:  # type: ignore[type-arg]
    manifest = json.loads((folder / "plan.json").read_bytes())
    edit(manifest)
    (folder / "plan.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_other_inputs_are_named_and_nothing_is_called_proven(folders: tuple[Path, Path]) -> None:
    edit_manifest(folders[1], lambda m: m.update(inputs_sha256={"vehicles.csv": "ab" * 32}))
    comparison = read_both(folders)
    assert [difference.name for difference in comparison.inputs] == ["vehicles.csv"]
    assert not comparison.same_measure
    text = words_of(render_comparison(comparison, language=PageLanguage.EN))
    assert "not planned from the same input files: vehicles.csv" in text
    assert "proven" not in text.replace("not proven", "").split("At a glance")[0]
    assert "vehicles.csv – abababababababab" in text


@pytest.mark.parametrize(
    ("key", "value"), [("objective", "max_min"), ("access", {"cutoff_minutes": 5})]
)
def test_another_measure_makes_bounds_incomparable(
    folders: tuple[Path, Path], key: str, value: object
) -> None:
    for folder in folders if key == "objective" else folders[:1]:
        edit_manifest(folder, lambda m: m["study_as_read"].update({key: value}))
    assert not read_both(folders).same_measure
    assert read_both(folders).proven_better is None


def test_a_difference_within_the_gaps_is_not_called_proven(folders: tuple[Path, Path]) -> None:
    edit_manifest(folders[0], lambda m: m["solve"].update(bound_kwh_per_day=270.0))
    comparison = read_both(folders)
    assert comparison.same_measure
    assert comparison.proven_better is None
    assert "is not proven: the difference is within" in words_of(render_comparison(comparison))


def test_what_was_asked_differently_is_told_by_its_key(folders: tuple[Path, Path]) -> None:
    def ask(manifest: dict) -> None:  # type: ignore[type-arg] - JSON
        manifest["study_as_read"]["brands"][1]["floor"] = 0.5
        manifest["study_as_read"]["requirements"]["budget_cny"] = 1e6

    edit_manifest(folders[0], ask)
    told = {d.name: (d.first, d.second) for d in read_both(folders).study}
    assert told == {
        "brands[bee].floor": ("0.5", "0"),
        "requirements.budget_cny": ("1000000", "4000000"),
    }


def test_one_id_at_two_places_is_two_sites(folders: tuple[Path, Path]) -> None:
    def move(manifest: dict) -> None:  # type: ignore[type-arg] - JSON
        next(row for row in manifest["sites"] if row["site_id"] == "s0")["longitude"] += 0.001

    edit_manifest(folders[1], move)
    comparison = read_both(folders)
    assert comparison.moved == ("s0",)
    assert comparison.count(SiteChange.DROPPED) == 1
    assert comparison.count(SiteChange.ADDED) == 2
    assert "stand for other places in the two plans" in words_of(render_comparison(comparison))


def test_the_command_and_its_refusals(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = map(str, folders)
    page = str(tmp_path / "page.html")
    result = CliRunner().invoke(app, ["compare", first, second, "-o", page])
    assert result.exit_code == 0, result.output
    assert "0 dropped, 1 added, 1 larger, 0 smaller, 0 same" in result.output
    again = (tmp_path / "page.html").read_bytes()
    assert CliRunner().invoke(app, ["compare", first, second, "-o", page]).exit_code == 0
    assert (tmp_path / "page.html").read_bytes() == again
    result = CliRunner().invoke(app, ["compare", first, str(tmp_path), "-o", page])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "holds no plan" in result.output
    with pytest.raises(OutputError, match="the name of the table"):
        write_comparison(*folders, out_file=tmp_path / "page.csv")
    centre = Facility.SERVICE_CENTRE
    edit_manifest(folders[1], lambda m: m.update(name_keys(m, centre) | {"facility": centre.value}))
    with pytest.raises(InputError, match="compare plans of one kind"):
        read_both(folders)


@pytest.mark.parametrize(
    ("key", "value"),
    [("cost_cny", "1e6"), ("solve", {}), ("sites", [{"tier": "big"}]), ("cost_cny", float("nan"))],
)
def test_a_manifest_that_was_tampered_with_is_refused(
    folders: tuple[Path, Path], key: str, value: object
) -> None:
    edit_manifest(folders[0], lambda m: m.update({key: value}))
    with pytest.raises(InputError, match="lacks a figure or has a wrong one"):
        read_both(folders)


def test_hostile_names_are_shown_and_do_nothing(
    build_toy_plan: Callable[..., SitingPlan], tmp_path: Path
) -> None:
    plan = build_toy_plan(site_names=HOSTILE, district_name=HOSTILE[1])
    write_outputs(plan, tmp_path / "second")
    write_outputs(change_plan(plan, tiers=[0, CLOSED, CLOSED], budget_cny=1e6), tmp_path / "first")
    page = render_comparison(read_both((tmp_path / "first", tmp_path / "second"))).decode()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True])
def test_in_a_browser_it_fetches_nothing_and_has_no_barrier(
    open_page: OpenPage,
    folders: tuple[Path, Path],
    check_with_axe: Callable[[Page], None],
    *,
    phone: bool,
) -> None:
    html = render_comparison(read_both(folders)).decode()
    with open_page(html, phone=phone, ready="footer") as page:
        check_with_axe(page)
        page.click('label[for="lang-zh"]')
        assert "站点1 → 2座" in page.inner_text("h1")
        check_with_axe(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
