"""A toy study with two futures beside its own, through the pipeline to its tables."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from siting.domain import RobustRule
from siting.errors import StudyError
from siting.pipeline import (
    ask_robust,
    build_case,
    plan_robust,
    read_inputs,
    read_study,
    write_outputs,
    write_report,
)
from siting.verify import verify_folder

if TYPE_CHECKING:
    from pathlib import Path

# One site can be paid. WEST reaches home and shop, EAST shop alone.
SCENARIOS = """\
scenarios:
  - {id: few, name: {en: Few}, demand: 0.5, cutoff: 0.9}
  - {id: dear, name: {en: Dear}, cost: 1.4, competition: 0}
robust: {rule: max_min, draws: 4}
"""


def test_a_study_is_planned_for_all_of_its_futures(study_path: Path, tmp_path: Path) -> None:
    study_path.write_text(study_path.read_text(encoding="utf-8") + SCENARIOS, encoding="utf-8")
    plan = plan_robust(build_case(read_inputs(read_study(study_path))))
    answer = plan.robust
    assert answer is not None
    assert answer.rule is RobustRule.MAX_MIN
    assert answer.sites["site_id"].tolist() == ["WEST"]
    assert answer.sites["n_chosen_alone"].tolist() == [3]
    assert answer.sites["no_regret"].tolist() == [True]
    assert answer.futures["future"].tolist() == ["as_stated", "few", "dear"]
    assert (answer.futures["max_min_share"] <= answer.futures["most_share"] + 1e-9).all()
    # The plans are the same here, and so is what they serve in futures drawn anew.
    assert answer.draws["plain_share"].tolist() == answer.draws["robust_share"].tolist()
    assert len(answer.draws) == 4
    assert plan.sites[["n_chosen_alone", "no_regret"]].to_numpy().tolist() == [[3, True]]
    assert plan.joint.evaluation.violations == ()
    write_outputs(plan, tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "robust_sites.csv")
    assert written["illustrative"].all()
    assert len(answer.summary_lines()) == 5


def test_a_study_without_scenarios_says_so(study_path: Path) -> None:
    case = build_case(read_inputs(read_study(study_path)))
    with pytest.raises(StudyError, match="names no future"):
        ask_robust(case)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("scenarios.dear.id", "few", "two scenarios have the same id"),
        ("scenarios.few.demand_by_brand", '{"cat": 2}', "brands that the study has not: cat"),
        ("objective", "max_min", "the objective `total`"),
    ],
)
def test_scenarios_that_make_no_sense_are_refused(
    study_path: Path, key: str, value: str, what: str
) -> None:
    study_path.write_text(study_path.read_text(encoding="utf-8") + SCENARIOS, encoding="utf-8")
    with pytest.raises(StudyError, match=what):
        read_study(study_path, changes={key: value})


def test_a_written_plan_for_several_futures_is_verified(study_path: Path, tmp_path: Path) -> None:
    study_path.write_text(study_path.read_text(encoding="utf-8") + SCENARIOS, encoding="utf-8")
    out = tmp_path / "out"
    write_outputs(plan_robust(build_case(read_inputs(read_study(study_path)))), out)
    checks = {check.name: check for check in verify_folder(out)}
    assert [check.faults for check in checks.values() if not check.passed] == []
    assert checks["futures"].detail == "3 futures, by rule"
    page = write_report(out).read_text(encoding="utf-8")
    for words in ("Whichever future comes", "无论未来如何", "no-regret", "Dear"):
        assert words in page
    for n, (name, old, new, says) in enumerate(
        [
            ("robust_sites.csv", "WEST", "EAST", "sites.csv is not the plan by the rule"),
            ("robust_sites.csv", ",3,True", ",2,True", "WEST is said to be"),
            ("robust_rules.csv", "max_min,optimal,", "max_min,optimal,9", "the value of max_min"),
            ("robust_futures.csv", "dear,", "cheap,", "the manifest has other futures"),
            ("sites.csv", ",3,True", ",3,False", "no-regret"),
        ]
    ):
        path = shutil.copytree(out, tmp_path / f"case{n}") / name
        text = path.read_text(encoding="utf-8-sig")
        assert old in text, text
        path.write_text(text.replace(old, new, 1), encoding="utf-8-sig")
        faults = [fault for check in verify_folder(path.parent) for fault in check.faults]
        assert says in " ".join(faults), faults
