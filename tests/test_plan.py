"""Money is split to the fen, and a limit never reads as a proof."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.domain import SolveStatus
from siting.plan import describe_proof, split_to_the_fen


def test_three_equal_parts_of_a_yuan() -> None:
    assert split_to_the_fen(1.0, [1, 1, 1]).tolist() == [0.34, 0.33, 0.33]
    assert split_to_the_fen(1.0, [0, 0]).tolist() == [0.5, 0.5]
    assert split_to_the_fen(0.0, [3, 1]).tolist() == [0.0, 0.0]


@given(
    st.integers(0, 10**13),
    st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=7),
)
def test_parts_sum_to_the_fen_and_keep_proportion(total_fen: int, weights: list[float]) -> None:
    total_cny = total_fen / 100
    parts = split_to_the_fen(total_cny, weights)
    assert int(np.rint(parts * 100).sum()) == total_fen
    if sum(weights) > 0:
        exact = total_cny * np.array(weights) / sum(weights)
        # A whole fen by the largest remainder, and the rounding of 1e11 CNY in doubles.
        assert np.abs(parts - exact).max() <= 0.01 + 1e-9 * total_cny


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (SolveStatus.OPTIMAL, "proven within 0.30%"),
        (SolveStatus.FEASIBLE, "NOT proven optimal: stopped at a limit, at most 0.30% below"),
    ],
)
def test_only_a_proof_reads_as_one(status: SolveStatus, says: str) -> None:
    solve = SimpleNamespace(status=status, gap=0.003)
    assert describe_proof(solve, gap_asked=0.005).startswith(says)  # type: ignore[arg-type]
