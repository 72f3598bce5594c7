"""The report of the toy plan, whose figures conftest solves by hand; and what it refuses."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.domain import SolveStatus
from siting.errors import ExitCode, InputError, UnverifiedError
from siting.outputs.files import sha256
from siting.outputs.page import PageLanguage
from siting.outputs.report import read_words
from siting.outputs.report_reasons import render_reasons
from siting.outputs.written_plan import read_written_plan
from siting.pipeline import explain_written, run, write_outputs, write_reasons, write_report
from siting.reasons import WhyNot
from siting.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan

    OpenPage = Callable[..., AbstractContextManager[Page]]

HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "</text></svg><script>alert(2)</script>",
    "{cost}' onload='alert(3)",
)
CENTRES = {
    "energy: {km_per_day: 10, kwh_per_km: 1, public_share: 1}": (
        "facility: service_centre\n"
        "visits: {visits_per_year: 10, hours_per_visit: 2, opening_hours_per_day: 10}"
    ),
    "connectors: 60, power_kw: 120, cost_cny": "bays: 60, cost_cny",
}
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def folder(toy_plan: SitingPlan, tmp_path: Path) -> Path:
    write_outputs(toy_plan, tmp_path / "out")
    return tmp_path / "out"


def words_of(page: str) -> str:
    """Return a page's text as a reader sees it, without its style."""
    body = page.rpartition("<body>")[-1]
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", body))


def test_it_says_what_the_plan_says(folder: Path) -> None:
    path = write_report(folder, language=PageLanguage.EN)
    text = words_of(path.read_text("utf-8"))
    assert path == folder / "report.html"
    # 290 kWh wanted: 60 served today, 60 with accounts shared, 270 by two sites for 3.5 million.
    for part in (
        "Illustrative data All of this is made up.",
        "Build 2 sites for 3.50 million CNY",
        "drivers then get 93 % of the energy they want, up from 21 %",
        "with nothing built, would give 21 %",
        "at least 90 % (Bee)",
        "1 × Big 1 × Small",
        "of a budget of 4.00",
        "1 North Gate Old Town Big 2.50 170 57 % 3.4",
        "2 South Gate Old Town Small 1.00 40 40 % 4.0",
        "Together 3.50 210",
        "Ant 32 % 21 % 95 % 190",
        "This plan is worth 270 kWh a day",
        "No plan within the same rules can be worth more than 271",
        "The distance is 0.40 %, within the 0.5 % asked for",
        "Out of reach of everything: 1 of the demand points, with 6.9 % of the energy wanted",
        "no road near 1",
    ):
        assert part in text, (part, text)


def test_it_says_why_from_a_plan_alone(folder: Path) -> None:
    text = words_of(write_report(folder, language=PageLanguage.EN).read_text("utf-8"))
    # Without South Gate d2's 40 kWh are lost, which nothing else reaches; North Gate's 110 could
    # partly go to e0, so nothing depends on it alone.
    assert "Why these sites?" in text
    assert "1 North Gate 110 0 none 2 South Gate 40 40 none" in text
    assert "1: no demand that may be served there is within reach." in text
    assert "planned anew for this table" in text
    assert "Lost if forbidden" not in text
    assert "What other plans" not in text


def test_it_says_what_is_lost_and_what_other_plans_do(folder: Path, toy_plan: SitingPlan) -> None:
    reasons = explain_written(folder, toy_plan, n_alternative=2, loss=0.5)
    write_reasons(reasons, folder)
    text = words_of(write_report(folder, language=PageLanguage.EN).read_text("utf-8"))
    assert "1 North Gate 90 110 0 none 2 South Gate 40 40 40 none" in text
    assert "serve at most 50 % less: 2. Of this plan&#x27;s 2 sites 0 stand in all of them" in text
    assert "This plan 93.1 % 3.50" in text
    assert "Other plan 1 0 79.3 % 14.82 % 2.50" in text
    assert all(check.passed for check in verify_folder(folder))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ([-1.1, 90.0], "North Gate at most 90 110"),
        ([20.0, 90.0], "North Gate 20 to 90 110"),
        ([-1.1, -5.0], "North Gate none: 5 more 110"),
        ([0.0, 0.0], "North Gate none 110"),
        ([None, None], "North Gate no plan is left 110"),
        ([20.0, None], "North Gate at least 20 110"),
        ([-1.1, None], "North Gate not known 110"),
    ],
)
def test_a_loss_that_is_not_proven_is_a_range(
    folder: Path, toy_plan: SitingPlan, loss: list[float | None], words: str
) -> None:
    write_reasons(explain_written(folder, toy_plan), folder)
    plan = read_written_plan(folder)
    plan.drawing["reasons"]["sites"]["s0"]["loss"] = loss
    assert words in words_of(render_reasons(plan, PageLanguage.EN))


