from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siting.alliance.core import (
    compute_excess_cny,
    compute_least_core,
    compute_nucleolus,
    compute_nucleolus_interval,
    find_objections,
    is_in_core,
    verify_nucleolus,
)
from siting.alliance.game import Game, GameKind, exact_game

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    BuildGame = Callable[[int, GameKind, Callable[[tuple[int, ...]], float]], Game]

few = settings(max_examples=40)  # each example solves several LPs


@st.composite
def games(draw: st.DrawFn, *, min_players: int = 1, max_players: int = 5) -> Game:
    """Draw a game, of costs or surpluses, in which the players have no more alone than together."""
    n = draw(st.integers(min_players, max_players))
    top = draw(st.sampled_from([3, 1000, 10**8]))
    value = draw(arrays(np.float64, 2**n, elements=st.integers(-top, top).map(float)))
    value[0] = 0
    alone = value[2 ** np.arange(n)].sum()
    value[-1] = max(value[-1], alone)
    if draw(st.booleans()):
        return exact_game(players=names(n), kind=GameKind.SURPLUS, value_cny=value)
    return exact_game(players=names(n), kind=GameKind.COST, value_cny=-value)


def names(n: int) -> tuple[str, ...]:
    return tuple(f"p{k}" for k in range(n))


def bankruptcy(estate: float, claims: Sequence[float]) -> Game:
    """Give a coalition what is left once all others have their claims (O'Neill 1982)."""
    n = len(claims)
    others = [sum(claims[k] for k in range(n) if not s >> k & 1) for s in range(2**n)]
    value = [max(0.0, estate - left) if s else 0.0 for s, left in enumerate(others)]
    return exact_game(players=names(n), kind=GameKind.SURPLUS, value_cny=value)


def talmud(estate: float, claims: Sequence[float]) -> np.ndarray:
    """Solve the bankruptcy problem by the Talmud's rule, found by bisection on its level.

    Aumann and Maschler (1985): equal awards up to half the claims while the estate is under half
    of them, equal losses of at most half the claims beyond; it is the game's nucleolus.
    """
    claim = np.asarray(claims, dtype=float)
    half = claim / 2
    loss = claim.sum() - estate
    amount = min(estate, loss)
    low, high = 0.0, half.max()
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(half, level).sum() < amount else (low, level)
    part = np.minimum(half, high)
    return part if estate <= loss else claim - part


def airport(costs: Sequence[float]) -> Game:
    """Charge a coalition for a runway as long as its largest plane needs."""
    n = len(costs)
    value = [max((costs[k] for k in range(n) if s >> k & 1), default=0.0) for s in range(2**n)]
    return exact_game(players=names(n), kind=GameKind.COST, value_cny=value)


def airport_nucleolus(costs: Sequence[float]) -> list[float]:
    """Littlechild's recursion (1974) for costs in ascending order, one plane a player."""
    n = len(costs)
    shares: list[float] = []
    level, done_cost = 0.0, 0.0
    while len(shares) < n:
        done = len(shares)
        candidates = [
            ((costs[i - 1] - done_cost + level) / (i - done + 1), i) for i in range(done + 1, n)
        ]
        candidates.append(((costs[-1] - done_cost + level) / (n - done), n))
        level = min(c for c, _ in candidates)
        last = max(i for c, i in candidates if c <= level + 1e-12)
        shares += [level] * (last - done)
        done_cost = costs[last - 1]
    return shares


def three_towns() -> Game:
    """Three towns, three sites of cost 1, each reaching two towns: one site serves two, not three.

    The linear relaxation opens half of each site for 1.5, the alliance pays 2, and a core would
    need an LP without that gap (Goemans and Skutella 2004).
    """
    return exact_game(players=names(3), kind=GameKind.COST, value_cny=[0, 1, 1, 1, 1, 1, 1, 2])


class TestGloves:
    def test_the_scarce_side_takes_all(self, build_game: BuildGame) -> None:
        game = build_game(3, GameKind.SURPLUS, lambda s: min(s.count(0), len(s) - s.count(0)))
        assert compute_nucleolus(game) == pytest.approx([1, 0, 0], abs=1e-9)
        assert is_in_core(game, np.array([1.0, 0, 0]))
        assert not is_in_core(game, np.array([2 / 3, 1 / 6, 1 / 6]))
        assert compute_least_core(game).epsilon_cny == pytest.approx(0, abs=1e-9)

    def test_two_left_and_three_right(self, build_game: BuildGame) -> None:
        game = build_game(
            5, GameKind.SURPLUS, lambda s: min(sum(k < 2 for k in s), sum(k >= 2 for k in s))
        )
        assert compute_nucleolus(game) == pytest.approx([1, 1, 0, 0, 0], abs=1e-9)

    def test_who_objects_and_by_how_much(self, build_game: BuildGame) -> None:
        game = build_game(3, GameKind.SURPLUS, lambda s: min(s.count(0), len(s) - s.count(0)))
        found = find_objections(game, np.array([0.5, 0.2, 0.3]))
        assert [(o.coalition, o.excess_cny) for o in found] == [
            (("p1", "p2"), pytest.approx(0.3)),
            (("p1", "p3"), pytest.approx(0.2)),
        ]


