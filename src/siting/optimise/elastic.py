"""The least change of a requirement, or of several, that makes an impossible study possible.

Every requirement gets a slack s_r ≥ 0, and what is minimised is the change,

    min  Σ_r s_r / size_r     s.t.  the main model, with s_r added to the limit of requirement r,

each slack as a share of what was asked: of the budget, of a floor, of the number of cliques that
must keep their spacing. With all other slacks held at zero it gives the least change of one
requirement by itself. HiGHS solves it; the budget of a model that is too large for it is bounded by
prices and bought by annealing (`least_cost`), which are better at that. Every answer has two ends:
what is enough, for a plan was found with it, and what is proven not to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.domain import SolveStatus
from siting.optimise.formulation import (
    RowKind,
    build_columns,
    build_site_rows,
    capacity_rows,
    demand_rows,
    one_tier_rows,
    strong_link_rows,
)
from siting.optimise.least_cost import find_least_cost
from siting.optimise.limits import Limits, Watch
from siting.optimise.links import build_links
from siting.optimise.mip import MixedIntegerModel, solve_mip
from siting.optimise.tier_problem import build_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.domain import FloatArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.formulation import Columns
    from siting.optimise.links import Links

GAP = 1e-3
# Above this many links a budget is sought by prices.
LINKS_FOR_PRICES = 2_000
CNY_PER_MILLION = 1e6
# Amounts are rounded so that they are enough: budgets up to this, floors down to that.
CNY_STEP, SHARE_STEP = 1e4, 1e-3
ROUNDING = 1e-6
SITES_NAMED = 5


class Requirement(StrEnum):
    """What a study asks and may ask less of; the values are where it stands in the study."""

    BUDGET = "requirements.budget_cny"
    FLOOR = "brands: {name}.floor"
    GREATEST_COUNT = "requirements.max_sites"
    LEAST_COUNT = "requirements.min_sites"
    REQUIRED = "requirements.required"
    FORBIDDEN = "requirements.forbidden"
    SPACING = "requirements.min_spacing_m"
    SITE_GRID = "inputs.candidates: grid_limit_kw"
    GRID_GROUP = "requirements.grid_group_limit_kw"
    QUOTA = "requirements.district_min_sites, district_max_sites"


_OF_ROW = {
    RowKind.BUDGET: Requirement.BUDGET,
    RowKind.GREATEST_COUNT: Requirement.GREATEST_COUNT,
    RowKind.LEAST_COUNT: Requirement.LEAST_COUNT,
    RowKind.GRID_GROUP: Requirement.GRID_GROUP,
    RowKind.LEAST_IN_DISTRICT: Requirement.QUOTA,
    RowKind.GREATEST_IN_DISTRICT: Requirement.QUOTA,
    RowKind.SPACING: Requirement.SPACING,
}


class Help(StrEnum):
    """Whether a change of some requirements makes a study possible."""

    ENOUGH = "a change that is enough was found"
    NONE = "no change of these is enough"
    UNKNOWN = "not settled within the time"


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """How much less some requirements must ask.

    Attributes
    ----------
    help
        Whether they can make the study possible at all.
    words
        What to do, in the planner's words; where no change was found, what is proven too little.
    share, least_share
        Sum of the changes found, each as a share of what was asked, and what no smaller sum than
        is enough; both before they were rounded for the words.
    """

    help: Help
    words: str = ""
    share: float = math.inf
    least_share: float = 0.0

    @property
    def proven(self) -> bool:
        """Whether it is proven that no smaller change is enough, within the solver's gap."""
        return self.share - self.least_share <= 2 * GAP * max(self.share, ROUNDING)


@dataclass(frozen=True, kw_only=True, eq=False)
class Slack:
    """One slack variable: the requirement it loosens, its row, and how it is told.

    Attributes
    ----------
    key
        Where the requirement stands in the study; slacks of a key are freed together.
    kind
        Which requirement.
    index
        Of the brand, site, group or district; −1 where there is none.
    member, coefficient
        Variables of its row and their coefficients, ``coefficient · v - slack ≤ upper``.
    upper
        Right-hand side.
    size
        What a slack is divided by to become a share of what was asked.
    most
        Largest slack.
    """

    key: str
    kind: Requirement
    index: int
    member: LongArray
    coefficient: FloatArray
    upper: float
    size: float
    most: float = math.inf


