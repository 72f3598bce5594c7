"""The study: what is read, what is refused, and that every fault comes with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from siting.errors import ExitCode, StudyError
from siting.study import (
    Study,
    energy_by_brand,
    parse_study,
    read_study,
    study_schema,
    total_budget_cny,
)

FOLDER = Path("/somewhere")
SMALLEST = """\
name: toy
title: {en: Toy town}
brands:
  - {id: aito, name: Aito}
inputs:
  roads: {path: roads.npz}
  vehicles: {path: vehicles.csv}
  candidates: {source: network, count: 5}
tiers:
  - {id: small, name: {en: Small}, connectors: 4, power_kw: 120, cost_cny: 1.0e+6}
requirements: {budget_cny: 5.0e+6}
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study(text, file="study.yaml", folder=FOLDER)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    return [str(fault) for fault in caught.value.faults]


def test_the_smallest_study_has_defaults_and_absolute_paths() -> None:
    study = parse_study(SMALLEST, folder=FOLDER)
    assert study.inputs.roads.path == FOLDER / "roads.npz"
    assert study.access.cutoff_minutes == 10.0
    assert study.requirements.budget_cny == 5e6


def test_a_study_is_frozen() -> None:
    study = parse_study(SMALLEST, folder=FOLDER)
    with pytest.raises(ValidationError, match="frozen"):
        study.name = "other"  # type: ignore[misc]


def test_all_faults_come_at_once_each_with_its_line() -> None:
    text = SMALLEST.replace("connectors: 4", "connectors: 0").replace(
        "budget_cny: 5.0e+6", "budget_cny: .nan, buget: 3"
    )
    faults = faults_of(text)
    assert len(faults) == 3
    assert any("row 10, tiers[0].connectors" in fault for fault in faults)
    assert any("requirements.budget_cny" in fault and "finite" in fault for fault in faults)
    assert any("requirements.buget" in fault and "unknown key" in fault for fault in faults)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no mapping"),
        ("- 1\n- 2", "no mapping"),
        ("name: [1, 2", "not valid YAML"),
        ("name: a\nname: b", "duplicate key"),
        ("a: &x [1]\nb: *x", "aliases are refused"),
        ("a: &x [*x]", "aliases are refused"),
        ("name: !!python/object/apply:os.system ['true']", "tags are refused"),
        ("name: \x07", "not valid YAML"),
    ],
)
def test_what_is_no_study_is_refused_in_words(text: str, word: str) -> None:
    assert any(word in fault for fault in faults_of(text))


def test_yaml_1_2_reads_a_norwegian_brand_and_numbers_as_written() -> None:
    study = parse_study(
        SMALLEST.replace("id: aito, name: Aito", "id: NO, name: NO").replace("1.0e+6", "1e6"),
        folder=FOLDER,
    )
    assert study.brands[0].id == "NO"
    assert study.tiers[0].cost_cny == 1e6


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("{path: roads.npz}", "{}", "either a path or a place"),
        ("{path: roads.npz}", "{path: a, place: b}", "either a path or a place"),
        ("budget_cny: 5.0e+6", "budget_cny: 5, required: [a], forbidden: [a]", "both required"),
        ("  - {id: aito, name: Aito}", "  - {id: a, name: A}\n  - {id: a, name: B}", "twice"),
        ("tiers:", "access: {worth: steps}\ntiers:", "steps are given exactly when"),
    ],
)
def test_requests_that_make_no_sense_are_refused(old: str, new: str, word: str) -> None:
    assert any(word in fault for fault in faults_of(SMALLEST.replace(old, new)))


def test_a_missing_file_is_a_fault_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        read_study(tmp_path / "absent.yaml")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 1_000_001)
    with pytest.raises(StudyError, match="keep it under 1 MB"):
        read_study(huge)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(StudyError, match="not UTF-8"):
        read_study(binary)


@given(st.text(max_size=200))
def test_no_text_escapes_as_anything_but_a_study_error(text: str) -> None:
    try:
        parse_study(text, folder=FOLDER)
    except StudyError:
        return
    raise AssertionError("a random text was taken for a study")


def test_the_schema_explains_every_key() -> None:
    schema = study_schema()
    json.dumps(schema)
    for name, model in schema["$defs"].items():
        for key, field in model.get("properties", {}).items():
            target = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            explained = field.get("description") or target.get("description")
            assert explained, f"{name}.{key} is not explained"


def test_hours_come_as_ranges_or_as_24_values() -> None:
    ranges = "{path: r.npz, congestion: {primary: {7-9: 1.5, 22-6: 1.1}, other: HOURS}}".replace(
        "HOURS", str([1.0] * 23 + [2.0])
    )
    study = parse_study(SMALLEST.replace("{path: roads.npz}", ranges) + "hour: 8\n", folder=FOLDER)
    primary = study.inputs.roads.congestion["primary"]
    assert [h for h, factor in enumerate(primary) if factor == 1.5] == [7, 8]
    assert [h for h, factor in enumerate(primary) if factor == 1.1] == [0, 1, 2, 3, 4, 5, 22, 23]
    assert study.inputs.roads.congestion["other"][22:] == (1.0, 2.0)
    assert study.hour == 8