class TestMajority:
    def test_each_pair_objects_in_the_least_core(self, build_game: BuildGame) -> None:
        game = build_game(3, GameKind.SURPLUS, lambda s: len(s) >= 2)
        least = compute_least_core(game)
        assert least.epsilon_cny == pytest.approx(1 / 3)
        assert least.share_cny == pytest.approx([1 / 3] * 3)
        assert least.binding == (("p1", "p2"), ("p1", "p3"), ("p2", "p3"))
        assert compute_nucleolus(game) == pytest.approx([1 / 3] * 3)

    def test_weighted_voting(self, build_game: BuildGame) -> None:
        """Players of weights 2, 1, 1, 1 and quota 3: shares by weight."""
        weight = (2, 1, 1, 1)
        game = build_game(4, GameKind.SURPLUS, lambda s: sum(weight[k] for k in s) >= 3)
        assert compute_nucleolus(game) == pytest.approx(np.array(weight) / 5)


class TestBankruptcy:
    @pytest.mark.parametrize(
        ("estate", "shares"),
        [(100, [100 / 3] * 3), (200, [50, 75, 75]), (300, [50, 100, 150])],
    )
    def test_the_estates_of_the_mishna(self, estate: float, shares: list[float]) -> None:
        """Aumann and Maschler (1985): claims of 100, 200 and 300 on 100, 200 and 300."""
        game = bankruptcy(estate, (100, 200, 300))
        assert compute_nucleolus(game) == pytest.approx(shares)
        assert verify_nucleolus(game, np.array(shares))

    @few
    @given(st.lists(st.integers(1, 100), min_size=1, max_size=6), st.floats(0, 1))
    def test_the_nucleolus_is_the_talmuds_rule(self, claims: list[int], part: float) -> None:
        estate = part * sum(claims)
        expected = talmud(estate, claims)
        assert compute_nucleolus(bankruptcy(estate, claims)) == pytest.approx(expected, abs=1e-6)


class TestAirport:
    @few
    @given(st.lists(st.integers(1, 1000), min_size=1, max_size=6).map(sorted))
    def test_littlechilds_recursion(self, costs: list[int]) -> None:
        game = airport(costs)
        assert compute_nucleolus(game) == pytest.approx(airport_nucleolus(costs), abs=1e-6)

    def test_who_pays_more_than_alone_objects(self) -> None:
        found = find_objections(airport([10, 20, 30]), np.array([12.0, 9, 9]))
        assert [(o.coalition, o.excess_cny) for o in found] == [
            (("p0",), pytest.approx(2)),
            (("p0", "p1"), pytest.approx(1)),
        ]


class TestAnEmptyCore:
    def test_every_pair_of_towns_objects_by_a_third(self) -> None:
        least = compute_least_core(three_towns())
        assert least.epsilon_cny == pytest.approx(1 / 3)
        assert least.share_cny == pytest.approx([2 / 3] * 3)
        assert set(least.binding) == {("p0", "p1"), ("p0", "p2"), ("p1", "p2")}

    def test_the_nucleolus_is_even_and_each_pair_says_no(self) -> None:
        game = three_towns()
        shares = compute_nucleolus(game)
        assert shares == pytest.approx([2 / 3] * 3)
        assert not is_in_core(game, shares)
        assert [o.excess_cny for o in find_objections(game, shares)] == pytest.approx([1 / 3] * 3)


