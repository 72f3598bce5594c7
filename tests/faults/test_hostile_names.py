"""Names that want to be code come out as names: in tables, on maps, in reports, on a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from siting.batch.jobs import StudyJob
from siting.batch.records import Outcome, StudyRecord
from siting.batch.tables import render_index
from siting.cli import app
from siting.outputs.files import FORMULA_STARTS
from siting.pipeline import (
    build_case,
    diagnose,
    invest,
    read_inputs,
    read_study,
    run,
    write_check,
    write_investment,
    write_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTILE = (
    "<img src=x onerror=\"window.pwned='img'\">",
    "${window.pwned='t'}`${window.pwned='b'}`",
    "{{window.pwned=7}}{% raw %}{#",
    "</script><script>window.pwned='s'</script><!--",
    "\"'><svg onload=\"window.pwned='svg'\">javascript:window.pwned=1",
    "=cmd|'/C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-2",
    "\u202egnp.exe \u2066\u200f",
    "[bold red]\x1b[31mred\x1b]0;owned\x07[/bold red]",
)
MIXES = tuple(
    "".join(np.random.default_rng(seed).choice(HOSTILE, 3, replace=False)) for seed in range(25)
)
NAMES = [*HOSTILE, *(pytest.param(name, marks=pytest.mark.slow) for name in MIXES)]
PAGES = ("map.html", "report.html", "check/check.html", "alliance/alliance.html")
UNSEEN = frozenset("\u202e\u2066\u200f\x1b\x07")


def name_everything(folder: Path, name: str) -> None:
    """Put a name wherever a study and its tables can hold one."""
    path = folder / "study.yaml"
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    both = {"en": name, "zh": f"{name}中"}
    study |= {"title": both, "illustrative_note": both, "data_date": name}
    study["alliance"] = {"rule": "shapley"}
    for part in study["brands"]:
        part |= {"name": f"{name}{part['id']}", "name_zh": f"{name}{part['id']}中"}
        part["budget_cny"] = 2.0e6
    for tier in study["tiers"]:
        tier["name"] = both
    for part in (study["inputs"]["roads"], study["inputs"]["vehicles"]):
        part["source"] = name
    study["inputs"]["stations"][0]["source"] = name
    study["requirements"]["budget_cny"] = 4.0e6
    path.write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")
    texts = dict.fromkeys(("name", "name_zh", "operator", "network", "owner"), name)
    frame = pd.read_csv(folder / "stations.csv", dtype=str)
    frame.assign(**texts).to_csv(folder / "stations.csv", index=False)
    frame = pd.read_csv(folder / "candidates.csv", dtype=str)
    frame.assign(name=name, kind=name).to_csv(folder / "candidates.csv", index=False)
    districts = gpd.read_file(folder / "districts.geojson")
    districts.assign(name=name, name_zh=f"{name}中").to_file(
        folder / "districts.geojson", driver="GeoJSON"
    )


def write_all(study: Path, out: Path) -> None:
    """Write every output that siting has."""
    run(study, out)
    write_report(out)
    inputs = read_inputs(read_study(study))
    write_check(diagnose(inputs), out / "check")
    investment = invest(build_case(inputs), out / "alliance")
    write_investment(investment, out / "alliance")


class Skeleton(HTMLParser):
    """The elements of a page, with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))


@pytest.fixture(scope="module")
def plain_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


@pytest.fixture
def plain_out(plain_place: Path, corpora: dict[str, Path]) -> Path:
    """Return the outputs of the same study under a plain name; they are written once."""
    folder, out = plain_place / "study", plain_place / "out"
    if not folder.exists():
        shutil.copytree(corpora["csv"], folder)
        name_everything(folder, "Plain")
        write_all(folder / "study.yaml", out)
    return out


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_a_name_in_every_output(
    name: str,
    copy_of: Callable[[str], Path],
    plain_out: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    folder, out = copy_of("csv"), tmp_path / "out"
    name_everything(folder, name)
    write_all(folder / "study.yaml", out)
    for page in PAGES:
        one, other = (Skeleton((where / page).read_text("utf-8")) for where in (out, plain_out))
        assert one.elements == other.elements, page
    for path in out.rglob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")):
            assert not any(is_formula(cell) for cell in row), (path.name, row)
    sites = json.loads((out / "sites.geojson").read_text("utf-8"))
    assert name.strip() in {feature["properties"]["name"] for feature in sites["features"]}
    record_property("faults", "harmless")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run a cell: it starts like a formula and is no number."""
    try:
        float(cell)
    except ValueError:
        return cell.lstrip(" ").startswith(FORMULA_STARTS)
    return False


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_does_nothing_to_a_terminal(
    name: str, copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy_of("csv")
    name_everything(folder, name)
    table = pd.read_csv(folder / "vehicles.csv", dtype=str)
    table.loc[0, "vehicles_ant"] = name
    for change in (False, True):
        if change:
            table.to_csv(folder / "vehicles.csv", index=False)
        arguments = ["check", str(folder / "study.yaml"), "-o", str(tmp_path / "check")]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == (2 if change else 0), result.output
        assert not UNSEEN & set(result.output)


def test_a_name_is_a_name_on_the_page_of_a_batch(tmp_path: Path) -> None:
    def page(name: str) -> Skeleton:
        job = StudyJob(name="a", study_path=tmp_path, changes=(("title.en", name),))
        record = StudyRecord(name="a", outcome=Outcome.BAD_INPUT, reasons=(name,))
        return Skeleton(render_index([job], {"a": record}))

    for name in HOSTILE:
        assert page(name).elements == page("Plain").elements


@pytest.mark.browser
def test_no_name_runs_in_a_browser(copy_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder, out = copy_of("csv"), tmp_path / "out"
    name_everything(folder, "".join(HOSTILE[:5]))
    write_all(folder / "study.yaml", out)
    with open_browser() as browser:
        for name in PAGES:
            page = browser.new_page()
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("dialog", lambda dialog: pytest.fail(dialog.message))
            page.goto((out / name).as_uri())
            page.wait_for_timeout(300)
            assert page.evaluate("window.pwned === undefined"), name
            assert all(url.startswith(("file:", "data:", "blob:")) for url in asked), asked
            page.close()


def open_browser() -> Any:  # noqa: ANN401 - a context manager of playwright's
    """Return headless Chromium, or skip where there is none (fail where it is required)."""
    from contextlib import contextmanager  # noqa: PLC0415 - with what may be missing

    required = os.environ.get("SITING_REQUIRE_BROWSER") == "1"
    named = os.environ.get("SITING_CHROMIUM") or shutil.which("chromium")
    if named is None and not required:
        pytest.skip("no Chromium on the PATH; SITING_CHROMIUM names one")
    sync_api = pytest.importorskip("playwright.sync_api")

    @contextmanager
    def opened() -> Any:  # noqa: ANN401 - yields a Browser
        with sync_api.sync_playwright() as playwright:
            launched = playwright.chromium.launch(executable_path=named, args=["--no-sandbox"])
            yield launched
            launched.close()

    return opened()