def test_every_reason_has_words_and_those_asked_about_say_what_they_cost(folder: Path) -> None:
    plan = read_written_plan(folder)
    candidate = plan.drawing["reasons"]["candidates"]["s2"]
    for why in WhyNot:
        if why is not WhyNot.LEFT_OUT:
            candidate["why"] = why.name.lower()
            assert "1:" in words_of(render_reasons(plan, PageLanguage.EN))
    candidate["forced"] = {"loss": [-1.1, 30.0], "tier": "small", "leaves": [], "enters": []}
    text = words_of(render_reasons(plan, PageLanguage.EN))
    assert "West Gate, if it must be built and all else is planned anew, loses" in text
    assert "(kWh a day): at most 30" in text


def test_a_plan_that_is_not_proven_never_reads_as_one(
    build_toy_plan: Callable[..., SitingPlan], tmp_path: Path
) -> None:
    plan = build_toy_plan(status=SolveStatus.FEASIBLE)
    write_outputs(plan, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "plan.json").read_bytes())
    manifest["solve"]["gap_asked"] = 0.001
    (tmp_path / "out" / "plan.json").write_text(json.dumps(manifest), encoding="utf-8")
    page = write_report(tmp_path / "out").read_text("utf-8")
    assert "Not proven best: the search stopped at a limit" in page
    assert "未证明最优" in page
    assert "counts as proven" not in page
    assert "That is proven" not in page


def test_the_same_folder_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first = write_report(folder).read_bytes()
    assert write_report(folder, out_file=tmp_path / "again.html").read_bytes() == first


def test_a_report_in_one_language_holds_that_one_alone(folder: Path) -> None:
    english = write_report(folder, language=PageLanguage.EN).read_text("utf-8")
    chinese = write_report(folder, language=PageLanguage.ZH).read_text("utf-8")
    assert not CHINESE.search(english)
    assert 'class="switch"' not in english
    assert '<html lang="zh-CN">' in chinese
    assert "建设2座充电站" in chinese
    for word in ("Build", "sites", "served", "brand"):
        assert word not in words_of(chinese).replace("sites.csv", "")


def test_every_text_stands_in_both_languages_with_the_same_values() -> None:
    for facility in ("charging_station", "service_centre"):
        words = read_words(facility, PageLanguage.BOTH, "reasons_texts.json")  # type: ignore[arg-type] - its value
        texts = words.texts
        for key, text in texts.items():
            values = [sorted(re.findall(r"\{(\w+)\}", text[lang])) for lang in ("en", "zh")]
            assert values[0] == values[1], key


def test_hostile_names_are_shown_and_do_nothing(
    build_toy_plan: Callable[..., SitingPlan], tmp_path: Path
) -> None:
    plan = build_toy_plan(site_names=HOSTILE, district_name=HOSTILE[1], station_name=HOSTILE[0])
    write_outputs(plan, tmp_path / "out")
    page = write_report(tmp_path / "out").read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in page
    assert "&lt;/text&gt;&lt;/svg&gt;&lt;script&gt;" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")


def test_a_plan_that_was_changed_has_no_report(folder: Path) -> None:
    sites = folder / "sites.csv"
    sites.write_bytes(sites.read_bytes().replace(b"2500000.0", b"2400000.0"))
    with pytest.raises(UnverifiedError, match=r"sites\.csv has changed"):
        write_report(folder)
    result = CliRunner().invoke(app, ["report", str(folder)])
    assert result.exit_code == ExitCode.UNVERIFIED
    assert not (folder / "report.html").exists()
    drawn = folder / "map.html"
    drawn.write_bytes(drawn.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"map\.html.*not the file that the plan was written"):
        write_report(folder)