class TestIntervals:
    def wide(self, gap: float) -> Game:
        value = three_towns().value_cny
        slack = np.where(np.arange(8) % 7, gap, 0.0)
        return Game(
            players=names(3),
            kind=GameKind.COST,
            value_cny=value,
            lower_cny=value - slack,
            upper_cny=value,
        )

    def test_an_objection_carries_its_interval(self) -> None:
        first, *_ = find_objections(self.wide(0.1), np.full(3, 2 / 3))
        assert first.excess_cny == pytest.approx(1 / 3)
        assert (first.least_cny, first.most_cny) == pytest.approx((1 / 3, 1 / 3 + 0.1))

    def test_epsilon_has_bounds(self) -> None:
        least = compute_least_core(self.wide(0.3))
        assert (least.lower_cny, least.upper_cny) == pytest.approx((1 / 3, 1 / 3 + 0.3))

    def test_epsilon_moves_with_what_is_split(self) -> None:
        """A total of 1.7 to 2 leaves each pair of towns between 2/15 and 1/3 to object to."""
        value = three_towns().value_cny
        lower = np.append(value[:-1], 1.7)
        game = Game(
            players=names(3), kind=GameKind.COST, value_cny=value, lower_cny=lower, upper_cny=value
        )
        least = compute_least_core(game)
        assert (least.lower_cny, least.upper_cny) == pytest.approx((2 / 15, 1 / 3))

    def test_an_exact_game_has_a_point(self) -> None:
        interval = compute_nucleolus_interval(three_towns())
        assert interval.lower_cny.tolist() == interval.upper_cny.tolist()

    @few
    @given(games(min_players=2, max_players=4), st.data())
    def test_the_nucleolus_and_epsilon_of_every_game_inside_are_within(
        self, game: Game, data: st.DataObject
    ) -> None:
        gap = data.draw(arrays(np.float64, game.value_cny.size, elements=st.integers(0, 5)))
        gap[0] = 0
        wide = Game(
            players=game.players,
            kind=game.kind,
            value_cny=game.value_cny,
            lower_cny=game.value_cny - gap,
            upper_cny=game.value_cny + gap,
        )
        place = data.draw(arrays(np.float64, gap.size, elements=st.floats(-1, 1)))
        inside = exact_game(
            players=game.players, kind=game.kind, value_cny=game.value_cny + place * gap
        )
        surplus = 1 if game.kind is GameKind.SURPLUS else -1
        added = inside.total_cny - inside.value_cny[inside.singletons].sum()
        assume(surplus * added >= 0)
        shares, interval = compute_nucleolus(inside), compute_nucleolus_interval(wide)
        tolerance = 1e-7 * np.abs(game.value_cny).max() + 1e-7
        assert (interval.lower_cny - tolerance <= shares).all()
        assert (shares <= interval.upper_cny + tolerance).all()
        least = compute_least_core(wide)
        epsilon = compute_least_core(inside).epsilon_cny
        assert least.lower_cny - tolerance <= epsilon <= least.upper_cny + tolerance


@few
@given(games())
def test_kohlbergs_criterion_holds_at_the_nucleolus(game: Game) -> None:
    assert verify_nucleolus(game, compute_nucleolus(game))


@few
@given(games(min_players=2), st.data())
def test_kohlbergs_criterion_fails_anywhere_else(game: Game, data: st.DataObject) -> None:
    shares = compute_nucleolus(game)
    size = np.abs(game.value_cny).max()
    assume(size > 0)
    move = data.draw(arrays(np.float64, game.n_player, elements=st.integers(-3, 3)))
    move[-1] -= move.sum()
    assume(move.any())
    assert not verify_nucleolus(game, shares + 1e-2 * size * move)


@few
@given(games())
def test_the_nucleolus_gives_out_all_and_nobody_less_than_alone(game: Game) -> None:
    shares = compute_nucleolus(game)
    tolerance = 1e-9 * np.abs(game.value_cny).max() + 1e-12
    assert shares.sum() == pytest.approx(game.total_cny, abs=tolerance)
    assert compute_excess_cny(game, shares)[game.singletons].max() <= tolerance


@few
@given(games())
def test_the_nucleolus_objects_least_where_nobody_must_be_held_to_what_he_has(game: Game) -> None:
    """Its greatest objection is the least core's, unless that would rob a single player."""
    least = compute_least_core(game)
    tolerance = 1e-8 * np.abs(game.value_cny).max() + 1e-9
    assume(game.n_player > 1)
    assume(compute_excess_cny(game, least.share_cny)[game.singletons].max() <= 0)
    greatest = compute_excess_cny(game, compute_nucleolus(game))[game.proper].max()
    assert greatest == pytest.approx(least.epsilon_cny, abs=tolerance)


@few
@given(games(max_players=4))
def test_players_alike_get_alike(game: Game) -> None:
    """Split the last player's place in two that may each fill it."""
    half = game.value_cny.size // 2
    without, filled = game.value_cny[:half], game.value_cny[half:]
    twins = exact_game(
        players=(*game.players, "twin"),
        kind=game.kind,
        value_cny=np.concatenate([without, filled, filled, filled]),
    )
    sign = 1 if game.kind is GameKind.SURPLUS else -1
    assume(sign * (twins.total_cny - twins.value_cny[twins.singletons].sum()) >= 0)
    shares = compute_nucleolus(twins)
    assert shares[-1] == pytest.approx(shares[-2], abs=1e-7 * np.abs(game.value_cny).max() + 1e-9)


def test_no_imputation_no_nucleolus(build_game: BuildGame) -> None:
    game = build_game(2, GameKind.SURPLUS, lambda s: 2.0 if len(s) == 1 else 3.0)
    with pytest.raises(ValueError, match="no imputation"):
        compute_nucleolus(game)


def test_one_player_takes_all(build_game: BuildGame) -> None:
    game = build_game(1, GameKind.COST, lambda _: 5.0)
    assert compute_nucleolus(game).tolist() == [5]
    assert verify_nucleolus(game, np.array([5.0]))
    assert compute_least_core(game).epsilon_cny == 0
    assert compute_nucleolus_interval(game).lower_cny.tolist() == [5]


def test_nobody_has_anything(build_game: BuildGame) -> None:
    game = build_game(4, GameKind.COST, lambda _: 0.0)
    assert compute_nucleolus(game).tolist() == [0] * 4
    assert compute_least_core(game).epsilon_cny == pytest.approx(0, abs=1e-12)
