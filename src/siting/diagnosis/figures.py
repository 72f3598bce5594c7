"""The figures of a diagnosis, as tables; whoever shows one shows these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.diagnosis.places import RoadState
from siting.diagnosis.summary import summarise
from siting.domain import METRES_PER_KM, Datum, FloatArray
from siting.inputs.candidates import count_reasons
from siting.notebook import show_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from siting.case import SitingCase, StudyInputs, Survey
    from siting.diagnosis.places import RoadCheck, RoadPoints
    from siting.inputs.datum import DatumFit

KEPT = "kept"


@dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis:
    """What is known of a study's inputs before anything is solved.

    Attributes
    ----------
    inputs, survey, case
        What was read, what was placed and measured, and what the solver would see.
    roads_check
        How the roads hang together.
    demand_on_road, sites_on_road, stations_on_road
        Where the case's demand, candidates and standing stations meet the roads.
    datum_fits
        By file, how near its points lie to the roads under each datum; only files of places that
        stand beside roads.
    far_m
        Points farther than this from their road are counted as far.
    """

    inputs: StudyInputs
    survey: Survey
    case: SitingCase
    roads_check: RoadCheck
    demand_on_road: RoadPoints
    sites_on_road: RoadPoints
    stations_on_road: RoadPoints
    datum_fits: Mapping[str, DatumFit]
    far_m: float

    @cached_property
    def files(self) -> pd.DataFrame:
        """Every file: what it holds, its name, datum, number of entries, whether it is made."""
        rows = list(_list_files(self.inputs, self.survey))
        return pd.DataFrame(rows, columns=["holds", "file", "datum", "entries", "illustrative"])

    @cached_property
    def roads(self) -> pd.DataFrame:
        """Streets, their kilometres and those that are one-way, by how they hang together."""
        check, length_m = self.roads_check, self.inputs.roads.length_m
        rows = []
        for state in RoadState:
            here = (check.state == state) & check.counts_once
            rows.append(
                {
                    "state": state.name.lower(),
                    "streets": int(here.sum()),
                    "km": float(length_m[here].sum() / METRES_PER_KM),
                    "one_way_km": float(length_m[here & check.one_way].sum() / METRES_PER_KM),
                    "components": len(np.unique(check.component[here])),
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def brands(self) -> pd.DataFrame:
        """Vehicles read and placed, energy wanted, and what of it nothing reaches, by brand."""
        demand, survey = self.case.demand, self.survey.demand
        lost = demand["demand_id"].isin(self.case.unreachable["demand_id"]).to_numpy(dtype=bool)
        kwh = self.case.instance.demand_kwh_per_day
        return pd.DataFrame(
            {
                "brand": brand,
                "vehicles_read": survey.vehicles_read[brand],
                "vehicles_placed": survey.vehicles_placed[brand],
                "unreachable_vehicles": math.fsum(demand.loc[lost, f"vehicles_{brand}"]),
                "kwh_per_day": math.fsum(kwh[:, b]),
                "unreachable_kwh_per_day": math.fsum(kwh[lost, b]),
            }
            for b, brand in enumerate(self.case.instance.brands)
        )

    @cached_property
    def stations(self) -> pd.Series[int]:
        """What became of the stations: read − merged − planned or closed = standing."""
        fates = self.survey.station_fates
        within = fates.merges["within_feed"].astype(bool)
        return pd.Series(
            {
                "read": sum(len(table.frame) for table in self.inputs.stations),
                "merged_between_files": int((~within).sum()),
                "merged_within_a_file": int(within.sum()),
                "planned_or_closed": len(fates.left_out),
                "standing": len(fates.standing),
                "doubtful_pairs_kept_apart": len(fates.doubtful),
            },
            name="stations",
        )

    @cached_property
    def candidates(self) -> pd.Series[int]:
        """Candidates kept, and left out by reason, most first."""
        return pd.Series(
            {KEPT: len(self.case.candidates)} | count_reasons(self.case.excluded_candidates),
            name="candidates",
        )

    @cached_property
    def snaps(self) -> pd.DataFrame:
        """How far points stand from their road (m): quantiles, and how many are far or off."""
        points = {
            "demand": self.demand_on_road,
            "candidates": self.sites_on_road,
            "stations": self.stations_on_road,
        }
        return pd.DataFrame(
            {"what": what, **_summarise_distances(where.distance_m, far_m=self.far_m)}
            for what, where in points.items()
        )

    @cached_property
    def unreachable(self) -> pd.DataFrame:
        """Demand that nothing reaches: points, vehicles and energy by reason, most energy first."""
        lost = self.case.unreachable
        columns = [f"vehicles_{brand}" for brand in self.case.instance.brands]
        vehicles = self.case.demand.set_index("demand_id")[columns].sum(axis=1)
        table = pd.DataFrame(
            {
                "reason": lost["reason"].astype("str"),
                "points": 1,
                "vehicles": vehicles.reindex(lost["demand_id"]).to_numpy(),
                "kwh_per_day": lost["kwh_per_day"],
            }
        )
        sums = table.groupby("reason", as_index=False).sum()
        order = ["kwh_per_day", "reason"]
        return sums.sort_values(order, ascending=[False, True]).reset_index(drop=True)

    @cached_property
    def datums(self) -> pd.DataFrame:
        """By file, how near its points lie to the roads as declared and under each other datum."""
        return pd.DataFrame(
            {
                "file": file,
                "declared": fit.declared.value,
                "suspected": "" if fit.suspected is None else fit.suspected.value,
                "suspected_share": 0.0
                if fit.suspected is None or fit.mix is None
                else fit.mix.share,
                "unseen_share": np.nan if fit.mix is None else fit.mix.unseen_share,
                "compared": fit.compared,
                **{f"median_m_{datum}": fit.median_m[datum] for datum in Datum},
                **{f"p90_m_{datum}": fit.p90_m[datum] for datum in Datum},
            }
            for file, fit in self.datum_fits.items()
        )

    def summary_lines(self) -> list[str]:
        """Return what a planner reads before believing anything, one fact a line."""
        return list(summarise(self))

    def _repr_html_(self) -> str:
        """Return the figures as tables, for a notebook."""
        tables = {
            "Files": self.files,
            "Brands": self.brands,
            "Roads": self.roads,
            "Stations": self.stations.to_frame(),
            "Candidates": self.candidates.to_frame(),
            "Distance to the road (m)": self.snaps,
            "Demand out of reach": self.unreachable,
            "Datum": self.datums,
            "Notices": pd.DataFrame({"notice": [str(notice) for notice in self.case.notices]}),
        }
        return show_tables(tables)


def _list_files(inputs: StudyInputs, survey: Survey) -> Iterator[tuple[str, str, str, int, bool]]:
    """Yield what each file holds, its name, its datum, its entries, and whether it is made."""
    files = inputs.study.inputs
    wgs84 = Datum.WGS84.value
    roads = files.roads.place or "" if files.roads.path is None else files.roads.path.name
    yield "roads", roads, wgs84, inputs.roads.n_segment, False
    vehicles = files.vehicles
    n_zone = len(inputs.vehicles.frame)
    made = inputs.vehicles.illustrative
    yield "vehicles", vehicles.file_name, vehicles.datum.value, n_zone, made
    for holds, layer, read in (
        ("population", files.population, inputs.population),
        ("water", files.water, inputs.water),
    ):
        if layer is not None and read is not None:
            yield holds, layer.path.name, layer.datum.value, len(read.frame), False
    for table, spec in zip(inputs.stations, files.stations, strict=True):
        made = spec.illustrative or bool(table.frame["illustrative"].any())
        yield "stations", spec.path.name, spec.datum.value, len(table.frame), made
    candidates, found = files.candidates, survey.candidates
    name = candidates.source.value if candidates.path is None else candidates.path.name
    made = bool(found.frame["illustrative"].any())
    n_candidate = len(found.frame) + len(found.excluded)
    yield "candidates", name, candidates.datum.value, n_candidate, made
    if candidates.exclusions is not None and found.exclusion_areas is not None:
        n_area = len(found.exclusion_areas)
        yield "exclusions", candidates.exclusions.name, candidates.datum.value, n_area, False
    if files.districts is not None and inputs.districts is not None:
        n_district = len(inputs.districts.frame)
        yield "districts", files.districts.path.name, files.districts.datum.value, n_district, False


def _summarise_distances(distance_m: FloatArray, *, far_m: float) -> dict[str, float]:
    near = distance_m[np.isfinite(distance_m)]
    quantiles = {"median_m": 0.5, "p90_m": 0.9, "p99_m": 0.99, "max_m": 1.0}
    return {
        "points": distance_m.size,
        "off_road": distance_m.size - near.size,
        "far": int((near > far_m).sum()),
        **{
            name: float(np.quantile(near, share)) if near.size else math.nan
            for name, share in quantiles.items()
        },
    }
