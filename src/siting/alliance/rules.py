"""The bill under every rule: what each brand pays and gains, how sure that is, and who objects.

In a game of surpluses a brand pays the worth of its service less its share of the gain, so that the
bills sum to the cost; in a game of costs its share is its bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.alliance.core import (
    Objection,
    compute_nucleolus,
    compute_nucleolus_interval,
    find_objections,
    is_in_core,
)
from siting.alliance.game import Game, GameKind
from siting.alliance.shares import (
    ShareInterval,
    compute_shapley,
    compute_shapley_interval,
    round_to_fen,
    split_equally,
    split_in_proportion,
)
from siting.domain import FEN_PER_CNY, FloatArray, LongArray, frozen_array
from siting.study import SplitRule

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True, eq=False)
class JointFacts:
    """What is known of the joint plan, by brand, and never in doubt.

    Attributes
    ----------
    cost_cny
        Cost of all sites.
    worth_cny
        (n_brand,) worth of the service that the plan gives the brand's drivers; zeros where costs
        alone are compared.
    vehicles
        (n_brand,) vehicles.
    new_energy_kwh_per_day
        (n_brand,) energy that the brand's drivers charge at the new sites.
    """

    cost_cny: float
    worth_cny: FloatArray
    vehicles: FloatArray
    new_energy_kwh_per_day: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The joint investment split by one rule.

    Attributes
    ----------
    rule
        The rule.
    share_cny
        (n_brand,) shares in the game's own sense: gains of surpluses, payments of costs.
    pays_fen
        (n_brand,) bills in whole fen; they sum to the cost. Negative where a brand is paid.
    pays_interval
        Bounds of the bills, from the intervals of the coalitions' values.
    gain_cny, gain_interval
        (n_brand,) what the brand has over going alone, and its bounds.
    objections
        Coalitions that do better on their own, the strongest first.
    in_core
        Whether none objects.
    """

    rule: SplitRule
    share_cny: FloatArray
    pays_fen: LongArray
    pays_interval: ShareInterval
    gain_cny: FloatArray
    gain_interval: ShareInterval
    objections: tuple[Objection, ...]
    in_core: bool

    @property
    def pays_cny(self) -> FloatArray:
        """(n_brand,) bills, each a whole number of fen."""
        return np.asarray(self.pays_fen / FEN_PER_CNY, dtype=np.float64)


def compute_splits(game: Game, facts: JointFacts) -> tuple[Split, ...]:
    """Split by every rule that gives an answer.

    The nucleolus is left out where the brands have more alone than together.

    Parameters
    ----------
    game
        The values of all coalitions.
    facts
        The joint plan, by brand.
    """
    rules = [rule for rule in SplitRule if rule is not SplitRule.NUCLEOLUS or _is_worth_it(game)]
    return tuple(compute_split(game, rule, facts) for rule in rules)


def compute_split(game: Game, rule: SplitRule, facts: JointFacts) -> Split:
    """Split by one rule.

    Raises
    ------
    ValueError
        For the nucleolus, if the brands have more alone than together.
    """
    share, interval = _SHARES[rule](game, facts)
    surplus = game.kind is GameKind.SURPLUS
    alone = game.singletons
    if surplus:
        pays = facts.worth_cny - share
        pays_interval = ShareInterval(
            lower_cny=facts.worth_cny - interval.upper_cny,
            upper_cny=facts.worth_cny - interval.lower_cny,
        )
        gain = share - game.value_cny[alone]
        gain_interval = ShareInterval(
            lower_cny=interval.lower_cny - game.upper_cny[alone],
            upper_cny=interval.upper_cny - game.lower_cny[alone],
        )
    else:
        pays, pays_interval = share, interval
        gain = game.value_cny[alone] - share
        gain_interval = ShareInterval(
            lower_cny=game.lower_cny[alone] - interval.upper_cny,
            upper_cny=game.upper_cny[alone] - interval.lower_cny,
        )
    return Split(
        rule=rule,
        share_cny=frozen_array(share, np.float64),
        pays_fen=frozen_array(_bill_fen(pays, facts.cost_cny), np.int64),
        pays_interval=pays_interval,
        gain_cny=frozen_array(gain, np.float64),
        gain_interval=gain_interval,
        objections=find_objections(game, share),
        in_core=is_in_core(game, share),
    )


