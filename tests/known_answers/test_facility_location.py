"""Beasley's capacitated facility location instances; demand may be split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.domain import SolveStatus
from siting.optimise.classic import LocationModel, solve_classic
from siting.optimise.limits import Limits

if TYPE_CHECKING:
    from conftest import KnownAnswers


@pytest.mark.parametrize("name", ["cap41", "cap71", "cap91"])
def test_cap_is_proven(known: KnownAnswers, name: str) -> None:
    result = solve_classic(known.capacitated(name), limits=Limits(gap=0.0))
    assert result.status is SolveStatus.OPTIMAL
    assert result.objective == pytest.approx(known.optimum("cap", name), abs=1e-3)


@pytest.mark.slow
def test_all_cap_are_proven(known: KnownAnswers) -> None:
    names = known.names("cap")
    assert len(names) == 7
    for name in names:
        result = solve_classic(known.capacitated(name), limits=Limits(gap=0.0))
        assert result.status is SolveStatus.OPTIMAL
        assert result.objective == pytest.approx(known.optimum("cap", name), abs=1e-3)


def test_without_capacity_both_engines_agree(known: KnownAnswers) -> None:
    problem = known.capacitated("cap91").replace(supply_capacity=None)
    own, mip = (
        solve_classic(problem, limits=Limits(gap=0.0), engine=engine)
        for engine in ("lagrangian", "highs")
    )
    assert problem.model is LocationModel.CFLP
    assert own.status is mip.status is SolveStatus.OPTIMAL
    assert own.objective == pytest.approx(mip.objective)