class ElasticModel:
    """The elastic model of an instance.

    Parameters
    ----------
    instance
        An instance that no plan can meet.
    """

    def __init__(self, instance: SitingInstance) -> None:
        self.instance = instance
        req, n = instance.requirements, instance.n_site
        bare = instance.replace(
            requirements=req.replace(
                budget_cny=math.inf,
                forbidden=np.zeros(n, dtype=bool),
                required=np.zeros(n, dtype=bool),
                site_grid_limit_kw=np.full(n, math.inf),
            )
        )
        self.columns = build_columns(bare)
        used = np.ones(instance.n_supply, dtype=bool)
        used[:n] = self.columns.buildable
        # The floors stay in the instance, so that only rows which they cannot tell apart merge.
        self.links = build_links(bare, supply_used=used, merged=True)
        self.slacks = tuple(_list_slacks(instance, self.columns, self.links))

    @property
    def keys(self) -> tuple[str, ...]:
        """The requirements that can be asked less of, each once."""
        return tuple(dict.fromkeys(slack.key for slack in self.slacks))

    def relax(self, keys: tuple[str, ...], *, time_limit_s: float) -> Relaxation:
        """Return the least change of some requirements, all others kept.

        Parameters
        ----------
        keys
            Requirements that may change.
        time_limit_s
            When to stop.
        """
        watch = Watch(Limits(gap=GAP, time_limit_s=time_limit_s))
        floored = bool((self.instance.requirements.floor_by_brand > 0).any())
        large = self.links.n_link > LINKS_FOR_PRICES
        if keys == (Requirement.BUDGET.value,) and floored and large:
            return self._raise_budget(watch)
        answer = solve_mip(self._build(keys), watch)
        if answer.status is SolveStatus.INFEASIBLE:
            return Relaxation(help=Help.NONE)
        if answer.values is None:
            return self._leave_open(keys, answer.bound)
        found = answer.values[-len(self.slacks) :]
        moved = [
            (slack, float(part) * slack.size)
            for slack, part in zip(self.slacks, found, strict=True)
            if part > ROUNDING
        ]
        return self._tell(moved, least_share=answer.bound)

    def _raise_budget(self, watch: Watch) -> Relaxation:
        """Return the least budget that pays for a plan which keeps all else."""
        instance = self.instance
        bare = instance.replace(requirements=instance.requirements.replace(budget_cny=math.inf))
        answer = find_least_cost(build_problem(bare, service_weight=0.0, cost_weight=1.0), watch)
        if math.isinf(answer.least_cny):
            return Relaxation(help=Help.NONE)
        (slack,) = (slack for slack in self.slacks if slack.kind is Requirement.BUDGET)
        least_share = (answer.least_cny - slack.upper) / slack.size
        if answer.plan is None:
            return self._leave_open((slack.key,), least_share)
        return self._tell([(slack, -answer.plan.value - slack.upper)], least_share=least_share)

    def _leave_open(self, keys: tuple[str, ...], least_share: float) -> Relaxation:
        least_share, words = max(0.0, least_share), ""
        free = [slack for slack in self.slacks if slack.key in keys]
        if len(free) == 1 and least_share > 0:
            words = _say_least(self.instance, free[0], least_share * free[0].size)
        return Relaxation(help=Help.UNKNOWN, words=words, least_share=least_share)

    def _tell(self, moved: list[tuple[Slack, float]], *, least_share: float) -> Relaxation:
        share = math.fsum(amount / slack.size for slack, amount in moved)
        least_share = min(share, max(0.0, least_share))
        words = " and ".join(_tell(self.instance, moved))
        if len(moved) == 1 and share - least_share > 2 * GAP * max(share, ROUNDING):
            words += _say_least(self.instance, moved[0][0], least_share * moved[0][0].size)
        return Relaxation(help=Help.ENOUGH, words=words, share=share, least_share=least_share)

    def _build(self, keys: tuple[str, ...]) -> MixedIntegerModel:
        columns, links, slacks = self.columns, self.links, self.slacks
        n_column, n_link, n_slack = columns.n_column, links.n_link, len(slacks)
        blocks = [
            demand_rows(links, n_column),
            capacity_rows(links, columns, self.instance.station_capacity_kwh_per_day),
            strong_link_rows(links, columns),
            one_tier_rows(columns, n_link),
        ]
        hard = sp.csr_array(sp.vstack([block.matrix for block in blocks], format="csr"))
        # Rows and slacks as shares of what was asked: solvers' tolerances are absolute.
        soft = sp.csr_array(
            (
                np.concatenate([slack.coefficient / slack.size for slack in slacks]),
                np.concatenate([slack.member for slack in slacks]),
                np.cumsum([0, *(slack.member.size for slack in slacks)]),
            ),
            shape=(n_slack, n_column + n_link),
        )
        loosen = -sp.eye_array(n_slack, format="csr")
        matrix = sp.block_array([[hard, None], [soft, loosen]], format="csr")
        most = [slack.most / slack.size if slack.key in keys else 0.0 for slack in slacks]
        flow_most = links.row_kwh_per_day[links.row]
        return MixedIntegerModel(
            cost=np.concatenate((np.zeros(n_column + n_link), np.ones(n_slack))),
            lower=np.zeros(n_column + n_link + n_slack),
            upper=np.concatenate((np.ones(n_column), flow_most, most)),
            integer=np.arange(n_column + n_link + n_slack) < n_column,
            matrix=sp.csr_array(matrix),
            row_lower=np.concatenate(
                [*(block.lower for block in blocks), np.full(n_slack, -math.inf)]
            ),
            row_upper=np.concatenate(
                [*(block.upper for block in blocks), [slack.upper / slack.size for slack in slacks]]
            ),
        )