def test_what_is_no_plan_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no plan"):
        write_report(tmp_path / "nowhere")
    (folder / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is no JSON"):
        write_report(folder)
    (folder / "plan.json").write_text('{"title": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="is no manifest"):
        write_report(folder)


def test_a_report_is_no_part_of_the_plan_and_goes_with_it(
    folder: Path, toy_plan: SitingPlan
) -> None:
    result = CliRunner().invoke(app, ["report", str(folder), "--lang", "zh"])
    assert result.exit_code == 0, result.output
    assert "report.html" in result.output
    assert all(check.passed for check in verify_folder(folder))
    write_outputs(toy_plan, folder)
    assert not (folder / "report.html").exists()


def write_alliance(folder: Path, **changes: object) -> Path:
    brand = {"alone_share": 0.5, "joint_share": 0.9, "alone_cost_cny": 1e6, "gain_cny": 2e6}
    alliance = {
        "asked": {"rule": "nucleolus", "game": "budget"},
        "brands": [
            brand | {"brand": "ant", "pays_cny": 2.25e6},
            brand | {"brand": "bee", "pays_cny": 1.25e6},
        ],
        "least_core": {"least_cny": 3e5, "most_cny": 4e5},
        "joint_plan": {"cost_cny": 3.5e6, "served_kwh_per_day": 270.0},
        "inputs_sha256": {},
        **changes,
    }
    folder.mkdir(exist_ok=True)
    (folder / "alliance.json").write_text(json.dumps(alliance), encoding="utf-8")
    return folder


def test_alone_against_together(folder: Path, tmp_path: Path) -> None:
    alliance = write_alliance(tmp_path / "alliance")
    path = write_report(folder, alliance_folder=alliance, language=PageLanguage.EN)
    text = words_of(path.read_text("utf-8"))
    assert "by the rule chosen: By least objection" in text
    assert "Ant 50 % 90 % 1.00 2.25 2.00" in text
    assert "could gain at least 0.30 million CNY by leaving" in text
    assert "not this plan's own" not in text
    write_alliance(alliance, joint_plan={"cost_cny": 3e6, "served_kwh_per_day": 270.0})
    path = write_report(folder, alliance_folder=alliance)
    assert "not this plan&#x27;s own" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"inputs_sha256": {"roads.npz": sha256(b"")}}, "other inputs"),
        ({"brands": []}, "other brands"),
        ({"asked": 1}, "no joint investment"),
    ],
)
def test_an_alliance_of_something_else_is_refused(
    folder: Path, tmp_path: Path, changes: dict[str, object], what: str
) -> None:
    alliance = write_alliance(tmp_path / "alliance", **changes)
    with pytest.raises(InputError, match=what):
        write_report(folder, alliance_folder=alliance)


def test_the_certificate_is_told_in_plain_words(study_path: Path, tmp_path: Path) -> None:
    plan = run(study_path, tmp_path / "out")
    path = write_report(tmp_path / "out", language=PageLanguage.EN)
    text = words_of(path.read_text("utf-8"))
    by_prices = plan.solve.bound_by_duality / plan.solve.objective - 1
    gap = f"{math.ceil(1e4 * by_prices) / 100:.2f}"  # never less than it is
    assert "certificate.json holds prices by which anybody can recompute" in text
    assert f"{gap} % above this plan." in text
    assert "the bound, from the certificate&#x27;s prices" in text
    assert "no certificate.json" not in text


def test_service_centres_are_told_in_visits(study_path: Path, tmp_path: Path) -> None:
    text = study_path.read_text("utf-8")
    for old, new in CENTRES.items():
        assert old in text
        text = text.replace(old, new)
    study_path.write_text(text, encoding="utf-8")
    run(study_path, tmp_path / "out")
    page = words_of(write_report(tmp_path / "out").read_text("utf-8"))
    assert "This plan is worth 1,500 visits a year" in page
    assert "A vehicle comes to a service centre 10 times a year." in page
    assert "本方案的服务量为每年1,500次" in page
    for word in ("kWh", "energy", "charg", "千瓦时", "充电"):
        assert word not in page, page[page.index(word) - 80 :][:160]


@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True])
def test_in_a_browser_it_fetches_nothing_and_has_no_barrier(
    open_page: OpenPage,
    build_toy_plan: Callable[..., SitingPlan],
    check_with_axe: Callable[[Page], None],
    tmp_path: Path,
    *,
    phone: bool,
) -> None:
    plan = build_toy_plan(site_names=HOSTILE, district_name=HOSTILE[1])
    write_outputs(plan, tmp_path / "out")
    write_reasons(
        explain_written(tmp_path / "out", plan, n_alternative=1, loss=0.5), tmp_path / "out"
    )
    alliance = write_alliance(tmp_path / "alliance")
    path = write_report(tmp_path / "out", alliance_folder=alliance)
    with open_page(path.read_text("utf-8"), phone=phone, ready="footer, .basis") as page:
        check_with_axe(page)
        assert "Build 2 sites" in page.inner_text("h1")
        page.click('label[for="lang-zh"]')
        assert "建设2座充电站" in page.inner_text("h1")
        check_with_axe(page)
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0
