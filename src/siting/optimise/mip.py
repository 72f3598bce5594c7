"""A mixed-integer linear model as plain arrays, and its solution by HiGHS or SCIP.

The models of the classic family are built in one go from arrays, without an object for each
variable, and are always minimised. HiGHS is called through its own interface, which keeps the
incumbent at every limit; SCIP, the second opinion, comes with OR-Tools.

Both run in threads of their own, for neither stops when it is told to: inside a heuristic at the
root HiGHS looks up after seconds only. One that does not come back is left to itself, and what
HiGHS had told by then, its best point and its bound, is the answer.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
import scipy.sparse as sp
from ortools.linear_solver.python import model_builder

from siting.domain import BoolArray, Engine, FloatArray, SolveStatus
from siting.optimise.limits import compute_gap

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.optimise.limits import Watch

POLL_S = 0.05
# How long a solver may take to come back once it was told to stop: after Ctrl-C, and after a time
# limit as a share of that limit.
GRACE_S, GRACE_SHARE, LEAST_GRACE_S = 0.5, 0.05, 0.1
# The name of a thread whose solver was left to itself.
LEFT_BEHIND = "solver left behind"
LEAST_PRIORITY = 19
# What one node of a solver's tree costs in passes over the matrix: it turns a work limit into a
# limit of nodes, which both solvers keep deterministically.
PASSES_PER_NODE = 100
# How nearly HiGHS keeps rows, bounds and integers by default.
FEASIBILITY = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedIntegerModel:
    """Minimise ``cost · v + offset`` with ``row_lower ≤ matrix v ≤ row_upper`` and bounds on v.

    Attributes
    ----------
    cost, lower, upper, integer
        (n_variable,) objective coefficients, bounds, and which variables are integer.
    matrix
        (n_row, n_variable) coefficients.
    row_lower, row_upper
        (n_row,) sides of the rows; infinite where there is none.
    offset
        Constant of the objective.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    matrix: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    offset: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class MipResult:
    """What a solver made of a model.

    Attributes
    ----------
    status
        ``OPTIMAL`` only if the bound is within the gap asked for; ``NO_PLAN`` if it stopped
        without a point.
    objective, bound
        Of the best point (infinite if there is none), and the proven lower bound.
    values
        (n_variable,) the best point; None if there is none.
    """

    status: SolveStatus
    objective: float
    bound: float
    values: FloatArray | None


