"""The command line: arguments, progress, exit codes; no logic.

Exit codes: 0 done; 1 an unexpected fault of siting itself; 2 bad study or input (every fault is
listed); 3 the study's requirements conflict; 4 no plan within the limits; 130 interrupted.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from siting import __version__
from siting.apart import MEMORY_VARIABLE, TIME_VARIABLE
from siting.domain import SECONDS_PER_MINUTE, Datum, Doubt
from siting.errors import ExitCode, Fault, SitingError, StudyError
from siting.optimise.limits import STOP_SIGNALS
from siting.outputs.page import PageLanguage
from siting.storage import SHARE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.alliance.games import CoalitionPlan
    from siting.batch.records import StudyRecord
    from siting.optimise.solve import Progress
    from siting.pipeline import Stage
    from siting.plan import SitingPlan
    from siting.sensitivity import Variation

app = typer.Typer(
    name="siting",
    help="Where five car brands should jointly build EV charging stations, and who pays what.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
stations_app = typer.Typer(
    help="Read, merge and write charging stations.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(stations_app, name="stations")
vehicles_app = typer.Typer(
    help="Make a vehicle table.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(vehicles_app, name="vehicles")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

DEMO_FOLDER = Path("outputs/wuhan")
KIB_PER_MIB = 1024
FAULTS_SHOWN = 10
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder of the outputs.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        envvar="SITING_CACHE",
        help="Folder that keeps roads which are slow to read, by their content.",
    ),
]
StudyArgument = Annotated[Path, typer.Argument(help="The study file (YAML).", show_default=False)]


class _StageReport:
    """Shows the running stage, and keeps what each took: seconds and the peak memory so far."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []
        self._name: str | None = None
        self._n_coalition = 0
        self._n_site = 0
        self._started_s = time.perf_counter()
        self._status = err.status("starting") if err.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if self._status is not None:
            self._status.stop()

    def stage(self, stage: Stage) -> None:
        """Take note that a stage begins."""
        self._close()
        self._name, self._started_s = stage.value, time.perf_counter()
        if self._status is not None:
            self._status.update(f"{stage.value} …")

    def solving(self, progress: Progress) -> None:
        """Show the incumbent, the bound and the gap as they move."""
        if self._status is not None:
            gap = "no plan yet" if progress.gap is None else f"gap {progress.gap:.2%}"
            self._status.update(f"solving … {gap}, {progress.seconds:.0f} s")

    def variation(self, variation: Variation) -> None:
        """Show which figure was off last."""
        if self._status is not None:
            self._status.update(f"sensitivity … {variation.doubt} {variation.change:+.0%} solved")

    def reason(self, site_id: str) -> None:
        """Count the sites as they are re-optimised, and show the processor's time."""
        self._n_site += 1
        if self._status is not None:
            took = f"{self._n_site} done, {time.process_time():.0f} s of CPU, last {site_id}"
            self._status.update(escape(_printable(f"re-optimising … {took}")))

    def coalition(self, _plan: CoalitionPlan) -> None:
        """Count the coalitions as they come."""
        self._n_coalition += 1
        if self._status is not None:
            self._status.update(f"coalitions … {self._n_coalition} solved")

    def _close(self) -> None:
        if self._name is not None:
            self.rows.append((self._name, time.perf_counter() - self._started_s, _peak_mib()))
        self._name = None


