"""OR-Library's p-median instances, proven optimal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.domain import Engine, SolveStatus
from siting.optimise.classic import solve_classic
from siting.optimise.limits import Limits

if TYPE_CHECKING:
    from conftest import KnownAnswers

QUICK = ["pmed1", "pmed3", "pmed5", "pmed15"]


def assert_proven(known: KnownAnswers, name: str) -> None:
    result = solve_classic(known.p_median(name), limits=Limits(gap=0.0))
    assert result.engines == (Engine.LAGRANGIAN,)
    assert result.status is SolveStatus.OPTIMAL
    assert result.objective == result.bound == known.optimum("pmed", name)
    assert result.bound_by_duality <= result.objective + 1e-6


@pytest.mark.parametrize("name", QUICK)
def test_pmed_is_proven(known: KnownAnswers, name: str) -> None:
    assert_proven(known, name)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_pmed_are_proven(known: KnownAnswers) -> None:
    names = known.names("pmed")
    assert len(names) == 20
    for name in names:
        assert_proven(known, name)
