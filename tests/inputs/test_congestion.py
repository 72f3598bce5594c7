"""Congestion by class of road and hour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siting.case import build_network
from siting.errors import InputError
from siting.inputs.roads import RoadTable
from siting.inputs.roads.congestion import NO_CONGESTION, build_congestion
from siting.study import Roads, parse_study

CLASSES = ("motorway", "primary", "primary_link", "residential")


def roads() -> RoadTable:
    """One road of each class: 10 km of motorway at 100 km/h, 1 km of the others at 30."""
    n = len(CLASSES)
    return RoadTable(
        node_lon_deg=np.zeros(2),
        node_lat_deg=np.zeros(2),
        segment_from=np.zeros(n),
        segment_to=np.ones(n),
        length_m=[10_000.0, 1_000.0, 1_000.0, 1_000.0],
        forward_kph=[100.0, 30.0, 0.0, 30.0],
        backward_kph=[0.0, 30.0, 30.0, 30.0],
        highway=np.arange(n),
        highway_classes=CLASSES,
        shape_start=2 * np.arange(n + 1),
        shape_lon_deg=np.zeros(2 * n),
        shape_lat_deg=np.zeros(2 * n),
        source="test",
    )


def spec(**by_class: dict[str, float] | list[float]) -> Roads:
    return Roads.model_validate({"path": Path("x.npz"), "congestion": by_class})


def test_a_link_follows_its_road_and_other_stands_for_the_rest() -> None:
    stated = spec(primary={"7-9": 2.0}, residential={"7-8": 1.2}, other={"8-9": 1.5})
    assert build_congestion(stated, roads(), hour=8).class_factor == {
        "motorway": 1.5,
        "primary": 2.0,
        "primary_link": 2.0,
        "residential": 1.0,
    }
    named = spec(primary={"7-9": 2.0}, primary_link={"7-9": 3.0})
    assert build_congestion(named, roads(), hour=7).class_factor["primary_link"] == 3.0


def test_without_an_hour_the_slowest_is_taken_and_said() -> None:
    # The motorway takes 6 minutes, each other road 2: half as much again there weighs 3 minutes,
    # twice as much on residential roads 2.
    found = build_congestion(
        spec(motorway={"17-18": 1.5}, residential={"7-8": 2.0}), roads(), hour=None
    )
    assert found.hour == 17
    assert "from 17:00, the slowest hour" in found.notices[0].what
    assert build_congestion(spec(motorway={"1-2": 2.0}), roads(), hour=3).notices == ()


def test_without_congestion_nothing_changes() -> None:
    assert build_congestion(spec(), roads(), hour=None) is NO_CONGESTION


def test_a_class_that_is_none_is_a_fault() -> None:
    with pytest.raises(InputError, match="is no class of road") as caught:
        build_congestion(spec(primry={"7-9": 2.0}, trunk={"7-9": 2.0}), roads(), hour=8)
    assert [fault.value for fault in caught.value.faults] == ["primry"]


STUDY = """
name: toy
title: {en: Toy}
brands: [{id: a, name: A}]
inputs:
  roads: {path: r.npz, congestion_factor: 1.5, congestion: {primary: {7-9: 2, 17-19: 3}}}
  vehicles: {path: v.csv}
  candidates: {source: network}
tiers: [{id: t, name: {en: T}, connectors: 4, power_kw: 120, cost_cny: 1}]
requirements: {budget_cny: 1}
hour: HOUR
"""


@pytest.mark.parametrize(("hour", "factor"), [(8, 3.0), (9, 1.5), (17, 4.5), ("null", 4.5)])
def test_one_number_of_the_study_compares_the_hours(hour: object, factor: float) -> None:
    study = parse_study(STUDY.replace("HOUR", str(hour)), folder=Path())
    network, notices = build_network(study, roads())
    # Free flow takes 360 s on the motorway and 120 s on the others, of which the link is one-way.
    expected_s = [360 * 1.5, 120 * factor, np.inf, 120 * 1.5]
    assert network.segment_forward_s == pytest.approx(expected_s)
    assert network.segment_backward_s[2] == pytest.approx(120 * factor)
    assert len(notices) == (hour == "null")