def _peak_mib() -> float:
    """Return this process's peak memory so far (MiB); NaN where the system does not tell."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB


@contextmanager
def _faults_explained(kept: str = "nothing was written") -> Iterator[None]:
    """Turn siting's errors into a list of faults and an exit code, never a traceback."""
    try:
        yield
    except SitingError as error:
        n = len(error.faults)
        err.print(f"[bold]{n} fault{'s' if n > 1 else ''} found; nothing was written.[/bold]")
        for fault in error.faults:
            err.print(f"  • {escape(_printable(str(fault)))}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        err.print(f"Interrupted; {kept}.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _printable(text: str) -> str:
    """Return the text without control and direction marks that could fool a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


@app.command()
def demo(
    out_folder: OutOption = DEMO_FOLDER,
) -> None:
    """Plan the embedded city (Wuhan; vehicles and stations are illustrative)."""
    from siting.pipeline import embedded_study_path  # noqa: PLC0415 - keeps `--help` quick

    with _faults_explained():
        _plan(embedded_study_path(), out_folder)


@app.command()
def plan(
    study: StudyArgument,
    out_folder: OutOption,
    cache: CacheOption = None,
) -> None:
    """Solve a study and write its site list, map and manifest."""
    with _faults_explained():
        _plan(study, out_folder, cache_folder=cache)


@app.command()
def alliance(
    study: StudyArgument,
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder of the outputs; outputs/<name>-alliance if not set."
        ),
    ] = None,
    cache: CacheOption = None,
    *,
    target: Annotated[
        bool,
        typer.Option(
            "--target", help="Compare what the plan's service would cost each coalition alone."
        ),
    ] = False,
    joins: Annotated[
        list[str] | None,
        typer.Option(help="What if this brand stood outside at first, and joined? Repeatable."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="What if this brand leaves? May be given more than once."),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help="What if this brand brings another budget? BRAND=CNY; also repeated."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Coalitions solved at once.")] = 2,
) -> None:
    """Split the joint investment: what every coalition could do alone, and who pays what.

    Finished coalitions are kept in the folder: run again, it goes on where it stopped.
    """
    from siting import investment as joint  # noqa: PLC0415 - the same
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import AllianceGame, read_study  # noqa: PLC0415 - the same

    with _faults_explained("coalitions that were finished are kept, and the next run goes on"):
        asked = read_study(study)
        pipeline.require_one_period(asked)
        if target:
            asked = joint.change_alliance(asked, game=AllianceGame.TARGET)
        joined, left, budgets = joins or [], without or [], joint.parse_budgets(budget or [])
        joint.require_brands(asked, [*joined, *left, *budgets])
        joint.require_movers(asked, joined=joined, left=left)
        folder = out_folder or Path("outputs", f"{asked.name}-alliance")
        with pipeline.hold_folder(folder), _StageReport() as report:
            inputs = pipeline.read_apart(asked, cache_folder=cache, on_stage=report.stage)
            case = pipeline.build_case(inputs, on_stage=report.stage)
            cases = [case, joint.change_budgets(case, budgets)] if budgets else [case]
            investment, *then = [
                pipeline.invest(
                    each,
                    folder,
                    on_stage=report.stage,
                    on_progress=report.solving,
                    on_coalition=report.coalition,
                    n_worker=workers,
                )
                for each in cases
            ]
            what_if = None
            if joined or left or budgets:
                what_if = joint.compare(investment, *then, left=left, joined=joined)
            report.stage(pipeline.Stage.WRITE)
            pipeline.write_investment(investment, folder, what_if=what_if)
    _print_stages(report)
    what_if_lines = [] if what_if is None else what_if.summary_lines(investment.split.rule)
    for line in [*investment.summary_lines(), *what_if_lines]:
        out.print(escape(_printable(line)))
    out.print(f"report     {escape(str(folder / 'alliance.html'))}")
    out.print(f"ledger     {escape(str(folder / 'ledger.csv'))}")


@app.command()
def check(
    study: StudyArgument,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the map; outputs/<name>-check if not set."),
    ] = None,
    cache: CacheOption = None,
    *,
    with_map: Annotated[
        bool, typer.Option("--map/--no-map", help="Whether to write the diagnostic map.")
    ] = True,
) -> None:
    """Read a study and all of its inputs, report every fault, draw what was read, solve nothing."""
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import read_study  # noqa: PLC0415 - the same

    with _faults_explained(), _StageReport() as report:
        asked = read_study(study)
        folder = out_folder or Path("outputs", f"{asked.name}-check")
        if with_map:
            pipeline.refuse_foreign_folder(folder)
        inputs = pipeline.read_apart(asked, cache_folder=cache, on_stage=report.stage)
        diagnosis = pipeline.diagnose(inputs, on_stage=report.stage)
        report.stage(pipeline.Stage.WRITE)
        written = pipeline.write_check(diagnosis, folder) if with_map else None
    for line in diagnosis.summary_lines():
        out.print(escape(_printable(line)))
    if written is not None:
        out.print(f"map         {escape(str(written))}")


@app.command()
def frontier(
    study: StudyArgument,
    out_folder: OutOption,
    budgets: Annotated[
        str | None,
        typer.Option(help="In CNY, such as 25e6,50e6,75e6; ten tenths of the study's if not set."),
    ] = None,
    gap: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Gap that every point is sought to.")
    ] = 0.01,
    cache: CacheOption = None,
) -> None:
    """Solve a study for several budgets: cost against service, every point with its bound."""
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import read_study  # noqa: PLC0415 - the same

    with _faults_explained(), _StageReport() as report:
        question = read_study(study)
        pipeline.require_one_period(question)
        inputs = pipeline.read_apart(question, cache_folder=cache, on_stage=report.stage)
        case = pipeline.build_case(inputs, on_stage=report.stage)
        asked = _read_budgets(budgets, whole_cny=case.instance.requirements.budget_cny)
        found = pipeline.solve_budgets(
            case, asked, gap=gap, folder=out_folder, on_stage=report.stage
        )
        report.stage(pipeline.Stage.WRITE)
        pipeline.write_frontier(found, out_folder)
    wanted = case.instance.demand_kwh_per_day.sum()
    by_budget = {plan.case.instance.requirements.budget_cny: plan for plan in found.plans}
    for budget_cny in asked:
        plan = by_budget.get(budget_cny)
        if plan is None:
            out.print(f"{budget_cny / 1e6:>10,.2f} million CNY  no plan found that keeps all rules")
            continue
        share = plan.joint.evaluation.served_kwh_per_day.sum() / wanted if wanted else 0.0
        out.print(
            f"{budget_cny / 1e6:>10,.2f} million CNY  {len(plan.sites):>4} sites  "
            f"{share:>6.1%} served  gap {plan.solve.gap:.2%}"
        )
    out.print(f"chart      {escape(str(out_folder / 'frontier.html'))}")
    out.print(f"table      {escape(str(out_folder / 'frontier.csv'))}")


@app.command()
def sensitivity(
    study: StudyArgument,
    out_folder: OutOption,
    steps: Annotated[
        str, typer.Option(help="By what shares a figure is off, down and up.")
    ] = "0.1,0.2",
    *,
    figures: Annotated[
        list[Doubt] | None, typer.Option("--figure", help="Which figure; all if not set.")
    ] = None,
    gap: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Gap of every solve but the first.")
    ] = 0.01,
    cache: CacheOption = None,
) -> None:
    """Solve a study again with one figure off at a time: budget, demand, drive, cost, wait."""
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import read_study  # noqa: PLC0415 - the same

    with _faults_explained(), _StageReport() as report:
        asked_steps, asked = _read_steps(steps), read_study(study)
        pipeline.require_one_period(asked)
        inputs = pipeline.read_apart(asked, cache_folder=cache, on_stage=report.stage)
        case = pipeline.build_case(inputs, on_stage=report.stage)
        plan = pipeline.solve_case(case, on_stage=report.stage, on_progress=report.solving)
        report.stage(pipeline.Stage.VARY)
        found = pipeline.ask_sensitivity(
            plan,
            inputs,
            steps=asked_steps,
            doubts=figures or tuple(Doubt),
            gap=gap,
            on_solved=report.variation,
        )
        report.stage(pipeline.Stage.WRITE)
        pipeline.write_sensitivity(found, out_folder)
    for line in found.summary_lines():
        out.print(escape(_printable(line)))
    out.print(f"chart      {escape(str(out_folder / 'sensitivity.html'))}")
    out.print(f"table      {escape(str(out_folder / 'sensitivity.csv'))}")


@app.command()
def robust(study: StudyArgument, out_folder: OutOption, *, cache: CacheOption = None) -> None:
    """Plan for all scenarios of a study at once, by three rules; check it on futures drawn anew."""
    with _faults_explained():
        _plan(study, out_folder, cache_folder=cache, robust=True)


def _read_steps(text: str) -> list[float]:
    """Return the shares by which a figure is off."""
    try:
        steps = [float(part) for part in text.split(",")]
    except ValueError:
        steps = [math.nan]
    if not all(0 < step < 1 for step in steps):
        what, remedy = "is no list of shares", "give shares between 0 and 1, such as 0.1,0.2"
        raise StudyError([Fault(column="--steps", value=text[:80], what=what, remedy=remedy)])
    return steps


def _read_budgets(text: str | None, *, whole_cny: float) -> list[float]:
    """Return the budgets that are asked for; ten tenths of the study's own without any."""
    if text is None:
        return [whole_cny * tenth / 10 for tenth in range(1, 11)]
    try:
        budgets = [float(part) for part in text.split(",")]
    except ValueError:
        budgets = [math.nan]
    if not all(math.isfinite(budget) and budget >= 0 for budget in budgets):
        what, remedy = "is no list of amounts", "give amounts in CNY, such as 25e6,50e6"
        raise StudyError([Fault(column="--budgets", value=text[:80], what=what, remedy=remedy)])
    return budgets


@app.command()
def explain(
    target: Annotated[
        Path, typer.Argument(help="Output folder of `siting plan`, or a study, planned first.")
    ],
    out_folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the plan of a study goes.")
    ] = None,
    *,
    site: Annotated[
        list[str] | None,
        typer.Option(help="A candidate to force in, the rest re-optimised; may be repeated."),
    ] = None,
    alternatives: Annotated[
        int, typer.Option(min=0, help="How many markedly different plans to look for.")
    ] = 3,
    loss: Annotated[
        str, typer.Option(help="What share of the service such a plan may serve less.")
    ] = "1%",
    cache: CacheOption = None,
) -> None:
    """Say why each site, why not the others and what else would do; show it on the map."""
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import read_study  # noqa: PLC0415 - the same

    with _faults_explained():
        share = _read_share(loss)
        folder, plan = target, None
        if not target.is_dir():
            pipeline.require_one_period(read_study(target))  # before the solve, not after
            folder = out_folder or Path("outputs", target.stem)
            plan = _plan(target, folder, cache_folder=cache)
        with pipeline.hold_folder(folder), _StageReport() as report:
            report.stage(pipeline.Stage.REASONS)
            reasons = pipeline.explain_written(
                folder,
                plan,
                asked=site or [],
                n_alternative=alternatives,
                loss=share,
                on_site=report.reason,
            )
            report.stage(pipeline.Stage.WRITE)
            pipeline.write_reasons(reasons, folder)
    _print_stages(report)
    for line in reasons.summary_lines():
        out.print(escape(_printable(line)))
    out.print(f"why        {escape(str(folder / 'reasons.csv'))}")
    out.print(f"why not    {escape(str(folder / 'why_not.csv'))}")
    out.print(f"map        {escape(str(folder / 'map.html'))}")


