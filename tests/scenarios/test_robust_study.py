"""A toy study with two futures beside its own, through the pipeline to its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from siting.domain import RobustRule
from siting.errors import StudyError
from siting.pipeline import ask_robust, build_case, read_inputs, read_study, write_robust

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
    answer = ask_robust(build_case(read_inputs(read_study(study_path))))
    assert answer.rule is RobustRule.MAX_MIN
    assert answer.sites["site_id"].tolist() == ["WEST"]
    assert answer.sites["n_chosen_alone"].tolist() == [3]
    assert answer.sites["no_regret"].tolist() == [True]
    assert answer.futures["future"].tolist() == ["as_stated", "few", "dear"]
    assert (answer.futures["max_min_share"] <= answer.futures["most_share"] + 1e-9).all()
    # The plans are the same here, and so is what they serve in futures drawn anew.
    assert answer.draws["plain_share"].tolist() == answer.draws["robust_share"].tolist()
    assert len(answer.draws) == 4
    write_robust(answer, tmp_path / "out")
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
