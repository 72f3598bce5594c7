"""Kill a batch with SIGKILL at random moments, again and again, and look at what is left each time.

Run as `python killed_batch.py STUDY FOLDER KILLS SEED`; prints JSON: how often it was killed and
what was wrong. Children are forked from a process that has imported siting and run nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from siting.batch.jobs import StudyJob
from siting.batch.records import Outcome, read_record
from siting.batch.run import hold_batch
from siting.batch.tables import write_tables
from siting.batch.work import StudyWorker

N_STUDY = 6
LONGEST_S = 0.8


def list_jobs(study: Path) -> list[StudyJob]:
    budgets = [("requirements.budget_cny", str(1e5 * k)) for k in range(N_STUDY)]
    return [
        StudyJob(name=f"s{k}", study_path=study, changes=(budget,))
        for k, budget in enumerate(budgets)
    ]


def run_whole(jobs: list[StudyJob], out: Path) -> None:
    """Run every study in this process, as a worker of a batch does."""
    with hold_batch(out):
        worker = StudyWorker(out)
        records = {job.name: worker.run(job) for job in jobs}
        write_tables(jobs, records, out)


def hash_outputs(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a study's outputs."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def find_torn(jobs: list[StudyJob], out: Path, whole: dict[str, dict[str, str]]) -> list[str]:
    """Return the studies whose outputs or records are there and not what they should be."""
    torn = []
    for job in jobs:
        folder, record = out / job.name, out / ".batch" / "records" / f"{job.name}.json"
        if folder.exists() and hash_outputs(folder) != whole[job.name]:
            torn.append(f"outputs of {job.name}")
        if record.exists():
            told = read_record(job.name, out)
            if told is None or told.outcome is not Outcome.PLANNED:
                torn.append(f"record of {job.name}")
    return torn


def fork(jobs: list[StudyJob], out: Path) -> int:
    child = os.fork()
    if child == 0:
        try:
            run_whole(jobs, out)
        except BaseException as error:  # noqa: BLE001 - the parent shall see it
            print(repr(error), file=sys.stderr, flush=True)  # noqa: T201 - it is the answer
            os._exit(1)
        os._exit(0)
    return child


def main(study: Path, folder: Path, n_kill: int, seed: int) -> None:
    """Kill until it was done often enough; a batch that got to its end begins anew."""
    jobs, rng = list_jobs(study), random.Random(seed)  # noqa: S311 - moments, not secrets
    out, wrong = folder / "out", []
    assert os.waitpid(fork(jobs, folder / "whole"), 0)[1] == 0
    whole = {job.name: hash_outputs(folder / "whole" / job.name) for job in jobs}
    killed = finished = 0
    while killed < n_kill:
        before = len(list(out.glob(".batch/records/*.json")))
        child = fork(jobs, out)
        time.sleep(rng.uniform(0, LONGEST_S))
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            killed += 1
        wrong += find_torn(jobs, out, whole)
        if len(list(out.glob(".batch/records/*.json"))) < before:
            wrong.append("work that was done is lost")
        if ended:
            finished += 1
            if status or any(not (out / job.name).exists() for job in jobs):
                wrong.append(f"a run after kills ended with {status}")
            if (out / "batch.csv").read_bytes() != (folder / "whole" / "batch.csv").read_bytes():
                wrong.append("batch.csv differs")
            shutil.rmtree(out)
    print(json.dumps({"killed": killed, "finished": finished, "wrong": wrong}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
