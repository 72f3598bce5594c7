"""A part of a file in another datum is found with its share; chance alone finds nothing."""

from __future__ import annotations

import numpy as np
import pytest

from siting.domain import Datum, FloatArray
from siting.inputs.datum_mix import DatumMix, find_mix, list_shifts

N_SHIFT = 23


def read_mixed(share: float, *, n: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return distances as declared, as the other datum and shifted: right 15 m, else 60 m."""
    rng = np.random.default_rng(seed)
    moved = np.arange(n) < round(share * n)
    right, wrong = rng.exponential(15, n), rng.exponential(60, (N_SHIFT + 1, n)).clip(max=500)
    declared, other = np.where(moved, wrong[0], right), np.where(moved, right, wrong[0])
    return declared, other, wrong[1:]


def found_in(share: float, *, n: int, seed: int = 0) -> DatumMix | None:
    return find_mix(*read_mixed(share, n=n, seed=seed), other=Datum.GCJ02)


@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.9, 1.0])
def test_the_share_is_told_with_its_error(share: float) -> None:
    mix = found_in(share, n=2000)
    assert mix is not None
    assert mix.is_suspected
    assert mix.share == pytest.approx(share, abs=3 * mix.error + 0.01)
    assert mix.error < 0.03
    assert mix.compared == 2000


def test_points_that_are_all_right_raise_no_suspicion() -> None:
    found = [found_in(0.0, n=300, seed=seed) for seed in range(500)]
    assert [mix for mix in found if mix is None or mix.is_suspected] == []


def test_what_would_go_unseen_is_told() -> None:
    clear, dim = found_in(0.0, n=3000), found_in(0.0, n=100)
    assert clear is not None
    assert dim is not None
    assert clear.unseen_share < 0.2 < dim.unseen_share
    rng = np.random.default_rng(0)
    anywhere = rng.exponential(60, (N_SHIFT + 2, 200)).clip(max=500)
    lost = find_mix(anywhere[0], anywhere[1], anywhere[2:], other=Datum.GCJ02)
    assert lost is not None
    assert lost.unseen_share == 1.0
    assert not lost.is_suspected


def test_too_few_points_say_nothing() -> None:
    assert found_in(1.0, n=29) is None


def test_points_off_the_network_are_left_out() -> None:
    declared, other, shifted = read_mixed(0.3, n=1000)
    declared[::2] = 5_000.0
    mix = find_mix(declared, other, shifted, other=Datum.GCJ02)
    assert mix is not None
    assert mix.compared == 500


def test_streets_that_a_shift_follows_are_no_evidence() -> None:
    """A shift along a grid of streets keeps points on them, and so do others of its direction."""
    declared, _, shifted = read_mixed(0.0, n=1000)
    for along in (0, 7, 11, 15, 19):
        shifted[along] = declared
    mix = find_mix(declared, declared.copy(), shifted, other=Datum.GCJ02)
    assert mix is not None
    assert not mix.is_suspected


def test_shifts_are_as_long_and_go_elsewhere() -> None:
    shifts = np.array(list(list_shifts(np.array([3.0]), np.array([4.0]))))[:, :, 0]
    assert len(shifts) == N_SHIFT
    length = np.hypot(*shifts.T)
    assert set(np.round(length, 6)) == {3.75, 5.0, 6.5}
    assert np.abs(shifts - [3.0, 4.0]).sum(axis=1).min() > 1.0