def _read_share(text: str) -> float:
    """Return a share, given as such or in per cent."""
    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = math.nan
    if not 0.0 <= share < 1.0:
        what, remedy = "is no share", "give a share below 1, such as 1% or 0.01"
        raise StudyError([Fault(column="--loss", value=text[:80], what=what, remedy=remedy)])
    return share


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Output folder of `siting plan`.")],
    study: Annotated[
        Path | None, typer.Option(help="The study: its inputs are read and compared too.")
    ] = None,
) -> None:
    """Recompute everything that a written plan claims, without any solver."""
    from siting.verify import verify_folder  # noqa: PLC0415 - keeps `--help` quick

    with _faults_explained():
        checks = list(verify_folder(folder))
        if study is not None:
            from siting import pipeline  # noqa: PLC0415 - reads every input

            inputs = pipeline.read_apart(pipeline.read_study(study))
            checks.append(pipeline.compare_inputs(inputs, folder))
    for check in checks:
        out.print(f"{'holds' if check.passed else 'FAILS'}  {check.name:<10} {check.detail}")
        for fault in check.faults[:FAULTS_SHOWN]:
            out.print(f"       • {escape(_printable(fault))}")
        if len(check.faults) > FAULTS_SHOWN:
            out.print(f"       • and {len(check.faults) - FAULTS_SHOWN:,} more")
    if not all(check.passed for check in checks):
        raise typer.Exit(ExitCode.UNVERIFIED)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Output folder of `siting plan`.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; report.html in the folder.")
    ] = None,
    alliance_folder: Annotated[
        Path | None,
        typer.Option("--alliance", help="Output folder of `siting alliance` for the same study."),
    ] = None,
    language: Annotated[
        PageLanguage, typer.Option("--lang", help="Languages of the report.")
    ] = PageLanguage.BOTH,
) -> None:
    """Write the report of a written plan: a few pages for a board, which print on A4."""
    from siting.pipeline import write_report  # noqa: PLC0415 - keeps `--help` quick

    with _faults_explained():
        path = write_report(
            folder, out_file=out_file, alliance_folder=alliance_folder, language=language
        )
    out.print(f"report     {escape(str(path))}")


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of one `siting plan`.")],
    second: Annotated[Path, typer.Argument(help="Output folder of another.")],
    out_file: Annotated[
        Path, typer.Option("--out", "-o", help="The page; a .csv of the sites goes beside it.")
    ],
    language: Annotated[
        PageLanguage, typer.Option("--lang", help="Languages of the page.")
    ] = PageLanguage.BOTH,
) -> None:
    """Show what changed from one written plan to another, on one map and in tables."""
    from siting.pipeline import write_comparison  # noqa: PLC0415 - keeps `--help` quick

    with _faults_explained():
        compared = write_comparison(first, second, out_file=out_file, language=language)
    for line in compared.summary_lines():
        out.print(escape(_printable(line)))
    out.print(f"page       {escape(str(out_file))}")
    out.print(f"table      {escape(str(out_file.with_suffix('.csv')))}")


