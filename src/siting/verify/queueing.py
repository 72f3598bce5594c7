"""A queue played out event by event, many runs side by side; it knows no formula and no plan.

Whoever has come first is served first, by the connector that is free first (Kiefer and Wolfowitz
1955): a car that arrives at a waits until the earliest of the c times at which connectors are free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over independent runs, and between what it lies at the confidence asked."""

    mean: float
    least: float
    most: float


def play_out(gaps_s: Floats, sessions_s: Floats, connectors: Sequence[int]) -> Floats:
    """Return how long every car waits, in runs that begin with all connectors free.

    Parameters
    ----------
    gaps_s, sessions_s
        (n_car, n_run) time since the car before arrived, and time that it takes a connector.
    connectors
        (n_run,) connectors of each run.

    Returns
    -------
    array
        (n_car, n_run) waits in seconds.
    """
    n_car, n_run = gaps_s.shape
    have = np.asarray(connectors)
    # Row k is the (k+1)-th earliest time at which a connector is free; one that is not there never
    # is, and the last row stands for that.
    rows = np.arange(int(have.max(initial=1)) + 1)
    free_s = np.where(rows[:, None] < have, 0.0, np.inf)
    arrival_s = np.zeros(n_run)
    waits_s = np.empty((n_car, n_run))
    for car in range(n_car):
        arrival_s += gaps_s[car]
        begin_s = np.maximum(arrival_s, free_s[0])
        np.subtract(begin_s, arrival_s, out=waits_s[car])
        # The first row's time is taken out and the new one sorted in.
        done_s = begin_s + sessions_s[car]
        np.maximum(free_s[:-1], np.minimum(done_s, free_s[1:]), out=free_s[:-1])
    return waits_s


def find_interval(means: Floats, *, n_each: int, error: float) -> Interval:
    """Return the mean of independent runs, and between what it lies but for a small error.

    Parameters
    ----------
    means
        (n_run,) mean of each run.
    n_each
        Cars in each run.
    error
        Probability that the interval misses, both sides together.

    Returns
    -------
    Interval
        By Student's t, its quantile from the normal one by the first term of its expansion. Where
        no run differs, the score interval of independent cars for a share of nought still holds.
    """
    n_run = means.size
    z = NormalDist().inv_cdf(1.0 - error / 2.0)
    t = z + (z**3 + z) / (4.0 * (n_run - 1))
    mean = float(means.mean())
    half = t * float(means.std(ddof=1)) / math.sqrt(n_run)
    half = max(half, z**2 / (n_run * n_each + z**2))
    return Interval(mean=mean, least=max(0.0, mean - half), most=mean + half)