@pytest.mark.parametrize(
    ("hours", "word"),
    [
        ("{7-7: 2}", "no range of hours"),
        ("{24-25: 2}", "no range of hours"),
        ("{morning: 2}", "no range of hours"),
        ("{7-9: 2, 8-10: 3}", "8:00 lies in two ranges"),
        ("{7-9: 0.5}", "greater than or equal to 1"),
        ("{7-9: .nan}", "finite"),
        ("[1, 2]", "at least 24"),
        ("2", "valid tuple"),
    ],
)
def test_hours_that_make_no_sense_are_refused(hours: str, word: str) -> None:
    text = f"{{path: r.npz, congestion: {{primary: {hours}}}}}"
    assert any(word in fault for fault in faults_of(SMALLEST.replace("{path: roads.npz}", text)))


@pytest.mark.parametrize(
    ("vehicles", "word"),
    [
        ("{}", "a path for all others"),
        ("{path: v.csv, format: raster}", "give rasters"),
        ("{format: zones, rasters: [{brand: aito, path: a.tif}]}", "give rasters"),
        ("{format: raster, rasters: [{brand: a, path: a}, {brand: a, path: b}]}", "one raster"),
        ("{format: raster, rasters: [{brand: a, path: a, band: 0}]}", "greater than or equal to 1"),
        ("{path: v.csv, spread: population}", "points stay where they are"),
        ("{path: v.csv, format: h3, spread: population}", "needs a layer"),
    ],
)
def test_vehicles_that_make_no_sense_are_refused(vehicles: str, word: str) -> None:
    text = SMALLEST.replace("{path: vehicles.csv}", vehicles)
    assert any(word in fault for fault in faults_of(text))


def test_relative_paths_of_rasters_start_from_the_study() -> None:
    rasters = "{format: raster, rasters: [{brand: aito, path: a.tif}]}"
    study = parse_study(SMALLEST.replace("{path: vehicles.csv}", rasters), folder=FOLDER)
    assert study.inputs.vehicles.rasters[0].path == FOLDER / "a.tif"
    assert study.inputs.vehicles.file_name == "a.tif"


def test_an_hour_needs_congestion_by_hour() -> None:
    assert any("changes nothing" in fault for fault in faults_of(SMALLEST + "hour: 8\n"))


def test_a_brands_own_figures_go_before_the_studys() -> None:
    text = SMALLEST.replace(
        "name: Aito}", "name: Aito, public_share: 0.0}\n  - {id: other, name: Other}"
    )
    figures = energy_by_brand(parse_study(text + "energy: {km_per_day: 50}\n", folder=FOLDER))
    assert figures["aito"].model_dump() == {
        "km_per_day": 50,
        "kwh_per_km": 0.18,
        "public_share": 0.0,
    }
    assert figures["other"].public_share == 0.35


def test_the_joint_budget_is_at_most_what_the_brands_bring() -> None:
    study = parse_study(SMALLEST, folder=FOLDER)
    assert total_budget_cny(study) == 5e6
    poor = parse_study(SMALLEST.replace("name: Aito", "name: Aito, budget_cny: 2e6"), folder=FOLDER)
    assert total_budget_cny(poor) == 2e6
    assert isinstance(poor, Study)


def test_changes_replace_values_by_key_id_and_index() -> None:
    changes = {
        "requirements.budget_cny": "5e6",
        "brands.aito.floor": "0.5",
        "tiers.0.cost_cny": "7",
        "solve.gap": "0.02",
        "requirements.forbidden": '["WEST", "EAST"]',
    }
    study = parse_study(SMALLEST, folder=FOLDER, changes=changes)
    assert study.requirements.budget_cny == 5e6
    assert study.brands[0].floor == 0.5
    assert study.tiers[0].cost_cny == 7.0
    assert study.solve.gap == 0.02
    assert study.requirements.forbidden == ["WEST", "EAST"]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("brands.bee.floor", "0.5", "no such key"),
        ("brands.7.floor", "0.5", "no such key"),
        ("requirements.required", "[WEST", "not valid JSON"),
        ("requirements.budget_cny", "-1", "greater than or equal to 0"),
        ("requirements.bugdet_cny", "1", "unknown key"),
    ],
)
def test_a_change_that_fits_nowhere_is_a_fault(key: str, value: str, what: str) -> None:
    with pytest.raises(StudyError, match=what) as caught:
        parse_study(SMALLEST, folder=FOLDER, changes={key: value})
    assert [fault.column for fault in caught.value.faults] == [key]


def test_a_notebook_shows_what_is_asked() -> None:
    html = parse_study(SMALLEST.replace("Aito", "<b>Aito"), folder=FOLDER)._repr_html_()
    for part in ("Toy town", "budget 5,000,000 CNY", "95% wait at most 5 minutes", "1,000,000"):
        assert part in html, part
    assert "<b>" not in html
