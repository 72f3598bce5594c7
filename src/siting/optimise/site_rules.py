"""What a set of opened sites must respect, as plain arrays for kernels and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray

COUNT, BUDGET = 0, 1
SLACK = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteRules:
    """Linear rules for the opened sites, pairs that exclude each other, and opening costs.

    Attributes
    ----------
    coefficient
        (n_rule, n_site) coefficients; the first rule counts sites, the second sums their cost.
    lower, upper
        (n_rule,) sides of the rules; infinite where there is none.
    spacing_pairs
        (n_spacing, 2) pairs of sites of which at most one is opened.
    opening_cost
        (n_site,) what opening a site takes off the objective.
    """

    coefficient: FloatArray
    lower: FloatArray
    upper: FloatArray
    spacing_pairs: IntArray
    opening_cost: FloatArray

    @property
    def n_site(self) -> int:
        """Number of sites."""
        return int(self.opening_cost.size)

    @property
    def most(self) -> int:
        """The greatest number of sites that may be opened."""
        return int(min(self.n_site, self.upper[COUNT] + SLACK))

    @property
    def impossible(self) -> bool:
        """Whether no choice of sites can keep some linear rule, looked at by itself."""
        least, greatest = self.reach()
        slack = SLACK * np.maximum(1.0, greatest - least)
        return bool((least > self.upper + slack).any() or (greatest < self.lower - slack).any())

    def conflicts(self) -> tuple[LongArray, IntArray]:
        """Return, site by site, the sites that it excludes."""
        a, b = self.spacing_pairs.T
        table = sp.csr_array(
            (np.ones(2 * a.size), (np.concatenate((a, b)), np.concatenate((b, a)))),
            shape=(self.n_site, self.n_site),
        )
        return table.indptr.astype(np.int64), table.indices.astype(np.int32)

    def allow(self, opened: BoolArray) -> bool:
        """Return whether a set of opened sites breaks no rule."""
        activity = self.coefficient[:, opened].sum(axis=1)
        slack = SLACK * np.maximum(1.0, np.abs(activity))
        a, b = self.spacing_pairs.T
        return bool(
            (activity >= self.lower - slack).all()
            and (activity <= self.upper + slack).all()
            and not (opened[a] & opened[b]).any()
        )

    def restrict(self, kept: BoolArray) -> SiteRules:
        """Return all rules, for the kept sites only."""
        return self.carry_out(kept, opened=np.zeros(kept.size, dtype=bool))

    def reduce(self, kept: BoolArray, *, opened: BoolArray) -> SiteRules:
        """Return the rules that still matter for the kept sites once others are opened.

        Kept sites that an opened one excludes must be dropped by the caller.
        """
        left = self.carry_out(kept, opened=opened)
        least, greatest = left.reach()
        binding = (least < left.lower) | (greatest > left.upper)
        binding[[COUNT, BUDGET]] = True
        return replace(
            left,
            coefficient=left.coefficient[binding],
            lower=left.lower[binding],
            upper=left.upper[binding],
        )

    def carry_out(self, kept: BoolArray, *, opened: BoolArray) -> SiteRules:
        """Return all rules for the kept sites once others are opened."""
        done = self.coefficient[:, opened].sum(axis=1)
        index = np.cumsum(kept) - 1
        inside = kept[self.spacing_pairs].all(axis=1)
        return replace(
            self,
            coefficient=self.coefficient[:, kept],
            lower=self.lower - done,
            upper=self.upper - done,
            spacing_pairs=index[self.spacing_pairs[inside]].astype(np.int32),
            opening_cost=self.opening_cost[kept],
        )

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """(n_rule,) the least and the greatest that any choice of sites makes of each rule."""
        return (
            np.minimum(self.coefficient, 0.0).sum(axis=1),
            np.maximum(self.coefficient, 0.0).sum(axis=1),
        )

    def require_one_of(self, sites: BoolArray) -> SiteRules:
        """Return the rules with one more: at least one of these sites is opened."""
        return replace(
            self,
            coefficient=np.vstack((self.coefficient, sites.astype(float))),
            lower=np.append(self.lower, 1.0),
            upper=np.append(self.upper, math.inf),
        )

    def excluded_by(self, opened: BoolArray) -> BoolArray:
        """(n_site,) mask of the sites that opened ones exclude."""
        mask = np.zeros(self.n_site, dtype=bool)
        a, b = self.spacing_pairs.T
        mask[b[opened[a]]] = True
        mask[a[opened[b]]] = True
        return mask


def count_rules(
    *, n_site: int, most: float = math.inf, cost: FloatArray | None = None, budget: float = math.inf
) -> SiteRules:
    """Build rules that limit nothing but the number of sites, or their cost."""
    return SiteRules(
        coefficient=np.vstack((np.ones(n_site), np.zeros(n_site) if cost is None else cost)),
        lower=np.full(2, -math.inf),
        upper=np.array([most, budget]),
        spacing_pairs=np.empty((0, 2), dtype=np.int32),
        opening_cost=np.zeros(n_site),
    )
