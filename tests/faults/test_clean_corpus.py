"""Not one refusal on what is clean: the corpus in all of its forms, and the embedded city."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import fields
from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
from geopandas.testing import assert_geodataframe_equal
from typer.testing import CliRunner

from siting.cli import app
from siting.errors import ExitCode
from siting.outputs.proof import render_instance
from siting.pipeline import (
    build_case,
    embedded_study_path,
    read_apart,
    read_inputs,
    read_study,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from siting.case import SitingCase

FORMS = ("csv", "geo", "joined", "parquet", "osm")


@pytest.mark.parametrize("form", FORMS)
def test_the_clean_corpus_is_read_in_every_form(
    form: str, corpora: dict[str, Path], read_folder: Callable[[Path], Any]
) -> None:
    outcome = read_folder(corpora[form])
    assert outcome.faults == ()
    assert outcome.case.instance.demand_kwh_per_day.sum() == pytest.approx(1520.0)
    assert outcome.case.instance.n_site == 2
    check_same(build_case(read_apart(read_study(corpora[form] / "study.yaml"))), outcome.case)


def check_same(apart: SitingCase, here: SitingCase) -> None:
    """Hold a case that was read in a child process to the one read here."""
    assert render_instance(apart.instance) == render_instance(here.instance)
    assert apart.notices == here.notices
    assert apart.input_sha256 == here.input_sha256
    for table in (field.name for field in fields(here)):
        if isinstance(getattr(here, table), gpd.GeoDataFrame):
            assert_geodataframe_equal(getattr(apart, table), getattr(here, table))


@pytest.mark.parametrize("name", ["study.yaml", "service_centres.yaml"])
def test_the_embedded_city_is_read(name: str) -> None:
    study = read_study(embedded_study_path().with_name(name))
    case = build_case(read_inputs(study))
    assert case.instance.n_pair > 0
    check_same(build_case(read_apart(study)), case)


def test_a_notice_reaches_the_manifest_and_the_check(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy_of("csv")
    path = folder / "districts.geojson"
    path.write_text(unicodedata.normalize("NFD", path.read_text("utf-8")), encoding="utf-8")
    plan = run(folder / "study.yaml", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    told = [notice for notice in plan.case.notices if "decomposed" in notice.what]
    assert len(told) == 1
    assert told[0].what in [notice["what"] for notice in manifest["notices"]]
    result = CliRunner().invoke(app, ["check", str(folder / "study.yaml"), "--no-map"])
    assert str(told[0]) in result.output


def test_a_refusal_exits_with_2_and_writes_nothing(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy_of("csv")
    (folder / "vehicles.csv").write_text("demand_id,longitude,latitude,vehicles_ant\na,1,2,x\n")
    (folder / "stations.csv").write_text("")
    out = tmp_path / "out"
    before = sorted(tmp_path.rglob("*"))
    for command in ("plan", "check", "alliance"):
        result = CliRunner().invoke(app, [command, str(folder / "study.yaml"), "-o", str(out)])
        assert result.exit_code == ExitCode.BAD_INPUT
        for part in ("vehicles.csv, row 1, vehicles_ant, value 'x'", "vehicles_bee", "stations"):
            assert part in result.output
    after = [path for path in tmp_path.rglob("*") if path.suffix != ".lock"]  # held, and let go
    assert sorted(after) == before
