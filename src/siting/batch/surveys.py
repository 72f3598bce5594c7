"""Roads and road access kept on disk, so that scenarios of a city never work them out twice.

One ``.npz`` each, named by the hash of all that it depends on, and read without pickles.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from siting.apart import capped, find_caps
from siting.case import RoadAccess, Survey, survey_city, survey_key
from siting.domain import Direction
from siting.errors import Fault
from siting.network.travel_time import TravelTimes
from siting.outputs.files import sha256
from siting.pipeline import list_files, read_inputs
from siting.storage import lock_mode, make_folder, write_file

if TYPE_CHECKING:
    from pathlib import Path

    from siting.case import StudyInputs
    from siting.study import Study


def share_inputs(study: Study, folder: Path) -> StudyInputs:
    """Return what a study's files hold; roads that are slow to read are read by who asks first.

    Parameters
    ----------
    study
        What is asked.
    folder
        Where roads are kept; shared by all who may ask.
    """
    make_folder(folder)
    key = sha256(study.inputs.roads.model_dump_json().encode())
    caps = find_caps(list_files(study))
    # This process is a child already, so the caps are put on itself.
    with FileLock(folder / f"{key}.lock", mode=lock_mode()), capped(caps, name=study.name):
        return read_inputs(study, cache_folder=folder)


def share_survey(inputs: StudyInputs, folder: Path) -> Survey:
    """Return a study's survey; its road access is measured by whoever asks for it first.

    Parameters
    ----------
    inputs
        What the study's files hold.
    folder
        Where surveys are kept; shared by all who may ask.
    """
    make_folder(folder)
    path = folder / f"{survey_key(inputs)}.npz"
    # The second who asks waits for the first.
    with FileLock(path.with_suffix(".lock"), mode=lock_mode()):
        access = read_access(path)
        survey = survey_city(inputs, access=access)
        if access is None:
            write_access(survey.access, path)
    return survey


def write_access(access: RoadAccess, path: Path) -> None:
    """Write road access, complete or not at all."""
    stream = io.BytesIO()
    times = access.times
    np.savez(
        stream,
        start=times.start,
        site=times.site,
        time_s=times.time_s,
        reach=access.demand_reach,
        about=np.frombuffer(
            json.dumps(
                {
                    "n_site": times.n_site,
                    "cutoff_s": times.cutoff_s,
                    "direction": times.direction.value,
                    "notices": [asdict(notice) for notice in access.notices],
                }
            ).encode(),
            dtype=np.uint8,
        ),
    )
    write_file(path, stream.getvalue())


def read_access(path: Path) -> RoadAccess | None:
    """Return the road access kept in a file; None if there is none that is whole."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            about = json.loads(kept["about"].tobytes())
            return RoadAccess(
                times=TravelTimes(
                    start=kept["start"],
                    site=kept["site"],
                    time_s=kept["time_s"],
                    n_site=about["n_site"],
                    cutoff_s=about["cutoff_s"],
                    direction=Direction(about["direction"]),
                ),
                demand_reach=kept["reach"],
                notices=tuple(Fault(**notice) for notice in about["notices"]),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
