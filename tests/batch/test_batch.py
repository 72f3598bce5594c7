"""Many studies: what is run, what is not run again, and that one that fails fails alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from siting.batch import child, surveys
from siting.batch.child import StudyProcess
from siting.batch.jobs import StudyJob, job_from_json, read_jobs
from siting.batch.records import Outcome, StudyRecord, find_done, read_record
from siting.batch.run import Queue, hold_batch, run_batch
from siting.batch.tables import build_table, render_index
from siting.batch.work import StudyWorker
from siting.cli import app
from siting.errors import ExitCode, OutputError, StudyError
from siting.network import road_network
from siting.pipeline import read_inputs, read_study

PLANNED = "plan.json"


def job(study_path: Path, name: str = "one", **changes: str) -> StudyJob:
    keys = tuple((key.replace("__", "."), value) for key, value in changes.items())
    return StudyJob(name=name, study_path=study_path, changes=keys)


def write_table(folder: Path, text: str) -> Path:
    path = folder / "scenarios.csv"
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------- what to run


def test_files_folders_and_tables_are_read_in_order(study_path: Path) -> None:
    folder = study_path.parent
    (folder / "wuhan").mkdir()
    (folder / "wuhan" / "study.yaml").touch()
    (folder / "wuhan" / "study_rich.yaml").touch()
    (folder / "wuhan" / "feeds.yaml").touch()
    table = write_table(
        folder,
        "study,name,requirements.budget_cny,brands.ant.floor\nstudy.yaml,poor,1e5,\n\n"
        "study.yaml,fair,,0.9\n",
    )
    found = read_jobs([table, folder / "wuhan"])
    assert [(found_job.name, found_job.changes) for found_job in found] == [
        ("poor", (("requirements.budget_cny", "1e5"),)),
        ("fair", (("brands.ant.floor", "0.9"),)),
        ("wuhan", ()),
        ("study_rich", ()),
    ]
    assert found[0].study_path == study_path
    assert job_from_json(found[0].as_json()) == found[0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name,study\na,study.yaml\nA,study.yaml\n", "2 studies of the batch have this name"),
        ("name,study\n../up,study.yaml\n", "cannot name a folder"),
        ("name,study\n,study.yaml\n", "cannot name a folder"),
        ("study\nstudy.yaml\n", "scenarios.csv, name: this column is missing"),
        ("name,study,name\na,study.yaml,b\n", "scenarios.csv, name: this column stands twice"),
        ("name,study\na,study.yaml,3\n", "scenarios.csv, row 1: the row has 3 cells"),
        ("name,study,solve.gap\na,study.yaml,0.1\nb,study.yaml,x\n", "row 2, solve.gap, value 'x'"),
        ("name,study,solve.gpa\na,study.yaml,0.1\n", "row 1, solve.gpa, value '0.1': unknown key"),
        ("name,study,brands.cat.floor\na,study.yaml,1\n", "row 1, brands.cat.floor"),
    ],
)
def test_faults_of_a_table_have_their_place(study_path: Path, text: str, place: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_jobs([write_table(study_path.parent, text)])
    assert place in str(caught.value)


def test_a_worker_stays_with_its_city() -> None:
    jobs = [job(Path(city), f"{city}{n}") for n in range(2) for city in ("a", "b")]
    waiting = Queue(jobs)
    first = waiting.take(after=None)
    second = waiting.take(after=None)
    assert (first, second) == (jobs[0], jobs[1])
    assert waiting.take(after=second) == jobs[3]
    assert waiting.take(after=second) == jobs[2]
    assert waiting.take(after=second) is None


# ------------------------------------------------------------------------------------ what becomes


def test_what_is_done_and_unchanged_is_not_done_again(study_path: Path, tmp_path: Path) -> None:
    out, jobs = tmp_path / "out", [job(study_path)]
    worker = StudyWorker(out)
    first = worker.run(jobs[0])
    assert first.outcome is Outcome.PLANNED
    assert first.figures is not None
    assert first.figures.share_planned == pytest.approx(1500 / 1520)
    again = StudyWorker(out).run(jobs[0])
    assert again == replace(first, reused=True)
    (out / "one" / PLANNED).write_bytes(b"torn")
    assert not StudyWorker(out).run(jobs[0]).reused
    study_path.write_text(
        study_path.read_text(encoding="utf-8").replace("gap: 0.0001", "gap: 0.0002"),
        encoding="utf-8",
    )
    assert not StudyWorker(out).run(jobs[0]).reused
    with (study_path.parent / "vehicles.csv").open("a", encoding="utf-8") as stream:
        stream.write("more,114.3,30.6,1,1\n")
    changed = StudyWorker(out).run(jobs[0])
    assert not changed.reused
    assert changed.digest != first.digest


def test_a_torn_record_counts_as_none(study_path: Path, tmp_path: Path) -> None:
    StudyWorker(tmp_path / "out").run(job(study_path))
    path = tmp_path / "out" / ".batch" / "records" / "one.json"
    record = read_record("one", tmp_path / "out")
    assert record is not None
    assert find_done("one", record.digest, tmp_path / "out") == record
    path.write_bytes(path.read_bytes()[:50])
    assert find_done("one", record.digest, tmp_path / "out") is None


def test_scenarios_of_a_city_measure_it_once(
    study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    survey_city = surveys.survey_city

    def count(*args: object, **kwargs: object) -> object:
        measured.append(kwargs["access"] is None)
        return survey_city(*args, **kwargs)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(surveys, "survey_city", count)
    rich, poor = job(study_path, "rich"), job(study_path, "poor", requirements__budget_cny="0")
    worker = StudyWorker(tmp_path / "out")
    assert worker.run(rich).outcome is worker.run(poor).outcome is Outcome.PLANNED
    assert measured == [True]
    far = job(study_path, "far", access__cutoff_minutes="5", requirements__budget_cny="0")
    other = StudyWorker(tmp_path / "out")
    other.run(job(study_path, "third", solve__gap="0.01"))
    other.run(far)
    assert measured == [True, False, True]


def test_roads_of_a_city_are_read_once_by_all_workers(
    study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [f'<node id="{k}" version="1" lon="{114.3 + k / 100}" lat="30.6"/>' for k in (1, 2, 3)]
    refs = "".join(f'<nd ref="{k}"/>' for k in (1, 2, 3))
    way = f'<way id="1" version="1">{refs}<tag k="highway" v="primary"/></way>'
    (study_path.parent / "roads.osm").write_text(f'<osm version="0.6">{"".join(nodes)}{way}</osm>')
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(text.replace("roads.npz", "roads.osm"), encoding="utf-8")
    read, read_file = [], road_network._read_file

    def count(*args: object) -> object:
        read.append(args)
        return read_file(*args)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(road_network, "_read_file", count)
    for name in ("one", "two", "three"):
        scenario = job(study_path, name, access__cutoff_minutes=str(len(name)))
        assert StudyWorker(tmp_path / "out").run(scenario).outcome is Outcome.PLANNED
    assert len(read) == 1


def test_kept_access_is_what_was_measured(study_path: Path, tmp_path: Path) -> None:
    inputs = read_inputs(read_study(study_path))
    fresh = surveys.share_survey(inputs, tmp_path / "surveys")
    kept = surveys.share_survey(inputs, tmp_path / "surveys")
    assert kept.access.times.time_s.tobytes() == fresh.access.times.time_s.tobytes()
    assert kept.access.times.site.tolist() == fresh.access.times.site.tolist()
    assert kept.access.demand_reach.tolist() == fresh.access.demand_reach.tolist()
    assert kept.notices == fresh.notices
    stored = next((tmp_path / "surveys").glob("*.npz"))
    stored.write_bytes(stored.read_bytes()[:200])
    assert surveys.read_access(stored) is None


def test_one_that_fails_fails_alone(study_path: Path, tmp_path: Path) -> None:
    jobs = [
        job(study_path, "good"),
        job(study_path, "greedy", brands__ant__floor="1"),
        job(study_path.parent / "gone.yaml", "gone"),
        job(study_path, "bad", inputs__vehicles__path="nowhere.csv"),
    ]
    told: list[StudyRecord] = []
    records = run_batch(jobs, tmp_path / "out", workers=2, on_record=told.append)
    assert [record.outcome for record in records] == [
        Outcome.PLANNED,
        Outcome.INFEASIBLE,
        Outcome.BAD_INPUT,
        Outcome.BAD_INPUT,
    ]
    assert "floor" in records[1].reasons[0]
    assert "gone.yaml" in records[2].reasons[0]
    assert "nowhere.csv" in records[3].reasons[0]
    assert sorted(record.name for record in told) == ["bad", "gone", "good", "greedy"]
    table = pd.read_csv(tmp_path / "out" / "batch.csv")
    assert table["outcome"].tolist() == [record.outcome.value for record in records]
    assert 'href="good/map.html"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "good" / "map.html").is_file()
    assert not (tmp_path / "out" / "greedy").exists()


@pytest.mark.slow
def test_one_worker_and_eight_write_the_same_bytes(study_path: Path, tmp_path: Path) -> None:
    jobs = [job(study_path, f"s{n}", requirements__budget_cny=f"{n}e5") for n in range(16)]
    found = []
    for workers in (1, 8):
        out = tmp_path / f"{workers}"
        run_batch(jobs, out, workers=workers)
        found.append(
            {
                path.relative_to(out): path.read_bytes()
                for path in sorted(out.rglob("*"))
                if path.is_file() and ".batch" not in path.parts and "times" not in path.name
            }
        )
    assert len(found[0]) > 100
    assert found[0] == found[1]


# --------------------------------------------------------------------------------- death and hangs

CRASH = "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 11)"
HANG = "import time; time.sleep(60)"
SWELL = "import time; held = bytearray(b'x') * (200 << 20); time.sleep(60)"
HOLD = """
import sys, time
from pathlib import Path
from siting.batch.run import hold_batch
with hold_batch(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("script", "expected"),
    [(CRASH, (Outcome.CRASHED, "signal 11")), (HANG, (Outcome.TIMED_OUT, "after 1 s"))],
)
def test_a_death_or_a_hang_is_the_studys_own(
    study_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    script: str,
    expected: tuple[Outcome, str],
) -> None:
    start, scripts = subprocess.Popen, [script]

    def popen(command: list[str], **kwargs: object) -> object:
        if scripts:
            command = [sys.executable, "-c", scripts.pop()]
        return start(command, **kwargs)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(child.subprocess, "Popen", popen)
    process = StudyProcess(tmp_path / "out", timeout_s=1, threads=1)
    lost = process.run(job(study_path))
    assert lost.outcome is expected[0]
    assert expected[1] in lost.reasons[0]
    process._timeout_s = 60
    assert process.run(job(study_path)).outcome is Outcome.PLANNED
    process.close()