def _list_slacks(instance: SitingInstance, columns: Columns, links: Links) -> Iterator[Slack]:
    """Yield a slack for every requirement over columns, every floor and every site's own rule."""
    req, n_column = instance.requirements, columns.n_column
    rows = build_site_rows(instance, columns)
    n_spacing = sum(key.kind is RowKind.SPACING for key in rows.keys)
    for k, key in enumerate(rows.keys):
        kind, upper = _OF_ROW[key.kind], float(rows.upper[k])
        row = slice(rows.matrix.indptr[k], rows.matrix.indptr[k + 1])
        yield Slack(
            key=kind.value,
            kind=kind,
            index=key.members[0] if key.members else -1,
            member=rows.matrix.indices[row].astype(np.int64),
            coefficient=rows.matrix.data[row],
            upper=upper,
            size=float(n_spacing) if kind is Requirement.SPACING else max(1.0, abs(upper)),
        )
    for b in np.flatnonzero(req.floor_by_brand > 0):
        kwh = float(req.floor_by_brand[b] * instance.demand_kwh_per_day[:, b].sum())
        if kwh > 0:
            share = links.brand_share[:, b][links.row]
            served = np.flatnonzero(share)
            yield Slack(
                key=Requirement.FLOOR.value.format(name=instance.brands[b]),
                kind=Requirement.FLOOR,
                index=int(b),
                member=n_column + served,
                coefficient=-share[served],
                upper=-kwh,
                size=kwh,
                most=kwh,
            )
    n_forbidden, n_required = int(req.forbidden.sum()), int(req.required.sum())
    for j in range(instance.n_site):
        member = np.arange(columns.start[j], columns.start[j + 1], dtype=np.int64)
        ones = np.ones(member.size)
        limit_kw = float(req.site_grid_limit_kw[j])
        over_kw = np.maximum(columns.power_kw[member] - limit_kw, 0.0)
        if req.forbidden[j]:
            yield _rule(Requirement.FORBIDDEN, j, member, ones, 0.0, n_forbidden, 1.0)
        if req.required[j]:
            yield _rule(Requirement.REQUIRED, j, member, -ones, -1.0, n_required, 1.0)
        if over_kw.any():
            size = max(1.0, limit_kw)
            yield _rule(Requirement.SITE_GRID, j, member, over_kw, 0.0, size, math.inf)


def _rule(  # noqa: PLR0917 - the fields of a slack, in their order
    kind: Requirement,
    site: int,
    member: LongArray,
    coefficient: FloatArray,
    upper: float,
    size: float,
    most: float,
) -> Slack:
    return Slack(
        key=kind.value, kind=kind, index=site, member=member,
        coefficient=coefficient, upper=upper, size=size, most=most,
    )  # fmt: skip