@stations_app.command()
def merge(
    feeds: Annotated[
        list[Path],
        typer.Argument(
            help="Feeds, the most trusted first; a .yaml lists feeds with datum and columns."
        ),
    ],
    out_file: Annotated[
        Path, typer.Option("--out", "-o", help=".csv, .geojson or .json (OCPI Locations).")
    ],
) -> None:
    """Merge station feeds into one charging map, with a reason for every merge."""
    from siting.pipeline import merge_feeds  # noqa: PLC0415 - keeps `--help` quick

    with _faults_explained():
        merged = merge_feeds(feeds, out_file=out_file)
    for notice in merged.notices:
        err.print(f"  • {escape(_printable(str(notice)))}")
    out.print(
        f"{len(merged.frame):,} stations, {len(merged.merges):,} merges, "
        f"{len(merged.doubtful):,} doubtful pairs kept apart: {escape(str(out_file))}"
    )


@app.command()
def batch(
    studies: Annotated[
        list[Path],
        typer.Argument(
            help="Study files, folders of study*.yaml, or CSV tables: name, study, and columns "
            "named by keys such as requirements.budget_cny.",
            show_default=False,
        ),
    ],
    out_folder: OutOption,
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Studies at once; all cores if not set.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://host:8786.")
    ] = None,
    timeout_minutes: Annotated[
        float, typer.Option(min=0.01, help="How long one study may take.")
    ] = 60.0,
    memory_mib: Annotated[
        float, typer.Option(min=1, help="How much memory one study may take; no limit if not set.")
    ] = math.inf,
) -> None:
    """Run many studies, each alone in its process; run again, it goes on where it stopped."""
    from siting.batch.jobs import read_jobs  # noqa: PLC0415 - keeps `--help` quick
    from siting.batch.records import Outcome  # noqa: PLC0415 - the same
    from siting.batch.run import run_batch  # noqa: PLC0415 - the same

    with _faults_explained("studies that ended are kept, and the next run goes on from there"):
        jobs = read_jobs(studies)
        n_done = 0

        def show(record: StudyRecord) -> None:
            nonlocal n_done
            n_done += 1
            out.print(f"{n_done:>{len(str(len(jobs)))}}/{len(jobs)} {_batch_line(record)}")

        records = run_batch(
            jobs,
            out_folder,
            workers=workers or os.cpu_count() or 1,
            scheduler=scheduler,
            timeout_s=timeout_minutes * SECONDS_PER_MINUTE,
            memory_mib=memory_mib,
            on_record=show,
        )
    n_planned = sum(record.outcome is Outcome.PLANNED for record in records)
    out.print(f"{n_planned:,} of {len(jobs):,} studies have a plan")
    out.print(f"table      {escape(str(out_folder / 'batch.csv'))}")
    out.print(f"maps       {escape(str(out_folder / 'index.html'))}")
    if n_planned < len(jobs):
        raise typer.Exit(ExitCode.PARTIAL)


