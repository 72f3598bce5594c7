"""All futures as one model: shared sites and tiers, drivers by future.

Every future's main model (`optimise.formulation`) over the same y, its own x_s. With v_s the share
of the wanted energy that is served in future s, weighted by its worth, and b_s the best known
share there (a plan made for s alone):

    expected   max Σ_s p_s v_s
    max_min    max v,   v ≤ v_s                     all s
    regret     min r,   r ≥ b_s − v_s               all s

A plan must be payable in every future. Variables are scaled by the mean of what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.domain import FloatArray, RobustRule
from siting.optimise.formulation import build_main_model
from siting.optimise.mip import MixedIntegerModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import IntArray
    from siting.instance import Decision
    from siting.optimise.formulation import Columns
    from siting.optimise.links import Links
    from siting.scenarios.worlds import Worlds


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedModel:
    """The main models of all futures over shared columns.

    Attributes
    ----------
    columns
        The tiers that every future can pay.
    links, models
        (n_world,) each future's links, and its main model.
    scale_kwh
        The mean of what is wanted: a share of 1 in the model.
    """

    columns: Columns
    links: tuple[Links, ...]
    models: tuple[MixedIntegerModel, ...]
    wanted: FloatArray
    scale_kwh: float

    @property
    def n_column(self) -> int:
        """Number of shared variables."""
        return self.columns.n_column


def build_shared(worlds: Worlds) -> SharedModel:
    """Build the main model of every future over the columns that all of them allow."""
    payable = np.logical_and.reduce(
        [w.tier_allowed & (w.tier_cost_cny <= w.requirements.budget_cny) for w in worlds.instances]
    )
    instances = [world.replace(tier_allowed=payable) for world in worlds.instances]
    parts = [build_main_model(instance) for instance in instances]
    return SharedModel(
        columns=parts[0].columns,
        links=tuple(part.links for part in parts),
        models=tuple(part.model for part in parts),
        wanted=worlds.wanted,
        scale_kwh=float(worlds.wanted.mean()),
    )


def join_worlds(
    shared: SharedModel, rule: RobustRule, *, weight: FloatArray, best: FloatArray
) -> MixedIntegerModel:
    """Join the futures by a rule.

    Parameters
    ----------
    shared
        The main models.
    rule
        What is made as large, or as small, as can be.
    weight, best
        (n_world,) how likely each future is, and the best known share served in it.

    Returns
    -------
    MixedIntegerModel
        Over y, then every x_s, then v or r where the rule has one. Minimised: −Σ p_s v_s, −v or
        r − 1, all times ``scale_kwh``.
    """
    n, models = shared.n_column, shared.models
    flow = sp.block_diag([model.matrix[:, n:] for model in models])
    matrix = sp.hstack((sp.vstack([model.matrix[:, :n] for model in models]), flow))
    worth = [
        -model.cost[n:] * (shared.scale_kwh / wanted)
        for model, wanted in zip(models, shared.wanted, strict=True)
    ]
    first = models[0]
    lower = np.concatenate([first.lower[:n], *(model.lower[n:] for model in models)])
    upper = np.concatenate([first.upper[:n], *(model.upper[n:] for model in models)])
    row_lower = np.concatenate([model.row_lower for model in models])
    row_upper = np.concatenate([model.row_upper for model in models])
    if rule is RobustRule.EXPECTED:
        flows = [-p * w for p, w in zip(weight, worth, strict=True)]
        cost, offset = np.concatenate((np.zeros(n), *flows)), 0.0
    else:
        # v − v_s ≤ 0, or b_s − v_s − r ≤ 0.
        regret = rule is RobustRule.REGRET
        sign = -1.0 if regret else 1.0
        level = np.full((len(models), 1), sign)
        served = sp.block_diag([-w[None, :] for w in worth])
        below = sp.hstack((sp.csr_array((len(models), n)), served, sp.csr_array(level)))
        matrix = sp.vstack((sp.hstack((matrix, sp.csr_array((matrix.shape[0], 1)))), below))
        lower, upper = np.append(lower, 0.0), np.append(upper, shared.scale_kwh)
        row_lower = np.append(row_lower, np.full(len(models), -np.inf))
        row_upper = np.append(row_upper, -shared.scale_kwh * best if regret else best * 0.0)
        cost = np.append(np.zeros(lower.size - 1), -sign)
        offset = -shared.scale_kwh if regret else 0.0
    return MixedIntegerModel(
        cost=cost,
        lower=lower,
        upper=upper,
        integer=np.arange(lower.size) < n,
        matrix=sp.csr_array(matrix),
        row_lower=row_lower,
        row_upper=row_upper,
        offset=offset,
    )


def write_point(
    shared: SharedModel, rule: RobustRule, decisions: Sequence[Decision], *, level: float
) -> FloatArray:
    """Return a plan as a point of the joined model; ``level`` is its v or r, as a share."""
    opened = shared.columns.opened_by(decisions[0].tier_of_site)
    flows = [
        links.gather(decision.flow_kwh_per_day)
        for links, decision in zip(shared.links, decisions, strict=True)
    ]
    tail = [] if rule is RobustRule.EXPECTED else [np.array([level * shared.scale_kwh])]
    return np.concatenate((opened.astype(np.float64), *flows, *tail))


def read_tiers(shared: SharedModel, values: FloatArray) -> IntArray:
    """Return the tiers that a point of the joined model opens."""
    return shared.columns.read_tiers(values)