def solve_mip(
    model: MixedIntegerModel,
    watch: Watch,
    *,
    engine: Engine = Engine.HIGHS,
    start: FloatArray | None = None,
    on_step: Callable[[float, float], None] | None = None,
    least_nodes: int = 1,
) -> MipResult:
    """Solve a model within what is left on the watch.

    A limit of work is a limit of nodes for a solver; HiGHS looks at it between dives only, and
    may go beyond it by some hundred nodes, the same ones every time.

    Parameters
    ----------
    model
        What to minimise.
    watch
        Limits of gap, time and work, and whether Ctrl-C was pressed.
    engine
        ``HIGHS`` or ``SCIP``.
    start
        (n_variable,) a point to start from, or None.
    on_step
        Told of HiGHS's objective and bound as they move; SCIP as OR-Tools ships it tells nothing.
    least_nodes
        Where the work that is left does not pay for so many nodes, the solver does not begin.

    Returns
    -------
    MipResult
        With the best point at the limit, if there is one, and the bound proven by then.
    """
    if model.cost.size == 0:
        return _solve_empty(model)
    paid = _node_limit(model, watch)
    too_dear = paid is not None and paid < least_nodes
    if too_dear:
        watch.give_up_work()
        solution = _Raw(values=None, bound=-math.inf, nodes=0, infeasible=False)
    elif engine is Engine.SCIP:
        solution = _solve_scip(model, watch, start)
    else:
        solution = _solve_highs(model, watch, start, on_step)
    if not too_dear:
        watch.spend(_visits_of_a_node(model) * max(1, solution.nodes))
    if solution.infeasible:
        return MipResult(
            status=SolveStatus.INFEASIBLE, objective=math.inf, bound=math.inf, values=None
        )
    found = solution.values
    if found is None and start is not None and _is_feasible(model, start):
        found = start  # a solver left behind, or in a hurry, or too dear, need not have told of it
    if found is None:
        return MipResult(
            status=SolveStatus.NO_PLAN, objective=math.inf, bound=solution.bound, values=None
        )
    values = np.where(model.integer, np.round(found), found)
    objective = float(model.cost @ values) + model.offset
    bound = min(objective, solution.bound)
    return MipResult(
        status=SolveStatus.OPTIMAL
        if compute_gap(objective, bound) <= watch.limits.gap
        else SolveStatus.FEASIBLE,
        objective=objective,
        bound=bound,
        values=values,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Raw:
    values: FloatArray | None
    bound: float
    nodes: int
    infeasible: bool


def _is_feasible(model: MixedIntegerModel, point: FloatArray) -> bool:
    """Whether a point keeps every row, bound and integer, as nearly as HiGHS asks."""
    activity = model.matrix @ point
    rows = np.concatenate((model.row_lower - activity, activity - model.row_upper))
    bounds = np.concatenate((model.lower - point, point - model.upper))
    apart = np.abs(point - np.round(point))[model.integer]
    return all(part.max(initial=0.0) <= FEASIBILITY for part in (rows, bounds, apart))


def _solve_empty(model: MixedIntegerModel) -> MipResult:
    if (model.row_lower > 0).any() or (model.row_upper < 0).any():
        return MipResult(
            status=SolveStatus.INFEASIBLE, objective=math.inf, bound=math.inf, values=None
        )
    return MipResult(
        status=SolveStatus.OPTIMAL,
        objective=model.offset,
        bound=model.offset,
        values=np.empty(0),
    )


def _visits_of_a_node(model: MixedIntegerModel) -> float:
    return float(max(1, model.matrix.nnz) * PASSES_PER_NODE)


def _node_limit(model: MixedIntegerModel, watch: Watch) -> int | None:
    """Return how many nodes the work that is left pays for; None if as many as it takes."""
    paid = watch.count_paid(_visits_of_a_node(model))
    return None if math.isinf(paid) else int(paid)


class QuietHighs(highspy.Highs):
    """HiGHS that keeps silent from the start: its banner is printed before `silent` can be set."""

    def enableCallbacks(self) -> None:  # noqa: N802 - overrides highspy's name
        """Silence the solver before anything is printed."""
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def _solve_highs(
    model: MixedIntegerModel,
    watch: Watch,
    start: FloatArray | None,
    on_step: Callable[[float, float], None] | None,
) -> _Raw:
    solver: Any = QuietHighs()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {
        "threads": watch.limits.n_threads,
        "random_seed": watch.limits.seed,
        "mip_rel_gap": watch.limits.gap,
        "mip_abs_gap": 0.0,
    }
    if math.isfinite(watch.remaining_s):
        options["time_limit"] = watch.remaining_s
    if (nodes := _node_limit(model, watch)) is not None:
        options["mip_max_nodes"] = nodes
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(_highs_lp(model))
    if start is not None:
        point = highspy.HighsSolution()
        point.col_value = list(start)
        solver.setSolution(point)
    heard = _Heard(solver)
    solver.HandleUserInterrupt = True

    def tell() -> None:
        if on_step is not None and heard.takes_news():
            on_step(heard.objective, heard.bound)  # HiGHS speaks from another thread than this

    # highspy's own `startSolve` shares its locks between all solvers of a process.
    if not _run_beside(solver.run, solver.cancelSolve, watch, tell=tell):
        return heard.answer
    return _read_highs(solver, is_mip=bool(model.integer.any()))


class _Heard:
    """What HiGHS tells while it runs: its best point, its objective and its bound."""

    def __init__(self, solver: Any) -> None:  # noqa: ANN401 - highspy has no types
        self.objective, self.bound = math.inf, -math.inf
        self._passed_on = (self.objective, self.bound)
        self._values: FloatArray | None = None
        self._nodes = 0
        solver.cbMipInterrupt += self._hear
        solver.cbMipImprovingSolution += self._keep

    def _hear(self, event: Any) -> None:  # noqa: ANN401 - as above
        data = event.data_out
        self.objective, self.bound = float(data.mip_primal_bound), float(data.mip_dual_bound)
        self._nodes = int(data.mip_node_count)

    def _keep(self, event: Any) -> None:  # noqa: ANN401 - as above
        self._values = np.array(event.data_out.mip_solution, dtype=float)

    def takes_news(self) -> bool:
        """Whether objective or bound have moved since this was last asked."""
        before, self._passed_on = self._passed_on, (self.objective, self.bound)
        return before != self._passed_on

    @property
    def answer(self) -> _Raw:
        """What is known so far; nothing that HiGHS tells later changes it."""
        return _Raw(values=self._values, bound=self.bound, nodes=self._nodes, infeasible=False)


class _Patience:
    """Counts how long a solver has been asked to stop."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._asked_s: float | None = None

    def has_run_out(self) -> bool:
        """Whether to wait no longer; to be asked again and again."""
        watch = self._watch
        if not watch.must_stop:
            return False
        self._asked_s = watch.seconds if self._asked_s is None else self._asked_s
        share = GRACE_SHARE * watch.limits.time_limit_s
        return watch.seconds - self._asked_s > max(LEAST_GRACE_S, min(GRACE_S, share))


def _run_beside(
    run: Callable[[], object],
    stop: Callable[[], object],
    watch: Watch,
    *,
    tell: Callable[[], None] = lambda: None,
) -> bool:
    """Run a solver beside this thread, which hears Ctrl-C; False if it was left behind."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    patience = _Patience(watch)
    try:
        while thread.is_alive():
            thread.join(POLL_S)
            if watch.interrupted:
                stop()
            tell()
            if thread.is_alive() and patience.has_run_out():
                return False
        return True
    finally:  # also where Ctrl-C is no watch's to keep
        if thread.is_alive():
            stop()
            _leave_behind(thread)


def _leave_behind(thread: threading.Thread) -> None:
    """Use a solver's thread no more, give way to all others, and let no process end under it.

    An interpreter that is taken down under a solver crashes; `siting.cli.main` ends without it.
    """
    thread.name = LEFT_BEHIND
    atexit.register(thread.join)
    if sys.platform == "linux" and thread.native_id is not None:  # the only one to rank threads
        os.setpriority(os.PRIO_PROCESS, thread.native_id, LEAST_PRIORITY)


def has_left_behind() -> bool:
    """Whether a solver that was told to stop is still at work, its answer no longer wanted."""
    return any(thread.name == LEFT_BEHIND for thread in threading.enumerate())


def _read_highs(solver: Any, *, is_mip: bool) -> _Raw:  # noqa: ANN401 - as above
    status, info = solver.getModelStatus(), solver.getInfo()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return _Raw(
        values=np.asarray(solver.getSolution().col_value, dtype=float) if found else None,
        bound=float(info.mip_dual_bound if is_mip else info.objective_function_value)
        if is_mip or status == highspy.HighsModelStatus.kOptimal
        else -math.inf,
        nodes=int(info.mip_node_count) if is_mip else 1,
        # HiGHS reports an unbounded model as "unbounded or infeasible"; these have all bounds.
        infeasible=status
        in {
            highspy.HighsModelStatus.kInfeasible,
            highspy.HighsModelStatus.kUnboundedOrInfeasible,
        },
    )


def _highs_lp(model: MixedIntegerModel) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = model.cost.size, model.row_lower.size
    lp.col_cost_, lp.offset_ = model.cost, model.offset
    lp.col_lower_, lp.col_upper_ = model.lower, model.upper
    lp.row_lower_, lp.row_upper_ = model.row_lower, model.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = model.matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = model.matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = model.matrix.data
    if model.integer.any():
        lp.integrality_ = [
            highspy.HighsVarType.kInteger if integer else highspy.HighsVarType.kContinuous
            for integer in model.integer
        ]
    return lp


def _solve_scip(model: MixedIntegerModel, watch: Watch, start: FloatArray | None) -> _Raw:
    builder: Any = model_builder.Model()  # type: ignore[no-untyped-call]
    helper: Any = builder.helper
    helper.fill_model_from_sparse_data(
        model.lower,
        model.upper,
        model.cost,
        model.row_lower,
        model.row_upper,
        sp.csr_matrix(model.matrix),  # the helper knows the older of SciPy's two kinds only
    )
    helper.set_objective_offset(model.offset)
    for variable in np.flatnonzero(model.integer):
        helper.set_var_integrality(int(variable), True)  # noqa: FBT003 - the helper's signature
    if start is not None:
        for variable in np.flatnonzero(model.integer):
            helper.add_hint(int(variable), float(start[variable]))
    solver = model_builder.Solver("scip")
    solver.set_solver_specific_parameters(_scip_parameters(model, watch))
    if math.isfinite(watch.remaining_s):
        solver.set_time_limit_in_seconds(watch.remaining_s)
    status = _run_scip(solver, builder, watch)
    found = status in {model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE}
    return _Raw(
        values=np.asarray(solver.values(builder.get_variables()), dtype=float) if found else None,
        bound=float(solver.best_objective_bound) if found else -math.inf,
        # OR-Tools does not say how many; what stopped at a limit has used it up.
        nodes=1 if status == model_builder.SolveStatus.OPTIMAL else _node_limit(model, watch) or 1,
        infeasible=status == model_builder.SolveStatus.INFEASIBLE,
    )


def _scip_parameters(model: MixedIntegerModel, watch: Watch) -> str:
    lines = [
        f"limits/gap = {watch.limits.gap!r}",
        f"randomization/randomseedshift = {watch.limits.seed}",
        # SCIP would catch Ctrl-C and return as if all were well; the watch keeps it.
        "misc/catchctrlc = FALSE",
    ]
    if (nodes := _node_limit(model, watch)) is not None:
        lines.append(f"limits/totalnodes = {nodes}")
    return "\n".join(lines)


def _run_scip(
    solver: model_builder.Solver, model: model_builder.Model, watch: Watch
) -> model_builder.SolveStatus:
    answer: list[model_builder.SolveStatus] = []
    is_done = _run_beside(lambda: answer.append(solver.solve(model)), solver.stop_search, watch)
    if not is_done:
        return model_builder.SolveStatus.NOT_SOLVED
    return answer[0] if answer else model_builder.SolveStatus.ABNORMAL
