"""Whether part of a file is in another datum than the rest: what share, and how sure.

Points lie near roads in the datum they are in, and anywhere in any other. So a file is read once as
declared, once as the other datum would have it, and many times shifted as far the other way: in
those readings no point is right, and they say how near to roads chance alone brings this file's
points in these streets. With closeness h(d) = exp(−d/20 m), its mean over points that are right F
and over points shifted by chance c₀, a file of which a share π is in the other datum has

    mean as declared  = π c₀ + (1 − π) F,    mean as the other = (1 − π) c₀ + π F,

so π = (other − c₀) / (other + declared − 2 c₀), whatever F is. How much the means of the shifted
readings differ among themselves is the noise that the other reading must stand out from. Where
right points lie hardly nearer to roads than shifted ones, as car parks inside blocks do, there is
nothing to tell a mix by, and what would go unseen says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.domain import Datum, FloatArray

CLOSE_M = 20.0
LEAST_Z, LEAST_MARGIN_Z, LEAST_SHARE = 5.0, 1.0, 0.05
LEAST_POINTS = 30
N_DIRECTION = 8
LENGTHS = (0.75, 1.0, 1.3)


@dataclass(frozen=True, kw_only=True)
class DatumMix:
    """How much of a file looks as if it were in another datum.

    Attributes
    ----------
    other
        The datum that part of the file may be in.
    compared
        Number of points that were compared.
    share
        That part (0 to 1), as estimated.
    error
        The standard error of the share; infinite where the roads cannot tell the datums apart.
    margin_z
        By how many standard errors the reading lies nearer to roads than every shifted one.
    """

    other: Datum
    compared: int
    share: float
    error: float
    margin_z: float

    @property
    def unseen_share(self) -> float:
        """The part that could be in the other datum without being suspected (0 to 1)."""
        return min(1.0, max(LEAST_SHARE, LEAST_Z * self.error))

    @property
    def is_suspected(self) -> bool:
        """Whether chance cannot explain it."""
        seen = self.share >= self.unseen_share and self.error < 1 / LEAST_Z
        return seen and self.margin_z >= LEAST_MARGIN_Z


def list_shifts(east: FloatArray, north: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield shifts of about the length of a given one, in all directions but its own.

    Parameters
    ----------
    east, north
        (n_point,) the shift that another datum means, in a plane's unit of length.
    """
    for length in LENGTHS:
        for turn in np.arange(N_DIRECTION) * (2 * np.pi / N_DIRECTION):
            if turn or length != 1.0:
                cos, sin = length * np.cos(turn), length * np.sin(turn)
                yield east * cos - north * sin, east * sin + north * cos


def find_mix(
    declared_m: FloatArray,
    other_m: FloatArray,
    shifted_m: FloatArray,
    *,
    other: Datum,
    off_network_m: float = 600.0,
) -> DatumMix | None:
    """Estimate what share of a file is in another datum; None if too few points can be compared.

    Parameters
    ----------
    declared_m, other_m
        (n_point,) distances to the nearest road, read as declared and as the other datum (m).
    shifted_m
        (n_shift, n_point) the same for the shifted readings.
    other
        The other datum.
    off_network_m
        Points farther than this in any reading say nothing and are left out (m).
    """
    readings = np.vstack([declared_m, other_m, shifted_m])
    near = (readings < off_network_m).all(axis=0)
    compared = int(near.sum())
    if compared < LEAST_POINTS:
        return None
    as_declared, as_other, *by_chance = np.exp(-readings[:, near] / CLOSE_M).mean(axis=1)
    chance, noise = np.mean(by_chance), np.std(by_chance, ddof=1)
    right = max(0.0, float(as_declared + as_other - 2 * chance))
    told = right > 0 and noise > 0
    return DatumMix(
        other=other,
        compared=compared,
        share=float(np.clip((as_other - chance) / right, 0.0, 1.0)) if told else 0.0,
        error=float(noise / right) if told else np.inf,
        margin_z=float((as_other - max(by_chance)) / noise) if told else 0.0,
    )