def test_one_that_takes_too_much_memory_does_so_alone(
    study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, scripts = subprocess.Popen, [SWELL]

    def popen(command: list[str], **kwargs: object) -> object:
        if scripts:
            command = [sys.executable, "-c", scripts.pop()]
        return start(command, **kwargs)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(child.subprocess, "Popen", popen)
    process = StudyProcess(tmp_path / "out", timeout_s=50, threads=1, memory_mib=150)
    lost = process.run(job(study_path))
    assert lost.outcome is Outcome.TOO_LARGE
    assert lost.reasons == ("it took more than 150 MiB of memory, and was stopped",)
    process._memory_mib = 4000
    assert process.run(job(study_path)).outcome is Outcome.PLANNED
    before = process._process
    assert before is not None
    process._memory_mib = 1000
    monkeypatch.setattr(child, "WORN_SHARE", 0.05)  # it holds more than 50 MiB: replaced first
    assert process.run(job(study_path)).outcome is Outcome.PLANNED
    assert before.poll() is not None
    process.close()


def test_a_second_run_is_refused_and_a_dead_ones_lock_is_free(
    study_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    holder = subprocess.Popen(  # noqa: S603 - this interpreter and a script of this file
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another run works in this folder"):
            run_batch([job(study_path)], out)
        holder.kill()
    with hold_batch(out):
        pass


def test_a_folder_of_other_files_is_refused(study_path: Path) -> None:
    with pytest.raises(OutputError, match="holds other files"):
        run_batch([job(study_path)], study_path.parent)


def start_batch(study_path: Path, out: Path, *, budgets: int) -> subprocess.Popen[str]:
    rows = "".join(f"s{n},study.yaml,{n}\n" for n in range(budgets))
    table = write_table(study_path.parent, f"name,study,requirements.budget_cny\n{rows}")
    siting = str(Path(sys.executable).with_name("siting"))
    command = [siting, "batch", str(table), "-o", str(out)]
    return subprocess.Popen(  # noqa: S603 - this interpreter and siting itself
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_batch(study_path, out, budgets=200) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        stopped_s = time.monotonic()
        _, said = run.communicate(timeout=20)
    assert time.monotonic() - stopped_s < 5
    assert run.returncode == ExitCode.INTERRUPTED
    assert "go on" in said or "goes on" in said
    n_done = len(list((out / ".batch" / "records").glob("*.json")))
    assert 0 < n_done < 200
    assert len(pd.read_csv(out / "batch.csv")) == 200


def test_a_killed_run_leaves_no_process_and_nothing_torn(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start_batch(study_path, out, budgets=200) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.kill()
    time.sleep(1)
    before = len(list((out / ".batch" / "records").glob("*.json")))
    time.sleep(1)
    assert len(list((out / ".batch" / "records").glob("*.json"))) == before, "a child lives on"
    for folder in out.glob("s*"):
        assert (folder / PLANNED).is_file()


# ----------------------------------------------------------------------------------------- the page


def test_names_and_reasons_do_nothing_in_the_page(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    jobs = [job(tmp_path / "x.yaml", "one", solve__gap=evil)]
    record = StudyRecord(name="one", outcome=Outcome.FAILED, reasons=(evil,))
    page = render_index(jobs, {"one": record})
    assert "<img" not in page
    assert "&lt;img" in page
    table = build_table(jobs, {})
    assert table["outcome"].tolist() == ["waiting"]


# -------------------------------------------------------------------------------- the command line


def test_the_command_says_what_has_no_plan(study_path: Path, tmp_path: Path) -> None:
    table = write_table(
        study_path.parent,
        "name,study,brands.ant.floor\nfair,study.yaml,0.5\ngreedy,study.yaml,1\n",
    )
    result = CliRunner().invoke(app, ["batch", str(table), "-o", str(tmp_path / "out")])
    assert result.exit_code == ExitCode.PARTIAL
    assert "1 of 2 studies have a plan" in result.stdout
    assert "greedy: infeasible" in result.stdout


# --------------------------------------------------------------------------------------------- Dask


def test_a_dask_worker_killed_in_the_middle_loses_nothing(study_path: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra is not installed")
    jobs = [job(study_path, f"s{n}", requirements__budget_cny=str(n * 1e4)) for n in range(12)]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        victims = [worker.pid for worker in cluster.workers.values()]
        killed = threading.Event()

        def kill_one(_: StudyRecord) -> None:
            if not killed.is_set():
                killed.set()
                os.kill(victims[0], signal.SIGKILL)

        records = run_batch(
            jobs,
            tmp_path / "out",
            scheduler=cluster.scheduler_address,
            timeout_s=120,
            on_record=kill_one,
        )
    assert killed.is_set()
    assert {record.outcome for record in records} == {Outcome.PLANNED}
    assert [record.name for record in records] == [a_job.name for a_job in jobs]


# ------------------------------------------------------------------------------------------ kill -9


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("n_kill", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_kill_9_at_random_points_tears_nothing(
    n_kill: int, study_path: Path, tmp_path: Path
) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    script = Path(__file__).with_name("killed_batch.py")
    (tmp_path / "kills").mkdir()
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), str(study_path), str(tmp_path / "kills"), str(n_kill), "1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(run.stdout)
    assert told["killed"] == n_kill
    assert told["wrong"] == [], run.stderr
