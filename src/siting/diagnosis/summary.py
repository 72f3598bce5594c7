"""A diagnosis in words, one fact a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.domain import Datum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from siting.diagnosis.figures import Diagnosis
    from siting.inputs.datum import DatumFit


def summarise(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield what a planner reads before believing anything, one fact a line."""
    case, instance = diagnosis.case, diagnosis.case.instance
    study, unit = case.study, case.study.facility.unit_in_words
    yield f"study       {study.name}: {study.title.en}"
    for row in _rows(diagnosis.files):
        made = ", illustrative" if row.illustrative else ""
        yield f"read        {row.holds}: {row.file}, {row.entries:,} entries, {row.datum}{made}"
    for row in _rows(diagnosis.roads):
        if row.streets:
            parts = f" in {row.components:,} parts" if row.components > 1 else ""
            yield (
                f"roads       {_words(row.state)}: {row.streets:,} streets, {row.km:,.1f} km"
                f"{parts}, {row.one_way_km:,.1f} km one-way"
            )
    for row in _rows(diagnosis.brands):
        yield (
            f"brand       {row.brand}: {row.vehicles_read:,.12g} vehicles read, "
            f"{row.vehicles_placed:,.12g} placed, {row.kwh_per_day:,.0f} {unit}; "
            f"{row.unreachable_vehicles:,.12g} vehicles out of reach"
        )
    fates = ", ".join(f"{n:,} {_words(fate)}" for fate, n in diagnosis.stations.items())
    yield f"stations    {fates}"
    capacity_kwh = instance.station_capacity_kwh_per_day.sum()
    yield f"capacity    {capacity_kwh:,.0f} {unit} at the promised wait, of standing stations"
    yield f"candidates  {_listed(diagnosis.candidates.items())}"
    for row in _rows(diagnosis.snaps):
        yield f"to the road {_describe_snap(row, far_m=diagnosis.far_m)}"
    cutoff = f"{study.access.cutoff_minutes:g} minutes"
    yield f"reach       {instance.n_pair:,} pairs within {cutoff}"
    lost = diagnosis.unreachable
    yield (
        f"unreachable {lost['points'].sum():,} points, {lost['vehicles'].sum():,.12g} vehicles, "
        f"{lost['kwh_per_day'].sum():,.0f} {unit}"
        + "".join(f"; {n:,} {why}" for why, n in zip(lost["reason"], lost["points"], strict=True))
    )
    for file, fit in diagnosis.datum_fits.items():
        yield f"datum       {file}: {_describe_fit(fit)}"
    if study.illustrative_note is not None:
        yield f"made data   {study.illustrative_note.en}"
    yield from (f"notice      {notice}" for notice in case.notices)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples(index=False)


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _listed(counts: Iterable[tuple[object, int]]) -> str:
    return "; ".join(f"{n:,} {name}" for name, n in counts)


def _describe_snap(row: Any, *, far_m: float) -> str:  # noqa: ANN401 - a row of `snaps`
    if row.points == row.off_road:
        return f"{row.what}: none of {row.points:,} points is near a road"
    return (
        f"{row.what}: median {row.median_m:,.0f} m, 90 % within {row.p90_m:,.0f} m, "
        f"farthest {row.max_m:,.0f} m; {row.far:,} beyond {far_m:g} m, "
        f"{row.off_road:,} near no road, of {row.points:,}"
    )


def _describe_fit(fit: DatumFit) -> str:
    if not fit.compared:
        return f"declared {fit.declared.value}; no point is near enough to the roads to compare"
    figures = ", ".join(f"{fit.p90_m[datum]:,.0f} m as {datum.value}" for datum in Datum)
    if fit.better is not None:
        verdict = f"looks like {fit.better}"
    elif fit.mix is not None and fit.mix.is_suspected:
        verdict = f"about {fit.mix.share:.0%} look like {fit.mix.other}"
    else:
        verdict = "nothing speaks against it"
        if fit.mix is not None:
            verdict += f" (up to {fit.mix.unseen_share:.0%} in {fit.mix.other} would go unseen)"
    return (
        f"declared {fit.declared.value}, {verdict}; of {fit.compared:,} points "
        f"90 % lie within {figures} of a road"
    )
