"""The joint investment of two brands on one road, solved by hand, from the study to the files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.domain import Accounts
from siting.errors import ExitCode, OutputError, StudyError
from siting.inputs.roads import RoadTable, write_compact_roads
from siting.investment import (
    JointInvestment,
    change_alliance,
    change_budgets,
    compare,
    compute_leaving,
    parse_budgets,
    solve_investment,
)
from siting.outputs.alliance_page import render_alliance
from siting.outputs.manifest import build_manifest
from siting.outputs.map_bill import build_investment_payload
from siting.pipeline import (
    build_case,
    invest,
    read_inputs,
    read_study,
    solve_case,
    write_investment,
)
from siting.study import AllianceGame, Objective, SplitRule

if TYPE_CHECKING:
    from pathlib import Path

    from siting.case import SitingCase

LON, LAT = 114.3, 30.6
METRES_PER_DEGREE = 111_195.0 * np.cos(np.radians(LAT))

# One straight two-way road, 4 km, 60 km/h, so a kilometre takes a minute; cutoff 2.5 minutes:
#
#   km 0            0.5      1              2           3.2     3.5
#   home                     ant's station  shop        EAST    farm
#   ant 600 kWh     WEST                    bee 500             ant 300
#   bee 400 kWh
#
# The station and WEST reach home and shop, EAST reaches shop and farm; a site costs 1 million CNY,
# each is large enough for everybody. A kWh a day is worth 3650 CNY (10 CNY, one year, no discount).
#
#   today    ant 600 at its station, bee nothing
#   ant      600 there, and EAST for the farm:  900 kWh - 1 million = 2.285 million CNY
#   bee      WEST for home and shop:            900 kWh - 1 million = 2.285
#   both     the station, and EAST:            1800 kWh - 1 million = 5.570
STUDY = """\
name: toy
title: {en: Toy road, zh: 玩具路}
illustrative_note: {en: All of this is made up., zh: 全为虚构。}
brands:
  - {id: ant, name: "Ant <b>&", name_zh: 蚁, budget_cny: 1.2e+6}
  - {id: bee, name: Bee, budget_cny: 1.0e+6}
inputs:
  roads: {path: roads.npz}
  vehicles: {path: vehicles.csv, illustrative: true}
  stations: [{path: stations.csv}]
  candidates: {source: file, path: candidates.csv}
energy: {km_per_day: 10, kwh_per_km: 1, public_share: 1}
access: {cutoff_minutes: 2.5, max_snap_m: 200}
service: {max_wait_minutes: 5, session_kwh: 30}
tiers:
  - {id: big, name: {en: Big}, connectors: 60, power_kw: 120, cost_cny: 1.0e+6}
