"""One study of a batch, run in this process; what it read of a city is kept for the next."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from siting.batch.records import (
    STATE_FOLDER,
    Figures,
    Outcome,
    StudyRecord,
    compute_digest,
    find_done,
    hash_manifest,
    write_record,
)
from siting.batch.surveys import share_inputs, share_survey
from siting.case import build_case, survey_key
from siting.errors import ExitCode, SitingError
from siting.pipeline import hash_inputs, read_study, solve_case, write_outputs

if TYPE_CHECKING:
    from pathlib import Path

    from siting.batch.jobs import StudyJob
    from siting.case import StudyInputs, Survey
    from siting.plan import SitingPlan
    from siting.study import Study

OUTCOME_OF_EXIT = {
    ExitCode.INFEASIBLE: Outcome.INFEASIBLE,
    ExitCode.NO_PLAN: Outcome.NO_PLAN,
    ExitCode.BAD_INPUT: Outcome.BAD_INPUT,
}


class StudyWorker:
    """Runs studies one after the other, and remembers the last city's inputs and survey."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inputs: tuple[str, StudyInputs] | None = None
        self._survey: tuple[str, Survey] | None = None

    def run(self, job: StudyJob) -> StudyRecord:
        """Run a study, or find it done; what became of it is kept before this returns."""
        started_s = time.perf_counter()
        digest = ""
        try:
            study = read_study(job.study_path, changes=dict(job.changes))
            input_sha256 = hash_inputs(study)
            digest = compute_digest(study, input_sha256)
            done = find_done(job.name, digest, self._folder)
            if done is not None:
                return replace(done, reused=True)
            plan = self._plan(study, input_sha256)
            write_outputs(plan, self._folder / job.name)
            record = StudyRecord(
                name=job.name,
                outcome=Outcome.PLANNED,
                digest=digest,
                figures=compute_figures(plan),
                manifest_sha256=hash_manifest(job.name, self._folder),
            )
        except SitingError as error:
            record = StudyRecord(
                name=job.name,
                outcome=OUTCOME_OF_EXIT.get(error.exit_code, Outcome.FAILED),
                digest=digest,
                reasons=tuple(str(fault) for fault in error.faults),
            )
        record = replace(record, wall_s=time.perf_counter() - started_s)
        write_record(record, self._folder)
        return record

    def _plan(self, study: Study, input_sha256: dict[str, str]) -> SitingPlan:
        inputs = self._read(study, input_sha256)
        key = survey_key(inputs)
        if self._survey is None or self._survey[0] != key:
            self._survey = None  # two cities at once need not fit in memory
            self._survey = key, share_survey(inputs, self._folder / STATE_FOLDER / "surveys")
        return solve_case(build_case(inputs, survey=self._survey[1]))

    def _read(self, study: Study, input_sha256: dict[str, str]) -> StudyInputs:
        brands = [brand.id for brand in study.brands]
        key = f"{input_sha256} {study.inputs.model_dump_json()} {brands}"
        if self._inputs is None or self._inputs[0] != key:
            self._inputs = self._survey = None
            self._inputs = key, share_inputs(study, self._folder / STATE_FOLDER / "roads")
        return replace(self._inputs[1], study=study)


def compute_figures(plan: SitingPlan) -> Figures:
    """Return what a plan comes to, for the batch's table."""
    wanted = float(plan.case.instance.demand_kwh_per_day.sum())
    share = [
        float(state.evaluation.served_kwh_per_day.sum()) / wanted if wanted > 0 else 0.0
        for state in (plan.today, plan.unified, plan.joint)
    ]
    return Figures(
        status=plan.solve.status.value,
        gap=plan.solve.gap,
        objective_kwh_per_day=plan.solve.objective,
        bound_kwh_per_day=plan.solve.bound,
        n_sites=len(plan.sites),
        cost_cny=plan.joint.evaluation.cost_cny,
        budget_cny=plan.case.instance.requirements.budget_cny,
        share_today=share[0],
        share_unified=share[1],
        share_planned=share[2],
        illustrative=plan.case.illustrative,
    )