def _tell(instance: SitingInstance, moved: list[tuple[Slack, float]]) -> Iterator[str]:
    """Yield the changes in the planner's words, those of several sites or pairs in one."""
    by_key: dict[str, list[tuple[Slack, float]]] = {}
    for slack, amount in moved:
        by_key.setdefault(slack.key, []).append((slack, amount))
    for parts in by_key.values():
        yield _say(instance, parts)


def _amount(instance: SitingInstance, slack: Slack, amount: float) -> str:
    """Return the limit of a requirement after a change, with its unit, rounded to be enough."""
    match slack.kind:
        case Requirement.BUDGET:
            budget = math.ceil((slack.upper + amount) / CNY_STEP - ROUNDING) * CNY_STEP
            return f"{budget / CNY_PER_MILLION:,.2f} million CNY"
        case Requirement.FLOOR:
            floor = _floor_share(instance, slack, amount)
            return f"{math.floor(floor / SHARE_STEP + ROUNDING) * SHARE_STEP:.1%}"
        case Requirement.SITE_GRID:
            limit_kw = instance.requirements.site_grid_limit_kw[slack.index]
            return f"{math.ceil(limit_kw + amount - ROUNDING):,} kW"
        case Requirement.GRID_GROUP:
            return f"{math.ceil(slack.upper + amount - ROUNDING):,} kW"
        case _:
            return _count(abs(slack.upper + amount))


def _floor_share(instance: SitingInstance, slack: Slack, amount: float) -> float:
    wanted = float(instance.demand_kwh_per_day[:, slack.index].sum())
    return max(0.0, (-slack.upper - amount) / wanted)


def _count(number: float) -> str:
    return f"{round(number)} site{'' if round(number) == 1 else 's'}"


def _say_least(instance: SitingInstance, slack: Slack, amount: float) -> str:
    """Say what is proven not to be enough, rounded so that it is not."""
    if slack.kind is Requirement.BUDGET:
        budget = math.floor((slack.upper + amount) / CNY_STEP) * CNY_STEP / CNY_PER_MILLION
        return f" (less than {budget:,.2f} is proven not to be enough)"
    if slack.kind is Requirement.FLOOR:
        floor = math.ceil(_floor_share(instance, slack, amount) / SHARE_STEP) * SHARE_STEP
        return f" (more than {floor:.1%} is proven to be too much)"
    return " (a smaller change may be enough)"


def _say(  # noqa: PLR0911 - one a kind of requirement
    instance: SitingInstance, parts: list[tuple[Slack, float]]
) -> str:
    slack, amount = parts[0]
    to = _amount(instance, slack, amount)
    match slack.kind:
        case Requirement.BUDGET:
            return f"raise the budget to {to}"
        case Requirement.FLOOR:
            return f"lower the floor of {instance.brands[slack.index]} to {to}"
        case Requirement.GREATEST_COUNT:
            return f"allow {to}"
        case Requirement.LEAST_COUNT:
            return f"ask for no more than {to}"
        case Requirement.GRID_GROUP:
            groups = (f"group {part.index} to {_amount(instance, part, kw)}" for part, kw in parts)
            return f"raise the grid limit of {', '.join(groups)}"
        case Requirement.QUOTA:
            return "; ".join(_say_quota(instance, part, n) for part, n in parts)
        case Requirement.SPACING:
            return f"let {_count(sum(n for _, n in parts))} stand closer than the spacing"
        case Requirement.REQUIRED:
            return f"do not require {_name(instance, parts)}"
        case Requirement.FORBIDDEN:
            return f"allow {_name(instance, parts)}"
        case _:
            limits = ", ".join(
                f"{instance.site_ids[part.index]} to {_amount(instance, part, kw)}"
                for part, kw in parts[:SITES_NAMED]
            )
            return f"raise the grid limit of {limits}{_more(parts)}"


def _say_quota(instance: SitingInstance, slack: Slack, amount: float) -> str:
    district, to = instance.district_ids[slack.index], _amount(instance, slack, amount)
    asked = "ask for no more than" if slack.upper < 0 else "allow"
    return f"{asked} {to} in {district}"


def _name(instance: SitingInstance, parts: list[tuple[Slack, float]]) -> str:
    named = ", ".join(instance.site_ids[part.index] for part, _ in parts[:SITES_NAMED])
    return f"{named}{_more(parts)}"


def _more(parts: list[tuple[Slack, float]]) -> str:
    return f" and {len(parts) - SITES_NAMED} more" if len(parts) > SITES_NAMED else ""
