"""A solver that does not come back is left to itself, and what it had told is the answer."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp

from siting.domain import Engine, SolveStatus
from siting.optimise import mip
from siting.optimise.limits import Limits, Watch
from siting.optimise.mip import MixedIntegerModel, QuietHighs, has_left_behind, solve_mip


def hard_packing(n: int = 60, n_row: int = 40) -> MixedIntegerModel:
    """Return a packing that takes HiGHS much longer than these tests: 0 is a plan, minutes a proof.

    Dense rows of like weights and like profits: nothing to branch on.
    """
    rng = np.random.default_rng(0)
    matrix = rng.integers(50, 100, size=(n_row, n)).astype(float)
    return MixedIntegerModel(
        cost=-rng.integers(80, 120, size=n).astype(float),
        lower=np.zeros(n),
        upper=np.ones(n),
        integer=np.ones(n, dtype=bool),
        matrix=sp.csr_array(matrix),
        row_lower=np.full(n_row, -np.inf),
        row_upper=matrix.sum(axis=1) / 2.5,
    )


def test_an_abandoned_solver_leaves_its_best_point_and_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[QuietHighs] = []

    def heed_not(solver: QuietHighs) -> None:
        told.append(solver)

    monkeypatch.setattr(QuietHighs, "cancelSolve", heed_not)
    model, watch = hard_packing(), Watch(Limits(gap=0))
    threading.Timer(1.0, lambda: setattr(watch, "interrupted", True)).start()
    answer = solve_mip(model, watch)
    left = [thread for thread in threading.enumerate() if thread.name == mip.LEFT_BEHIND]
    assert len(left) == 1
    assert answer.status is SolveStatus.FEASIBLE
    assert answer.values is not None
    assert (model.matrix @ answer.values <= model.row_upper + 1e-6).all()
    assert answer.objective == pytest.approx(model.cost @ answer.values)
    assert model.cost.sum() <= answer.bound <= answer.objective
    kept = answer.values.copy()
    monkeypatch.undo()
    assert has_left_behind()  # and another one can be asked meanwhile
    assert solve_mip(hard_packing(4, 2), Watch(Limits(gap=0))).status is SolveStatus.OPTIMAL
    QuietHighs.cancelSolve(told[0])
    left[0].join(20)
    assert not has_left_behind()
    assert (answer.values == kept).all()


@pytest.mark.parametrize("engine", [Engine.HIGHS, Engine.SCIP])
def test_a_time_limit_is_kept_within_a_tenth(engine: Engine) -> None:
    began_s = time.perf_counter()
    answer = solve_mip(hard_packing(), Watch(Limits(gap=0, time_limit_s=2.0)), engine=engine)
    assert time.perf_counter() - began_s < 2.0 * 1.1
    assert answer.status is SolveStatus.FEASIBLE
    assert answer.bound < answer.objective


@pytest.mark.parametrize(
    ("opened", "status"), [(0.0, SolveStatus.FEASIBLE), (1.0, SolveStatus.NO_PLAN)]
)
def test_a_start_that_keeps_the_rows_outlives_a_solver_that_told_of_nothing(
    monkeypatch: pytest.MonkeyPatch, opened: float, status: SolveStatus
) -> None:
    monkeypatch.setattr(mip, "_run_beside", lambda *_args, **_options: False)
    model = hard_packing()
    start = np.full(model.cost.size, opened)
    answer = solve_mip(model, Watch(Limits(gap=0)), start=start)
    assert answer.status is status
    assert (answer.values is not None) == (status is SolveStatus.FEASIBLE)
    assert answer.objective == (0.0 if answer.values is not None else np.inf)
