"""What is asked of a solve and what comes back, the same for every engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from siting.domain import Engine, SolveStatus
from siting.optimise.limits import Limits, StopReason, compute_gap

if TYPE_CHECKING:
    from siting.domain import IntArray
    from siting.instance import Decision
    from siting.optimise.certificate import TierPrices


@dataclass(frozen=True, kw_only=True)
class SolveOptions(Limits):
    """How hard to look for the best plan: the limits, and the engine.

    Attributes
    ----------
    engine
        Which engine to use; ``auto`` lets the instance choose.
    """

    gap: float = 0.005
    time_limit_s: float = 120.0
    engine: Engine = Engine.AUTO

    def __post_init__(self) -> None:
        """Refuse what makes no sense, NaN included."""
        if not 0 <= self.gap < 1:
            raise ValueError(f"gap is {self.gap}, not within [0, 1)")
        if not self.time_limit_s > 0:
            raise ValueError(f"time_limit_s is {self.time_limit_s}, not above 0")
        if not self.work_limit > 0:
            raise ValueError(f"work_limit is {self.work_limit}, not above 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class SolveResult:
    """The answer of a solve, and how far it is proven.

    Attributes
    ----------
    status
        ``optimal`` only if proven within the gap asked for; ``feasible`` at a limit or an
        interruption; ``infeasible`` if proven that no plan can exist; ``no_plan`` if a limit
        came before any plan.
    decision
        The best plan; None if there is none.
    objective
        Its worth of service, Σ a_ij x_ij (kWh/day); −∞ if there is no plan.
    bound
        No plan can be worth more; ∞ if nothing is known.
    gap
        ``compute_gap(objective, bound)``; ∞ if there is no plan.
    bound_by_duality
        What the multipliers alone prove by weak duality, as `certificate.check_bound` recomputes
        it; what ``bound`` is below it rests on branching. ∞ if there are none.
    multipliers
        The prices that prove it; None where no plan can exist.
    engine
        What solved it, such as ``lagrangian+highs``.
    stopped
        Why it ended.
    wall_s, cpu_s
        Time taken, of the wall and of the processor.
    work
        Work done, in million pair visits.
    """

    status: SolveStatus
    decision: Decision | None
    objective: float
    bound: float
    gap: float
    bound_by_duality: float
    engine: str
    stopped: StopReason
    wall_s: float
    cpu_s: float
    work: float
    multipliers: TierPrices | None = None

    def hold_to(
        self,
        *,
        gap: float,
        bound: float = math.inf,
        decision: Decision | None = None,
        objective: float = -math.inf,
    ) -> Self:
        """Return this result with what is known from elsewhere, where that is better.

        Parameters
        ----------
        gap
            The gap asked for, which decides what counts as proven.
        bound
            What no plan of the instance is worth more than.
        decision, objective
            A plan that keeps all of the instance's rules, and its worth.
        """
        if decision is None or objective <= self.objective:
            decision, objective = self.decision, self.objective
        bound = max(min(bound, self.bound), objective)
        found = compute_gap(objective, bound)
        status = self.status if decision is None else tell_status(found, gap)
        return replace(
            self, decision=decision, objective=objective, bound=bound, gap=found, status=status
        )

    def join(self, other: SolveResult, *, gap: float) -> SolveResult:
        """Return the better plan and the lower bound of two solves of one instance, and their work.

        Parameters
        ----------
        other
            The later solve, which says why it ended.
        gap
            The gap asked for.
        """
        better = self if self.bound_by_duality <= other.bound_by_duality else other
        engines = (*self.engine.split("+"), *other.engine.split("+"))
        impossible = SolveStatus.INFEASIBLE in {self.status, other.status}
        joined = replace(
            self,
            status=SolveStatus.INFEASIBLE if impossible else self.status,
            multipliers=better.multipliers,
            bound_by_duality=better.bound_by_duality,
            engine="+".join(dict.fromkeys(engines)),
            stopped=other.stopped,
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            work=self.work + other.work,
        )
        return joined.hold_to(
            gap=gap, bound=other.bound, decision=other.decision, objective=other.objective
        )

    def as_start(self) -> WarmStart:
        """Return what a solve of a like instance can start from."""
        return WarmStart(
            tier_of_site=None if self.decision is None else self.decision.tier_of_site,
            multipliers=self.multipliers,
        )

    @property
    def time_limit_hit(self) -> bool:
        """Whether the time limit ended it."""
        return self.stopped is StopReason.TIME

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.stopped is StopReason.INTERRUPTED


def tell_status(gap: float, gap_asked: float) -> SolveStatus:
    """Return what a plan counts as: proven within the gap asked for, or feasible."""
    return SolveStatus.OPTIMAL if gap <= gap_asked else SolveStatus.FEASIBLE


@dataclass(frozen=True, kw_only=True, eq=False)
class WarmStart:
    """What is known before a solve: a plan and prices of a like instance.

    Attributes
    ----------
    tier_of_site
        (n_site,) opened tiers of a plan, or None; where it breaks the new requirements, it is
        opened as far as they allow.
    multipliers
        Prices to start the descent from, or None; they bound any instance with the same demand
        points and brands.
    """

    tier_of_site: IntArray | None = None
    multipliers: TierPrices | None = None
