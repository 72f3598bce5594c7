"""The illustrative national case reads, says that it is illustrative, and is proven (slow)."""

from __future__ import annotations

from pathlib import Path

import pytest

from siting.corridors.build import build_corridors
from siting.domain import SolveStatus
from siting.pipeline import build_case, read_inputs, read_study, solve_case

STUDY = Path(__file__).resolve().parents[2] / "data" / "china" / "study.yaml"


def test_every_trip_has_its_path_and_sites_on_it() -> None:
    case = build_case(read_inputs(read_study(STUDY)))
    assert case.illustrative
    assert case.trips is not None
    corridors = build_corridors(case, case.trips)
    trips = corridors.instance
    assert corridors.notices == ()
    assert len(case.trips.frame) == 308
    assert trips.n_trip == 2 * 308  # two fleets: 380 and 450 km
    # Ways back are ways there turned round, and a site stands at either end of each.
    assert (trips.tour_m == 2 * trips.there_m).all()
    first, last = trips.stop_start[:-1], trips.stop_start[1:] - 1
    assert (trips.stop_m[first] == 0).all()
    assert (trips.stop_m[last] == trips.tour_m).all()


@pytest.mark.slow
def test_the_case_is_proven_and_every_covered_trip_is_driven() -> None:
    plan = solve_case(build_case(read_inputs(read_study(STUDY))))
    assert plan.solve.status is SolveStatus.OPTIMAL
    assert plan.joint.evaluation.violations == ()
