"""Whether places lie where their declared datum puts them: judged by how near the roads are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Datum
from siting.inputs.datum import compute_datum_fit, describe_datum_fit, from_wgs84, to_wgs84
from siting.inputs.datum_mix import find_mix, list_shifts
from siting.network.snapping import snap_to_roads

if TYPE_CHECKING:
    import geopandas as gpd

    from siting.domain import FloatArray
    from siting.errors import Fault
    from siting.inputs.datum import DatumFit
    from siting.inputs.datum_mix import DatumMix
    from siting.network.road_network import RoadNetwork

DATUM_CHECK_M = 700.0
MIX_POINTS = 1_000

LonLat = tuple["FloatArray", "FloatArray"]


def check_datum(
    network: RoadNetwork, points: gpd.GeoDataFrame, *, declared: Datum, file: str
) -> Fault | None:
    """Return a notice if a file's points, or part of them, fit markedly better in another datum."""
    return describe_datum_fit(compare_datums(network, points, declared=declared), file=file)


def compare_datums(network: RoadNetwork, points: gpd.GeoDataFrame, *, declared: Datum) -> DatumFit:
    """Compare how near a file's points lie to the roads if they are read under each datum.

    Parameters
    ----------
    network
        The roads.
    points
        Points in WGS-84, as converted from the declared datum.
    declared
        What the study declares.
    """
    as_written = from_wgs84(points.geometry.x, points.geometry.y, declared)
    readings = {datum: to_wgs84(*as_written, datum) for datum in Datum}
    distance_m = {datum: _measure(network, reading) for datum, reading in readings.items()}
    fit = compute_datum_fit(distance_m, declared=declared)
    return replace(fit, mix=_find_strongest_mix(network, readings, declared=declared))


def _find_strongest_mix(
    network: RoadNetwork, readings: dict[Datum, LonLat], *, declared: Datum
) -> DatumMix | None:
    """Return the likeliest mix of the declared datum and another; of many points, a sample's."""
    n_point = readings[declared][0].size
    sample = slice(None, None, max(1, -(-n_point // MIX_POINTS)))
    lon, lat = (axis[sample] for axis in readings[declared])
    narrow = np.cos(np.radians(lat))
    mixes = []
    for other in Datum:
        other_lon, other_lat = (axis[sample] for axis in readings[other])
        east, north = (other_lon - lon) * narrow, other_lat - lat
        if not (east.any() or north.any()):
            continue  # outside China the datums are one
        shifted = [(lon + e / narrow, lat + n) for e, n in list_shifts(east, north)]
        mix = find_mix(
            _measure(network, (lon, lat)),
            _measure(network, (other_lon, other_lat)),
            np.array([_measure(network, reading) for reading in shifted]),
            other=other,
        )
        mixes += [mix] if mix is not None else []
    return max(mixes, key=lambda mix: (mix.is_suspected, mix.margin_z), default=None)


def _measure(network: RoadNetwork, reading: LonLat) -> FloatArray:
    return snap_to_roads(network, *reading, max_distance_m=DATUM_CHECK_M).distance_m
