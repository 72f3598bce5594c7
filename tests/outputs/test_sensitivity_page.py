"""The sensitivity and the frontier as pages, as tables, and as parts of a report."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.domain import Doubt
from siting.errors import ExitCode, InputError
from siting.outputs.page import PageLanguage
from siting.outputs.sensitivity import read_sensitivity_words, render_sensitivity
from siting.pipeline import (
    ask_sensitivity,
    build_case,
    read_inputs,
    read_study,
    solve_budgets,
    solve_case,
    write_frontier,
    write_outputs,
    write_report,
    write_sensitivity,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.sensitivity import Sensitivity

    OpenPage = Callable[..., AbstractContextManager[Page]]

DOUBTS = (Doubt.BUDGET, Doubt.COST)


def ask(study_path: Path) -> Sensitivity:
    inputs = read_inputs(read_study(study_path))
    plan = solve_case(build_case(inputs))
    return ask_sensitivity(plan, inputs, steps=[0.2, 0.5], doubts=DOUBTS)


@pytest.fixture
def folder(study_path: Path, tmp_path: Path) -> Path:
    """Return a plan's folder with its frontier and its sensitivity."""
    found = ask(study_path)
    out = tmp_path / "out"
    write_outputs(found.plan, out)
    write_frontier(solve_budgets(found.plan.case, [0.5e6, 1.5e6]), out)
    write_sensitivity(found, out)
    return out


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page[page.index("<body>") :]))


def test_the_page_says_what_the_table_says(study_path: Path) -> None:
    found = ask(study_path)
    page = render_sensitivity(found)
    text = words_of(page.decode())
    # Half the money builds nothing; all the rest serves 1,500 of 1,520 kWh.
    for part in (
        "All of this is made up.",
        "Service hangs most on the budget",
        "50 % lower",
        "to 98.7 % of what drivers want",
        "It cannot be paid as decided with budget 50 % lower",
        "−50 %",
        "0.75 million CNY",
        "cannot be paid",
        "1 · 0 · 0 · 0",
        "0 · 0 · 0 · 1",
        "示意数据",
    ):
        assert part in text, (part, text)
    assert page == render_sensitivity(found)


def test_names_do_nothing(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(text.replace("Toy road", "<img src=x>"), encoding="utf-8")
    page = render_sensitivity(ask(study_path))
    assert b"<img" not in page
    assert b"<script" not in page


def test_every_text_stands_in_both_languages_with_the_same_values() -> None:
    for key, text in read_sensitivity_words(PageLanguage.BOTH).texts.items():
        places = [sorted(re.findall("{[a-z]+}", text[language])) for language in ("en", "zh")]
        assert places[0] == places[1], key


def test_a_report_tells_what_its_folder_holds(folder: Path) -> None:
    text = words_of(write_report(folder, language=PageLanguage.EN).read_text("utf-8"))
    assert "What every budget buys" in text
    assert "From 0.50 to 1.50 million CNY" in text
    assert "What if the figures are off?" in text
    assert "Service hangs most on the budget" in text
    # The report's table holds the largest changes alone.
    assert "−50 %" in text
    assert "−20 %" not in text
    chinese = words_of(write_report(folder, language=PageLanguage.ZH).read_text("utf-8"))
    assert "如果数据有偏差" in chinese
    assert "Service hangs" not in chinese
    for name in ("frontier.json", "sensitivity.json"):
        (folder / name).unlink()
    text = words_of(write_report(folder, language=PageLanguage.EN).read_text("utf-8"))
    assert "What every budget buys" not in text


@pytest.mark.parametrize("name", ["frontier.json", "sensitivity.json"])
def test_a_report_refuses_what_belongs_to_another_study(folder: Path, name: str) -> None:
    path = folder / name
    written = json.loads(path.read_text("utf-8"))
    written["study_as_read"]["site_cost_cny"] = 5.0
    path.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(InputError, match="another study"):
        write_report(folder)
    written["study_as_read"]["site_cost_cny"] = 0.0
    # How hard the solver looked is no other question.
    written["study_as_read"]["solve"]["gap"] = 0.02
    path.write_text(json.dumps(written), encoding="utf-8")
    write_report(folder)
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(InputError, match="was not written by"):
        write_report(folder)


def test_a_new_plan_takes_them_away(folder: Path, study_path: Path) -> None:
    write_outputs(solve_case(build_case(read_inputs(read_study(study_path)))), folder)
    assert not (folder / "sensitivity.json").exists()
    assert not (folder / "frontier.html").exists()


def test_the_command_writes_table_and_chart(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["sensitivity", str(study_path), "-o", str(out), "--figure", "budget"]
    result = CliRunner().invoke(app, [*command, "--steps", "0.5"])
    assert result.exit_code == ExitCode.OK, result.output
    assert "as decided none" in result.output
    table = pd.read_csv(out / "sensitivity.csv")
    assert table["illustrative"].all()
    assert table["change"].tolist() == [-0.5, 0.5]
    for wrong in ("0.1,x", "1", "0", "nan"):
        result = CliRunner().invoke(app, [*command, "--steps", wrong])
        assert result.exit_code == ExitCode.BAD_INPUT
        assert "no list of shares" in result.stderr


@pytest.mark.parametrize("question", ["sensitivity", "frontier", "alliance"])
def test_a_study_with_phases_is_refused_before_it_is_solved(
    study_path: Path, tmp_path: Path, question: str
) -> None:
    halves = "".join(
        f"  - {{id: y{k}, name: {{en: Year {k}}}, budget_share: 0.5, demand_share: {share}}}\n"
        for k, share in ((1, 0.5), (2, 1))
    )
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(f"{text}phases:\n{halves}", encoding="utf-8")
    command = [question, str(study_path), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "asked of one period" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.browser
def test_in_a_browser_it_fetches_nothing_and_has_no_barrier(
    open_page: OpenPage, study_path: Path, check_with_axe: Callable[[Page], None]
) -> None:
    html = render_sensitivity(ask(study_path)).decode()
    for phone in (False, True):
        with open_page(html, phone=phone, ready="main") as page:
            check_with_axe(page)
            assert page.is_visible("text.en >> nth=0")
            page.click('label[for="lang-zh"]')
            assert page.is_hidden("text.en >> nth=0")
            assert page.is_visible("text.zh >> nth=0")
            check_with_axe(page)