def _batch_line(record: StudyRecord) -> str:
    """Return what became of a study on one line."""
    figures = record.figures
    if figures is None:
        detail = f"{record.outcome.value}: {record.reasons[0] if record.reasons else ''}"
    else:
        detail = (
            f"{figures.n_sites} sites, {figures.share_today:.1%} → {figures.share_planned:.1%} "
            f"served, gap {figures.gap:.2%}"
        )
    took = "done before" if record.reused else f"{record.wall_s:.1f} s"
    return escape(_printable(f"{record.name}: {detail} ({took})"))


@vehicles_app.command("count")
def count_vehicles(
    telemetry: Annotated[list[Path], typer.Argument(help="Parquet files, or folders of them.")],
    out_file: Annotated[Path, typer.Option("--out", "-o", help="A .csv of H3 cells.")],
    *,
    resolution: Annotated[int, typer.Option(min=0, max=15, help="Of the H3 cells.")] = 8,
    k_vehicles: Annotated[
        int, typer.Option("--k", min=1, help="Least vehicles of a brand that a cell is given for.")
    ] = 11,
    datum: Annotated[Datum, typer.Option(help="Datum of the coordinates.")] = Datum.WGS84,
    vehicle_column: str = "vehicle_id",
    brand_column: str = "brand",
    longitude_column: str = "longitude",
    latitude_column: str = "latitude",
) -> None:
    """Count vehicles by H3 cell and brand from telemetry, and suppress small counts."""
    from siting.inputs.pings import PingColumns  # noqa: PLC0415 - keeps `--help` quick
    from siting.pipeline import count_telemetry  # noqa: PLC0415 - the same

    columns = PingColumns(
        vehicle=vehicle_column,
        brand=brand_column,
        longitude=longitude_column,
        latitude=latitude_column,
    )
    with _faults_explained():
        found = count_telemetry(
            telemetry,
            out_file=out_file,
            columns=columns,
            datum=datum,
            resolution=resolution,
            k_vehicles=k_vehicles,
        )
    for brand, n in found.n_vehicle.items():
        hidden = found.n_suppressed[brand]
        if n < k_vehicles:
            line = f"{brand}: fewer than {k_vehicles} vehicles, all suppressed"
        else:
            line = f"{n:,} vehicles of {brand}, {hidden:,} of them in suppressed cells"
        out.print(escape(_printable(line)))
    out.print(
        f"{found.n_row:,} rows read, {found.n_row_left_out:,} without vehicle, brand or place; "
        f"{len(found.table):,} cells: {escape(str(out_file))}"
    )