_Shares = tuple[FloatArray, ShareInterval]


def _shapley(game: Game, _: JointFacts) -> _Shares:
    return compute_shapley(game), compute_shapley_interval(game)


def _nucleolus(game: Game, _: JointFacts) -> _Shares:
    share, interval = compute_nucleolus(game), compute_nucleolus_interval(game)
    return share, ShareInterval(
        lower_cny=np.minimum(interval.lower_cny, share),
        upper_cny=np.maximum(interval.upper_cny, share),
    )


def _by_vehicles(game: Game, facts: JointFacts) -> _Shares:
    return _from_bill(game, facts, _in_proportion(facts.cost_cny, facts.vehicles))


def _by_energy(game: Game, facts: JointFacts) -> _Shares:
    return _from_bill(game, facts, _in_proportion(facts.cost_cny, facts.new_energy_kwh_per_day))


def _equal(game: Game, facts: JointFacts) -> _Shares:
    return _from_bill(game, facts, split_equally(facts.cost_cny, game.n_player))


def _by_alone(game: Game, _: JointFacts) -> _Shares:
    """Share all in proportion to what each has alone: the same percentage more for everybody."""
    total, alone = game.total_cny, game.singletons
    low = np.maximum(game.lower_cny[alone], 0.0)
    high = np.maximum(game.upper_cny[alone], 0.0)
    share = _in_proportion(total, np.maximum(game.value_cny[alone], 0.0))
    if low.sum() <= 0:
        return share, _point(share) if high.sum() <= 0 else _anything(total, game.n_player)
    # A brand's part is least where it has least alone and all others have most.
    ends = (
        total * low / (low + high.sum() - high),
        total * high / np.maximum(high + low.sum() - low, np.finfo(float).tiny),
    )
    return share, ShareInterval(
        lower_cny=np.minimum(np.minimum(*ends), share),
        upper_cny=np.maximum(np.maximum(*ends), share),
    )


_SHARES: dict[SplitRule, Callable[[Game, JointFacts], _Shares]] = {
    SplitRule.SHAPLEY: _shapley,
    SplitRule.NUCLEOLUS: _nucleolus,
    SplitRule.BY_VEHICLES: _by_vehicles,
    SplitRule.BY_ENERGY: _by_energy,
    SplitRule.BY_ALONE: _by_alone,
    SplitRule.EQUAL: _equal,
}


def _from_bill(game: Game, facts: JointFacts, bill_cny: FloatArray) -> _Shares:
    """Return the shares that a bill leaves; it rests on facts alone, so it is in no doubt."""
    share = bill_cny if game.kind is GameKind.COST else facts.worth_cny - bill_cny
    return share, _point(share)


def _bill_fen(pays_cny: FloatArray, cost_cny: float) -> LongArray:
    """Round bills to the fen; what float sums leave of the cost is spread evenly first."""
    missing = cost_cny - float(pays_cny.sum())
    return round_to_fen(pays_cny + missing / pays_cny.size, total_cny=cost_cny)


def _in_proportion(total_cny: float, weights: FloatArray) -> FloatArray:
    """Split in proportion; equally where there is nothing to go by."""
    if weights.sum() <= 0:
        return split_equally(total_cny, weights.size)
    return split_in_proportion(total_cny, weights)


def _point(share: FloatArray) -> ShareInterval:
    return ShareInterval(lower_cny=share, upper_cny=share)


def _anything(total_cny: float, n_player: int) -> ShareInterval:
    ends = np.sort([0.0, total_cny])
    return ShareInterval(lower_cny=np.full(n_player, ends[0]), upper_cny=np.full(n_player, ends[1]))


def _is_worth_it(game: Game) -> bool:
    """Whether the brands have at least as much together as alone."""
    sign = 1.0 if game.kind is GameKind.SURPLUS else -1.0
    more = sign * (game.total_cny - float(game.value_cny[game.singletons].sum()))
    return more >= -1e-9 * float(np.abs(game.value_cny).max())
