"""The diagnostic map's payload: the diagnosis' own figures, and every place where it stands."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.diagnosis import Diagnosis, diagnose
from siting.outputs.check_payload import build_check_payload
from siting.outputs.map import render_check_map
from siting.pipeline import read_inputs, read_study

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def diagnosis(troubled_study_path: Path) -> Diagnosis:
    return diagnose(read_inputs(read_study(troubled_study_path)))


@pytest.fixture
def payload(diagnosis: Diagnosis) -> dict[str, Any]:
    built: dict[str, Any] = json.loads(json.dumps(build_check_payload(diagnosis), allow_nan=False))
    return built


def unpack(text: str) -> list[int]:
    values, value, shift = [], 0, 0
    for octet in base64.b64decode(text):
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            values.append((value >> 1) ^ -(value & 1))
            value = shift = 0
    return values


def unpack_points(packed: dict[str, Any]) -> np.ndarray:
    return np.cumsum(np.array(unpack(packed["steps"])).reshape(-1, 2), axis=0)


def test_the_figures_are_the_diagnosis_own(payload: dict[str, Any], diagnosis: Diagnosis) -> None:
    figures = payload["figures"]
    for name in ("files", "roads", "brands", "snaps", "unreachable", "datums"):
        table = getattr(diagnosis, name)
        assert [list(row) for row in figures[name]] == [list(table.columns)] * len(table), name
    assert figures["brands"][0]["vehicles_read"] == 71
    assert figures["stations"] == diagnosis.stations.to_dict()
    assert dict(map(tuple, figures["candidates"])) == diagnosis.candidates.to_dict()
    assert payload["notices"] == [str(notice) for notice in diagnosis.case.notices]


def test_demand_has_its_row_its_vehicles_and_its_reason(payload: dict[str, Any]) -> None:
    demand = payload["demand"]
    assert demand["id"] == ["home", "field", "east", "trap", "island", "farm"]
    assert unpack(demand["row"]) == [1, 2, 3, 4, 5, 6]
    ant = np.array(unpack(demand["vehicles"][0])) * demand["vehicle_step"]
    assert ant.tolist() == [60, 5, 3, 2, 0, 1]
    assert [demand["reasons"][code] for code in unpack(demand["reason"])] == [
        *("", "", "nothing within the cutoff", "on a one-way trap"),
        *("on roads cut off from the network", "no road near"),
    ]
    assert demand["to_road_m"] == [0, 150, 0, 0, 0, -1]
    # The farm meets no road; the others do, the field 150 m straight below (Mercator: / cos 30.6°).
    assert unpack(demand["on_road"]) == [0, 1, 2, 3, 4]
    field, foot = unpack_points(demand["point"])[1], unpack_points(demand["road_point"])[1]
    assert (field - foot).tolist() == pytest.approx([0, 150 / np.cos(np.radians(30.6))], abs=1.5)


def test_stations_left_out_and_candidates_left_out_come_last(payload: dict[str, Any]) -> None:
    stations, candidates = payload["stations"], payload["candidates"]
    assert stations["id"] == ["old", "new"]
    assert stations["stands"] == [True, False]
    assert stations["source_ids"][0] == "stations:old;more:twin"
    # Nobody asked how far a planned station is from its road.
    assert stations["to_road_m"] == [0, None]
    assert candidates["id"] == ["WEST", "DUMP", "NEAR"]
    assert unpack(candidates["row"]) == [1, 2, 3]
    assert payload["exclusions"]["id"] == ["Lake <b>"]


def test_a_merge_joins_the_places_of_its_two_sources(payload: dict[str, Any]) -> None:
    merges = payload["merges"]
    assert (merges["kept"], merges["merged"]) == (["stations:old"], ["more:twin"])
    apart = unpack_points(merges["other"]) - unpack_points(merges["point"])
    assert apart.ravel().tolist() == pytest.approx([0, 5 / np.cos(np.radians(30.6))], abs=1.5)
    assert payload["doubtful"]["id"] == []


def test_a_one_way_trap_runs_with_its_traffic(payload: dict[str, Any]) -> None:
    roads = payload["roads"]
    assert [roads[name]["n"] for name in ("one_way", "one_way_trap", "other_component")] == [
        0,
        1,
        1,
    ]
    start, end = unpack_points(roads["one_way_trap"])
    assert end[0] > start[0]
    assert sum(rank["n"] for rank in roads["main"]) == 1


def test_the_same_study_gives_the_same_bytes(troubled_study_path: Path) -> None:
    pages = [
        render_check_map(diagnose(read_inputs(read_study(troubled_study_path)))) for _ in range(2)
    ]
    assert pages[0] == pages[1]
    assert str(troubled_study_path.parent) not in pages[0]