@app.command()
def schema() -> None:
    """Print the study file's JSON Schema."""
    from siting.study import study_schema  # noqa: PLC0415 - keeps `--help` quick

    sys.stdout.write(json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n")


def _show_version(*, wanted: bool) -> None:
    if wanted:
        out.print(f"siting {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version", callback=lambda value: _show_version(wanted=value), is_eager=True
        ),
    ] = False,
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            envvar=SHARE_VARIABLE,
            help="Let others read the outputs, as the umask says; else their owner alone.",
        ),
    ] = False,
    read_memory_mib: Annotated[
        int | None,
        typer.Option(
            "--read-memory-mib",
            envvar=MEMORY_VARIABLE,
            min=1,
            help="Memory that reading a study's files may take; grows with them if not set.",
        ),
    ] = None,
    read_minutes: Annotated[
        int | None,
        typer.Option(
            "--read-minutes",
            envvar=TIME_VARIABLE,
            min=1,
            help="Processor time that reading them may take; grows with them if not set.",
        ),
    ] = None,
) -> None:
    # In the environment, so that the processes of a batch know it too.
    if share:
        os.environ[SHARE_VARIABLE] = "1"
    for variable, cap in ((MEMORY_VARIABLE, read_memory_mib), (TIME_VARIABLE, read_minutes)):
        if cap is not None:
            os.environ[variable] = str(cap)


