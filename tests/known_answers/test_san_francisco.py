"""San Francisco, 205 demand points and 16 sites: the answers of models.md and of PySAL's spopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from siting.domain import SolveStatus
from siting.optimise.classic import LocationModel, LocationProblem, solve_classic
from siting.optimise.limits import Limits

if TYPE_CHECKING:
    from conftest import KnownAnswers

CUTOFF_M = 5_000.0


@pytest.mark.parametrize(
    ("model", "cutoff_m", "most", "answer"),
    [
        (LocationModel.LSCP, CUTOFF_M, None, 8.0),
        (LocationModel.MCLP, CUTOFF_M, 4, 875_247.0),
        (LocationModel.P_MEDIAN, np.inf, 4, 2_848_268_129.7145104),
        (LocationModel.P_CENTER, np.inf, 4, 7_403.063811),
    ],
)
def test_the_published_answers(
    known: KnownAnswers, model: LocationModel, cutoff_m: float, most: int | None, answer: float
) -> None:
    weight, distance_m = known.san_francisco()
    problem = LocationProblem.from_dense(
        model=model,
        demand_weight=weight,
        distance=distance_m,
        cutoff=cutoff_m,
        max_sites=most,
    )
    result = solve_classic(problem, limits=Limits(gap=0.0))
    assert result.status is SolveStatus.OPTIMAL
    assert result.objective == pytest.approx(answer, rel=1e-8)
    assert result.bound == pytest.approx(answer, rel=1e-8)