requirements: {budget_cny: 1.5e+6}
alliance: {worth_cny_per_kwh: 10, years: 1, discount_rate: 0}
solve: {gap: 0.0001}
"""
MILLION = 1e6


# A plan's flows are whole watt-hours, each worth 3.65 CNY.
A_FEW_WH_CNY = 8.0


def lon_at(km: float) -> float:
    return float(LON + km * 1000 / METRES_PER_DEGREE)


@pytest.fixture(scope="module")
def study_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    lon = np.array([lon_at(km) for km in range(5)])
    shape = np.repeat(np.arange(5), 2)[1:-1]
    roads = RoadTable(
        node_lon_deg=lon,
        node_lat_deg=np.full(5, LAT),
        segment_from=np.arange(4),
        segment_to=np.arange(1, 5),
        length_m=np.full(4, 1000.0),
        forward_kph=np.full(4, 60.0),
        backward_kph=np.full(4, 60.0),
        highway=np.zeros(4, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.arange(0, 9, 2),
        shape_lon_deg=lon[shape],
        shape_lat_deg=np.full(5, LAT)[shape],
        source="made for a test",
    )
    write_compact_roads(roads, folder / "roads.npz")
    places = {"home": (0.0, 60, 40), "shop": (2.0, 0, 50), "farm": (3.5, 30, 0)}
    pd.DataFrame(
        [
            {"demand_id": name, "longitude": lon_at(km), "latitude": LAT}
            | {"vehicles_ant": ant, "vehicles_bee": bee}
            for name, (km, ant, bee) in places.items()
        ]
    ).to_csv(folder / "vehicles.csv", index=False)
    station = {"station_id": "old", "owner_brand": "ant", "connectors": 60, "power_kw": 120}
    place = {"longitude": lon_at(1.0), "latitude": LAT}
    pd.DataFrame([station | place]).to_csv(folder / "stations.csv", index=False)
    sites = {"WEST": 0.5, "EAST": 3.2}
    pd.DataFrame(
        [
            {"site_id": name, "name": f"=site {name}", "longitude": lon_at(km), "latitude": LAT}
            for name, km in sites.items()
        ]
    ).to_csv(folder / "candidates.csv", index=False)
    path = folder / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def case(study_path: Path) -> SitingCase:
    return build_case(read_inputs(read_study(study_path)))


@pytest.fixture(scope="module")
def investment(case: SitingCase) -> JointInvestment:
    return solve_investment(solve_case(case))


def test_what_every_coalition_can_do(investment: JointInvestment) -> None:
    table = investment.coalitions.set_index("coalition")
    assert table["value_cny"].to_dict() == pytest.approx(
        {"ant": 2.285e6, "bee": 2.285e6, "ant+bee": 5.57e6}
    )
    assert table["cost_cny"].tolist() == [1e6, 1e6, 1e6]
    assert table["served_kwh_per_day"].tolist() == pytest.approx([900, 900, 1800])


def test_unified_accounts_open_the_station_to_bee_and_are_worth_its_energy(
    investment: JointInvestment,
) -> None:
    assert investment.unified_worth_cny == pytest.approx([0, 900 * 3650])


def test_the_two_share_what_they_gain(investment: JointInvestment) -> None:
    """Together they have 1 million more; each gets half, so each pays half of EAST."""
    assert investment.split.rule is SplitRule.NUCLEOLUS
    assert investment.nucleolus_verified
    for split in investment.splits[:2]:
        assert split.pays_cny == pytest.approx([500_000, 500_000], abs=A_FEW_WH_CNY)
        assert split.pays_fen.sum() == 100_000_000
        assert split.gain_cny == pytest.approx([500_000, 500_000], abs=A_FEW_WH_CNY)
        assert not split.objections


def test_the_ledger_by_site(investment: JointInvestment) -> None:
    """EAST serves ant's farm alone: ant pays it there, and bee settles its half with ant."""
    lines = investment.ledger.set_index(["brand", "line"])["pays_cny"]
    ant, bee = lines["ant"], lines["bee"]
    assert (ant["site"], bee["site"]) == (1e6, 0)
    assert ant["settlement"] == -bee["settlement"] == pytest.approx(-5e5, abs=A_FEW_WH_CNY)
    assert ant["bill"] == round(ant["site"] + ant["settlement"], 2)
    assert bee["bill"] == round(bee["site"] + bee["settlement"], 2)
    assert investment.loans == ()


def test_what_drivers_find(investment: JointInvestment) -> None:
    table = investment.by_brand.set_index("brand")
    states = ["today", "unified", "alone", "joint"]
    ant, bee = table.loc["ant"], table.loc["bee"]
    assert [ant[f"{s}_share"] for s in states] == pytest.approx([2 / 3, 2 / 3, 1, 1], abs=1e-5)
    assert [bee[f"{s}_share"] for s in states] == pytest.approx([0, 1, 1, 1], abs=1e-5)
    assert [bee[f"{s}_reach_share"] for s in states] == pytest.approx([0, 1, 1, 1], abs=1e-5)
    # Bee alone drives to WEST: home 0.5 minutes (400 kWh), shop 1.5 (500); with ant's station 1.
    assert np.isnan(bee["today_nearest_min"])
    assert [bee[f"{s}_nearest_min"] for s in states[1:]] == pytest.approx(
        [1, (400 * 0.5 + 500 * 1.5) / 900, 1], abs=0.01
    )


def test_in_the_target_game_ant_alone_pays_the_farm(case: SitingCase) -> None:
    """Bee's service costs it 1 million alone, ant's 1 million, together 1 million."""
    study = change_alliance(case.study, game=AllianceGame.TARGET, rule=SplitRule.SHAPLEY)
    other = solve_investment(solve_case(with_study(case, study)))
    assert other.coalitions["value_cny"].tolist() == [1e6, 1e6, 1e6]
    assert other.split.pays_cny.tolist() == [500_000, 500_000]


def with_study(case: SitingCase, study: object) -> SitingCase:
    return replace(case, study=study)  # type: ignore[type-var]


def test_a_missing_budget_and_separate_accounts_are_faults(case: SitingCase) -> None:
    brands = [brand.model_copy(update={"budget_cny": None}) for brand in case.study.brands]
    study = case.study.model_copy(update={"brands": brands, "accounts": Accounts.SEPARATE})
    plan = replace(solve_case(case), case=with_study(case, study))
    with pytest.raises(StudyError) as caught:
        solve_investment(plan)
    assert len(caught.value.faults) == 3