def _plan(
    study_path: Path, folder: Path, *, cache_folder: Path | None = None, robust: bool = False
) -> SitingPlan:
    """Plan a study into a folder, and say what came of it."""
    from siting import pipeline  # noqa: PLC0415 - keeps `--help` quick
    from siting.study import read_study  # noqa: PLC0415 - the same

    pipeline.refuse_foreign_folder(folder)
    with pipeline.hold_folder(folder), _StageReport() as report:
        inputs = pipeline.read_apart(
            read_study(study_path), cache_folder=cache_folder, on_stage=report.stage
        )
        case = pipeline.build_case(inputs, on_stage=report.stage)
        solve = pipeline.plan_robust if robust else pipeline.solve_case
        plan = solve(case, on_stage=report.stage, on_progress=report.solving)
        report.stage(pipeline.Stage.WRITE)
        pipeline.write_outputs(plan, folder)
    _print_stages(report)
    _print_plan(plan, folder)
    if plan.solve.interrupted:
        err.print("Interrupted; the best plan found by then was written, with its gap.")
        raise typer.Exit(ExitCode.INTERRUPTED)
    return plan


def _print_stages(report: _StageReport) -> None:
    table = Table("stage", "seconds", "peak MiB so far", box=None, pad_edge=False)
    for name, seconds, peak_mib in report.rows:
        peak = "" if math.isnan(peak_mib) else f"{peak_mib:.0f}"
        table.add_row(name, f"{seconds:.1f}", peak)
    err.print(table)


def _print_plan(plan: SitingPlan, folder: Path) -> None:
    for line in plan.summary_lines():
        out.print(escape(_printable(line)))
    out.print(f"site list  {escape(str(folder / 'sites.csv'))}")
    out.print(f"map        {escape(str(folder / 'map.html'))}")
    out.print(f"manifest   {escape(str(folder / 'plan.json'))}")


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM stop it in the background, too."""
    for which in STOP_SIGNALS:
        signal.signal(which, signal.default_int_handler)
    try:
        app()
    except SystemExit as ended:
        _end_without_solvers(ended)
        raise


def _end_without_solvers(ended: SystemExit) -> None:
    """End at once if a solver that was told to stop is still at work; waiting for it is slow."""
    mip = sys.modules.get("siting.optimise.mip")
    if mip is not None and mip.has_left_behind():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else ExitCode.UNEXPECTED)
