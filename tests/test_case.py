"""What a case knows before anything is solved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from siting.inputs.roads import read_compact_roads, write_compact_roads
from siting.pipeline import build_case, read_inputs, read_study

if TYPE_CHECKING:
    from pathlib import Path


def test_unreachable_demand_is_told_why(study_path: Path) -> None:
    # All traffic on the toy road runs west: home lies behind every site. From shop it is 1.5 min to
    # WEST; the old station is gone.
    roads = study_path.with_name("roads.npz")
    write_compact_roads(replace(read_compact_roads(roads), forward_kph=np.zeros(4)), roads)
    study = study_path.read_text(encoding="utf-8")
    study = study.replace("  stations: [{path: stations.csv}]\n", "")
    study_path.write_text(study.replace("cutoff_minutes: 2.5", "cutoff_minutes: 1.4"), "utf-8")
    case = build_case(read_inputs(read_study(study_path)))
    assert dict(zip(case.unreachable["demand_id"], case.unreachable["reason"], strict=True)) == {
        "home": "on a one-way trap",
        "shop": "nothing within the cutoff",
        "farm": "no road near",
    }
