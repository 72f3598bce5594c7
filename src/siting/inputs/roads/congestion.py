"""Congestion: how many times longer drives take on a class of road, by the hour of the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import METRES_PER_KM, SECONDS_PER_HOUR, FloatArray
from siting.errors import Fault, InputError
from siting.inputs.roads.tags import FREE_FLOW_KPH
from siting.study import HOURS_OF_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.inputs.roads.table import RoadTable
    from siting.study import Roads

OTHER_CLASSES = "other"
FREE_FLOW = (1.0,) * HOURS_OF_DAY
_LINK = "_link"


@dataclass(frozen=True, kw_only=True)
class Congestion:
    """Congestion at one hour.

    Attributes
    ----------
    hour
        The hour (0 to 23); None where the study states no congestion by hour.
    class_factor
        OSM's highway class to how many times longer a drive takes than at free flow.
    notices
        Which hour was taken where the study names none.
    """

    hour: int | None
    class_factor: Mapping[str, float]
    notices: tuple[Fault, ...] = ()


NO_CONGESTION = Congestion(hour=None, class_factor={})


def build_congestion(spec: Roads, roads: RoadTable, *, hour: int | None) -> Congestion:
    """Build the congestion of an hour.

    Parameters
    ----------
    spec
        The study's roads. A class that ``congestion`` does not name has the factors of the road
        that it is a link of, then those of ``other``, then 1.
    roads
        The roads.
    hour
        The hour (0 to 23); None takes the one at which driving every road once takes longest.

    Raises
    ------
    InputError
        If ``congestion`` names a class that is none.
    """
    if not spec.congestion:
        return NO_CONGESTION
    known = {*FREE_FLOW_KPH, *roads.highway_classes, OTHER_CLASSES}
    unknown = [name for name in spec.congestion if name not in known]
    if unknown:
        raise InputError(
            Fault(
                file="study",
                column="inputs.roads.congestion",
                value=name,
                what="is no class of road",
                remedy=f"give one of {', '.join(sorted(known))}",
            )
            for name in unknown
        )
    factors = np.array([_find_factors(spec.congestion, name) for name in roads.highway_classes])
    notices: tuple[Fault, ...] = ()
    if hour is None:
        hour = int(np.argmax(_free_flow_s(roads) @ factors))
        what = f"no hour is set; drives are those from {hour}:00, the slowest hour of the day"
        notices = (Fault(what=what, remedy="set `hour` in the study to plan for another"),)
    return Congestion(
        hour=hour,
        class_factor=dict(zip(roads.highway_classes, factors[:, hour].tolist(), strict=True)),
        notices=notices,
    )


def _find_factors(congestion: Mapping[str, Sequence[float]], name: str) -> Sequence[float]:
    names = (name, name.removesuffix(_LINK), OTHER_CLASSES)
    return next((congestion[known] for known in names if known in congestion), FREE_FLOW)


def _free_flow_s(roads: RoadTable) -> FloatArray:
    """Return (n_class,) time to drive every road of a class once at free flow."""
    speed_kph = np.maximum(roads.forward_kph, roads.backward_kph)
    metres_per_s = np.maximum(speed_kph, 1.0) * (METRES_PER_KM / SECONDS_PER_HOUR)
    time_s = np.where(speed_kph > 0, roads.length_m / metres_per_s, 0.0)
    classes = len(roads.highway_classes)
    return np.asarray(np.bincount(roads.highway, weights=time_s, minlength=classes), np.float64)