def test_a_bill_over_the_budget_is_lent(case: SitingCase) -> None:
    poor = case.study.brands[1].model_copy(update={"budget_cny": 0.3e6})
    study = case.study.model_copy(update={"brands": [case.study.brands[0], poor]})
    investment = solve_investment(solve_case(with_study(case, study)))
    # Bee alone can build nothing now and serves nobody, so it gains 3.285 million less.
    assert investment.coalitions["value_cny"].tolist() == pytest.approx([2.285e6, 0, 5.57e6])
    assert investment.split.pays_cny == pytest.approx([-642_500, 1_642_500], abs=A_FEW_WH_CNY)
    (loan,) = investment.loans or ()
    assert (loan.lender, loan.borrower) == (0, 1)
    assert loan.fen == investment.split.pays_fen[1] - 30_000_000
    assert any("lends" in line for line in investment.summary_lines())


def test_the_folder_goes_on_and_its_bytes_do_not_change(case: SitingCase, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    solved: list[float] = []
    first = invest(case, folder, on_coalition=lambda plan: solved.append(plan.cpu_s))
    write_investment(first, folder)
    assert len(solved) == 2
    assert min(solved) > 0
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    kept = sorted((folder / "coalitions").iterdir())
    assert len(kept) == 3
    kept[0].write_text("{broken")
    again: list[float] = []
    second = invest(case, folder, on_coalition=lambda plan: again.append(plan.cpu_s))
    write_investment(second, folder)
    assert sum(cpu_s > 0 for cpu_s in again) <= 1
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    assert set(before) >= {"coalitions.csv", "shares.csv", "ledger.csv", "alliance.html"}
    manifest = json.loads(before["alliance.json"])
    assert set(manifest["files_sha256"]) == set(before) - {"alliance.json"}


def test_another_folder_is_refused_before_solving(case: SitingCase, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files"):
        invest(case, tmp_path)


def test_the_page_runs_nothing_and_shows_names_as_text(case: SitingCase, tmp_path: Path) -> None:
    investment = invest(case, tmp_path / "out")
    write_investment(investment, tmp_path / "out")
    page = (tmp_path / "out" / "alliance.html").read_text("utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "Ant &lt;b&gt;&amp;" in page
    assert "<b>&" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count('class="en"') == page.count('class="zh"')


def test_the_page_says_why_alone_is_below_today(investment: JointInvestment) -> None:
    def tells(each: JointInvestment) -> bool:
        return "Ant &lt;b&gt;&amp;: alone is below today" in render_alliance(each).decode()

    worse = replace(investment)
    vars(worse)["by_brand"] = investment.by_brand.assign(alone_share=[0.5, 1.0])
    assert tells(worse)
    assert not tells(investment)


def test_the_page_says_how_far_a_group_that_is_not_settled_is_proven(
    investment: JointInvestment,
) -> None:
    loose = replace(investment)
    vars(loose)["coalitions"] = investment.coalitions.assign(status="feasible", gap_share=0.075)
    assert "proven within 7.5 % only" in render_alliance(loose).decode()
    assert "All 3 groups" in render_alliance(investment).decode()


def test_the_map_shows_the_alliances_bill_and_names_its_rule(investment: JointInvestment) -> None:
    service = build_investment_payload(investment)["service"]
    assert service["pays_cny"] == pytest.approx([5e5, 5e5], abs=A_FEW_WH_CNY)
    assert sum(service["pays_cny"]) == 1e6
    bill = service["bill"]
    assert bill["rule"] == {"en": "By least objection", "zh": "按最小异议"}
    assert bill["at_site_cny"] == [[1e6], [0]]
    assert bill["gain_cny"] == pytest.approx([5e5, 5e5], abs=A_FEW_WH_CNY)


def test_the_command(study_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["alliance", str(study_path), "-o", str(folder), "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "objections none" in result.output
    sheet = pd.read_csv(folder / "ledger.csv", encoding="utf-8-sig")
    assert sheet.groupby("line")["pays_cny"].sum().to_dict() == {
        "bill": 1e6,
        "settlement": 0,
        "site": 1e6,
    }


def test_fairness_is_the_studys_choice_and_has_a_price(case: SitingCase) -> None:
    """Nothing is lost on the toy road: EAST lets both brands have all they want."""
    study = case.study.model_copy(update={"objective": Objective.MAX_MIN})
    plan = solve_case(with_study(case, study))
    assert plan.fairness is not None
    assert plan.fairness.level == pytest.approx([1, 1], abs=1e-3)
    assert plan.fairness.price == pytest.approx(0, abs=1e-5)
    assert any(line.startswith("fairness   every brand has") for line in plan.summary_lines())
    manifest = build_manifest(plan, files={})
    assert manifest["fairness"]["objective"] == "max_min"
    assert solve_case(case).fairness is None


def test_who_leaves_goes_alone_and_so_does_the_other(investment: JointInvestment) -> None:
    what_if = compare(investment, left=["bee"])
    table = what_if.table[what_if.table["rule"] == "nucleolus"].set_index("brand")
    assert table["takes_part"].all()
    assert table["then_takes_part"].to_dict() == {"ant": True, "bee": False}
    assert table["then_pays_cny"].to_dict() == pytest.approx({"ant": 1e6, "bee": 1e6})
    assert table["then_gain_cny"].tolist() == pytest.approx([0, 0], abs=A_FEW_WH_CNY)
    assert table["change_of_gain_cny"].tolist() == pytest.approx([-5e5, -5e5], abs=A_FEW_WH_CNY)
    assert table["then_served_kwh_per_day"].tolist() == pytest.approx([900, 900])
    leaving = compute_leaving(investment)
    assert list(leaving["leaves"]) == ["ant", "ant", "bee", "bee"]
    assert leaving["change_of_gain_cny"].tolist() == pytest.approx([-5e5] * 4, abs=A_FEW_WH_CNY)


def test_who_joins_was_alone_before_and_everybodys_bill_changes(
    investment: JointInvestment,
) -> None:
    """Each paid 1 million for a site of its own; together they pay half of one."""
    what_if = compare(investment, joined=["bee"])
    table = what_if.table[what_if.table["rule"] == "shapley"].set_index("brand")
    assert table["takes_part"].to_dict() == {"ant": True, "bee": False}
    assert table["then_takes_part"].all()
    assert table["pays_cny"].to_dict() == pytest.approx({"ant": 1e6, "bee": 1e6})
    assert table["change_of_pays_cny"].tolist() == pytest.approx([-5e5, -5e5], abs=A_FEW_WH_CNY)
    assert table["change_of_gain_cny"].tolist() == pytest.approx([5e5, 5e5], abs=A_FEW_WH_CNY)
    assert "bee joins" in what_if.summary_lines(SplitRule.SHAPLEY)[0]


@pytest.mark.parametrize(
    ("joined", "left"), [(["bee"], ["bee"]), ([], ["ant", "bee"]), (["ant", "bee"], [])]
)
def test_movers_that_make_no_sense_are_faults(
    investment: JointInvestment, joined: list[str], left: list[str]
) -> None:
    with pytest.raises(StudyError):
        compare(investment, joined=joined, left=left)


def test_another_budget_changes_the_bills(case: SitingCase, investment: JointInvestment) -> None:
    """Bee with 0.3 million can build nothing alone, so it owes its whole gain to the alliance."""
    then = solve_investment(solve_case(change_budgets(case, {"bee": 0.3e6})))
    what_if = compare(investment, then)
    assert what_if.budget_cny == {"bee": 0.3e6}
    table = what_if.table[what_if.table["rule"] == "shapley"].set_index("brand")
    assert table.loc["bee", "change_of_pays_cny"] == pytest.approx(1_142_500, abs=A_FEW_WH_CNY)
    assert table["change_of_pays_cny"].sum() == pytest.approx(0, abs=0.02)
    assert any("bee brings 0.30" in line for line in what_if.summary_lines(SplitRule.SHAPLEY))


@pytest.mark.parametrize("text", ["bee", "bee=", "bee=much"])
def test_a_budget_that_cannot_be_read_is_a_fault(text: str) -> None:
    with pytest.raises(StudyError, match="BRAND=CNY"):
        parse_budgets([text])


@pytest.mark.parametrize(("brand", "cny"), [("cat", 1.0), ("bee", -1.0), ("bee", float("nan"))])
def test_budgets_that_make_no_sense_are_faults(case: SitingCase, brand: str, cny: float) -> None:
    with pytest.raises(StudyError):
        change_budgets(case, {brand: cny})


def test_what_if_from_the_command(study_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    command = ["alliance", str(study_path), "-o", str(folder), "--workers", "1"]
    result = CliRunner().invoke(app, [*command, "--without", "bee", "--budget", "ant=2e6"])
    assert result.exit_code == 0, result.output
    assert "what if    bee leaves, ant brings 2.00" in result.output
    sheet = pd.read_csv(folder / "what_if.csv", encoding="utf-8-sig")
    assert set(sheet["brand"]) == {"ant", "bee"}
    assert "bee" in (folder / "alliance.html").read_text("utf-8").lower()
    assert CliRunner().invoke(app, command).exit_code == 0
    assert not (folder / "what_if.csv").exists()
    joins = CliRunner().invoke(app, [*command, "--joins", "bee"])
    assert "what if    bee joins" in joins.output
    assert "joins with its fleet" in (folder / "alliance.html").read_text("utf-8")
    wrong = CliRunner().invoke(app, [*command, "--without", "cat", "--budget", "dog=1"])
    assert wrong.exit_code == ExitCode.BAD_INPUT
    assert "cat" in wrong.stderr
    assert "dog" in wrong.stderr
