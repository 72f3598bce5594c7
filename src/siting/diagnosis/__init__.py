"""The diagnosis: what a planner checks before believing anything that comes of the inputs.

Nothing is solved. What was read, merged and left out; where points meet the roads and how far
that is; what nothing reaches, and why; whether a file's datum looks wrong; totals by brand. The
printed summary, a notebook's tables and the diagnostic map all show these same figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.case import (
    build_case,
    build_network,
    list_point_files,
    survey_city,
)
from siting.diagnosis.figures import Diagnosis
from siting.diagnosis.places import (
    RoadCheck,
    RoadPoints,
    RoadState,
    check_roads,
    locate_on_roads,
)
from siting.domain import Stage, ignore_stage
from siting.network.datum_check import compare_datums

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.case import StudyInputs

__all__ = ["Diagnosis", "RoadCheck", "RoadPoints", "RoadState", "diagnose"]

FAR_FROM_ROAD_M = 100.0
"""Points farther than this from their road are worth a look."""


def diagnose(
    inputs: StudyInputs,
    *,
    far_m: float = FAR_FROM_ROAD_M,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> Diagnosis:
    """Check a study's inputs: place, merge and measure everything, solve nothing.

    Parameters
    ----------
    inputs
        What the study's files hold.
    far_m
        Points farther than this from their road are counted, and drawn, as far (m).
    on_stage
        Told of each stage as it begins.

    Raises
    ------
    StudyError
        If the study names sites, districts or groups that do not exist.
    InputError
        If no candidate can be found.
    """
    survey = survey_city(inputs, on_stage=on_stage)
    case = build_case(inputs, survey=survey, on_stage=on_stage)
    on_stage(Stage.BUILD_NETWORK)
    study = inputs.study
    network, _ = build_network(study, inputs.roads)
    demand, sites, stations = (
        locate_on_roads(network, frame, max_distance_m=study.access.max_snap_m)
        for frame in (case.demand, case.candidates, case.stations)
    )
    return Diagnosis(
        inputs=inputs,
        survey=survey,
        case=case,
        roads_check=check_roads(inputs.roads, network),
        demand_on_road=demand,
        sites_on_road=sites,
        stations_on_road=stations,
        datum_fits={
            file: compare_datums(network, points, declared=datum)
            for file, datum, points in list_point_files(inputs, survey.candidates)
            if len(points)
        },
        far_m=far_m,
    )
