"""Tables: what is read exactly as written, what is noticed, what is refused and where."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shapely.geometry import Point

from siting.errors import InputError
from siting.inputs.tables import (
    find_column,
    number_column,
    parse_json,
    read_table,
    rename_columns,
    text_column,
)

HEADER = "id,name,n\n"
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/etc/passwd</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def feature_collection(*properties: dict[str, object], geometry: object = None) -> str:
    geometry = geometry or {"type": "Point", "coordinates": [114.0, 22.5]}
    features = [{"type": "Feature", "properties": p, "geometry": geometry} for p in properties]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def test_ids_and_names_survive_as_text(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path, HEADER + "00123,NA,1\n123456789012345678,None,2\n1e5,null,\n")
    )
    assert list(table.frame["id"]) == ["00123", "123456789012345678", "1e5"]
    assert list(table.frame["name"]) == ["NA", "None", "null"]
    assert list(table.frame["n"]) == ["1", "2", ""]
    assert list(table.frame.index) == [1, 2, 3]
    assert table.notices == ()


@pytest.mark.parametrize(
    ("encoding", "notice"),
    [
        ("utf-8", None),
        ("utf-8-sig", "byte-order mark"),
        ("gbk", "GB18030"),
        ("gb18030", "GB18030"),
        ("utf-16", "UTF-16"),
    ],
)
def test_encodings_of_chinese_exports(tmp_path: Path, encoding: str, notice: str | None) -> None:
    table = read_table(write(tmp_path, (HEADER + "a,武汉站,1\n").encode(encoding)))
    assert list(table.frame.columns) == ["id", "name", "n"]
    assert table.frame["name"].iloc[0] == "武汉站"
    assert [n.what for n in table.notices if notice and notice in n.what] or notice is None


def test_utf16_without_a_mark(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, (HEADER + "a,b,1\n").encode("utf-16-le")))
    assert list(table.frame.iloc[0]) == ["a", "b", "1"]
    assert "UTF-16" in table.notices[0].what


@pytest.mark.parametrize(
    ("content", "row", "what"),
    [
        ("id,name\n1,a\n2,b,c\n", 2, "3 fields where the header has 2"),
        ("id,name\n1\n", 1, "1 fields"),
        ('id,name\n1,a\n2,b"c\n', 2, "stray quote"),
        ('id,name\n1,"a\n2,b\n', 1, "stray quote"),
        ('id,name\n1,"a"b\n', 1, "stray quote"),
        ('id,name\n1,"a,b\n2,c\n3,"d,e\n', 1, "stray quote"),
        ("id,id\n1,2\n", None, "stands twice"),
        ("id,\n1,2\n", None, "no name"),
        ("", None, "is empty"),
        ("  \n\n", None, "is empty"),
        ("id,name\n", None, "no rows"),
        ("id,name\n,\n,\n", None, "no rows"),
        (b"id,name\n1,a\x00b\n", 1, "holds a character"),
        (b"id,name\n1,\xff\xff\n", None, "is not text"),
        (b"PK\x03\x04whatever", None, "not what its suffix says"),
        ("id,name\n1," + "x" * 200_000 + "\n", None, "not a valid CSV"),
    ],
)
def test_broken_files_are_refused_with_their_row(
    tmp_path: Path, content: str | bytes, row: int | None, what: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_table(write(tmp_path, content))
    assert what in caught.value.faults[0].what
    assert caught.value.faults[0].row == row


def test_all_ragged_rows_are_reported_and_many_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_table(write(tmp_path, "a,b\n" + "1,2\n1\n" * 30))
    assert [f.row for f in caught.value.faults[:3]] == [2, 4, 6]
    assert len(caught.value.faults) == 21
    assert "10 more" in caught.value.faults[-1].what


def test_quotes_that_are_right_are_read(tmp_path: Path) -> None:
    text = 'id,name\n1,"a, ""b"""\r\n2,""\n3,"line\nbreak"\n'
    table = read_table(write(tmp_path, text))
    assert list(table.frame["name"]) == ['a, "b"', "", "line\nbreak"]
    assert [n.row for n in table.notices] == [3]


def test_empty_rows_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a,b\n1,2\n,\n\n3,x\n\n"))
    assert list(table.frame.index) == [1, 4]
    _, faults = number_column(table, "b")
    assert [f.row for f in faults] == [4]
    assert "3 empty rows" in table.notices[0].what


def test_spaces_and_decomposed_characters_are_put_right_and_noticed(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "id, name \ncafe\u0301 , x\n"))
    assert list(table.frame.columns) == ["id", "name"]
    assert list(table.frame.iloc[0]) == ["caf\u00e9", "x"]
    assert len(table.notices) == 3


def test_semicolons_and_tabs_are_noticed(tmp_path: Path) -> None:
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        table = read_table(write(tmp_path, f"id{separator}n\na,b{separator}1\n"))
        assert list(table.frame.iloc[0]) == ["a,b", "1"]
        assert word in table.notices[0].what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('"1,234"', "thousands separator"),
        ("\uff11\uff12", "full-width"),
        ("about 5", "not a number"),
        ("5辆", "not a number"),
        ("nan", "not a finite number"),
        ("-inf", "not a finite number"),
        ("1e999", "not a finite number"),
        ("1_000", "not a number"),
        ("0x10", "not a number"),
        ("٣", "not a number"),
        ("", "is empty"),
    ],
)
def test_what_is_no_number(tmp_path: Path, text: str, what: str) -> None:
    table = read_table(write(tmp_path, f"id,n\na,1\nb,{text}\n"))
    values, faults = number_column(table, "n")
    assert values[0] == 1
    assert np.isnan(values[1])
    assert [(f.file, f.row, f.column) for f in faults] == [("t.csv", 2, "n")]
    assert what in faults[0].what


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_exactly(
    tmp_path_factory: pytest.TempPathFactory, number: float
) -> None:
    table = read_table(write(tmp_path_factory.mktemp("n"), f"n,x\n{number!r},\n"))
    values, faults = number_column(table, "n")
    assert faults == []
    assert values[0] == number


def test_missing_numbers_take_the_default(tmp_path: Path) -> None:
    values, faults = number_column(read_table(write(tmp_path, "a,n\nx,\n")), "n", missing=7.0)
    assert values.tolist() == [7.0]
    assert faults == []


def test_parquet_keeps_texts_numbers_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame(
        {
            "id": ["00123", "e\u0301"],
            "big": [123456789012345678, 2],
            "f": [1054.0, 7.0],
            "half": [0.5, 1.0],
            "lost": [1.2e17, 1.0],
            "name": pd.Categorical([" NA", None]),
            "n": pd.array([1, None], dtype="Int64"),
            "flag": [True, False],
        }
    ).to_parquet(path)
    table = read_table(path)
    assert list(table.frame["id"]) == ["00123", "\u00e9"]
    assert list(table.frame["name"]) == ["NA", ""]
    assert list(text_column(table, "big")[0]) == ["123456789012345678", "2"]
    assert list(text_column(table, "f")[0]) == ["1054", "7"]
    assert [f.row for f in text_column(table, "half")[1]] == [1]
    assert [f.row for f in text_column(table, "lost")[1]] == [1]
    assert [f.row for f in number_column(table, "n")[1]] == [2]
    assert number_column(table, "n", missing=0.0)[0].tolist() == [1.0, 0.0]
    assert "true and false" in number_column(table, "flag")[1][0].what


def test_torn_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": range(100)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not a valid Parquet"):
        read_table(path)


def test_geojson_ids_are_not_guessed(tmp_path: Path) -> None:
    text = feature_collection({"id": "00123", "n": 1}, {"id": 7, "n": None}, {"id": "1e5", "n": 2})
    table = read_table(write(tmp_path, text, "t.geojson"))
    assert list(text_column(table, "id")[0]) == ["00123", "7", "1e5"]
    assert number_column(table, "n", missing=0.0)[0].tolist() == [1.0, 0.0, 2.0]
    assert isinstance(table.frame, gpd.GeoDataFrame)
    assert table.frame.crs.to_epsg() == 4326


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (VRT, "not what its suffix says"),
        ("[1, 2]", "not what its suffix says"),
        ('{"type": "FeatureCollection", "features": []}', "no feature"),
        ('{"type": "Point", "coordinates": [1, 2]}', "no GeoJSON FeatureCollection"),
        ('{"type": "FeatureCollection", "features": [1]}', "no GeoJSON FeatureCollection"),
        ('{"features": [{"properties": [1]}]}', "no object"),
        ('{"features": [', "not valid JSON"),
        ('{"features": ' + "[" * 100_000, "not valid JSON"),
        ('{"features": [{"properties": {"a": 1, "a": 2}}]}', "'a' stands twice"),
        ('{"crs": {}, "features": [{"properties": {}}]}', "crs member without a name"),
        (
            '{"crs": {"properties": {"name": "moon"}}, "features": [{"properties": {"a": 1}}]}',
            "unknown CRS",
        ),
        (
            '{"features": [{"geometry": {"type": "Point", "coordinates": [NaN, 1]}}]}',
            "no valid GeoJSON geometry",
        ),
        (
            '{"features": [{"properties": {"a": 1}, "geometry": {"type": "Blob"}}]}',
            "no valid GeoJSON geometry",
        ),
    ],
)
def test_bad_geojson_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(write(tmp_path, text, "t.geojson"))
    assert what in caught.value.faults[0].what


def test_geojson_with_a_projected_crs_member(tmp_path: Path) -> None:
    text = feature_collection({"a": 1})[:-1]
    text += ', "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}}'
    table = read_table(write(tmp_path, text, "t.geojson"))
    assert isinstance(table.frame, gpd.GeoDataFrame)
    assert table.frame.crs.to_epsg() == 32650


def test_geopackage_and_geoparquet(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {"id": ["00123"], "name": ["武汉"]}, geometry=[Point(500_000, 3_380_000)], crs="EPSG:32650"
    )
    frame.to_file(tmp_path / "t.gpkg", driver="GPKG", layer="a")
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.gpkg", "t.parquet"):
        table = read_table(tmp_path / name)
        assert isinstance(table.frame, gpd.GeoDataFrame)
        assert table.frame.crs.to_epsg() == 32650
        assert table.frame["id"].iloc[0] == "00123"
    frame.to_file(tmp_path / "t.gpkg", driver="GPKG", layer="b")
    with pytest.raises(InputError, match="2 layers: a, b"):
        read_table(tmp_path / "t.gpkg")
    assert len(read_table(tmp_path / "t.gpkg", layer="b").frame) == 1
    with pytest.raises(InputError, match="no layer 'c'"):
        read_table(tmp_path / "t.gpkg", layer="c")


def test_what_gdal_warns_of_is_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "t.gpkg"
    gpd.GeoDataFrame({"id": ["1"]}, geometry=[Point(1, 2)], crs="EPSG:4326").to_file(path)
    with sqlite3.connect(path) as database:  # a value that its column's type does not allow
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in database.execute(triggers).fetchall():
            database.execute(f"DROP TRIGGER {name}")  # they call functions that only GDAL has
        database.execute("ALTER TABLE t ADD COLUMN d DATETIME")
        database.execute("UPDATE t SET d = 'soon'")
    database.close()
    assert any("GDAL warns" in notice.what for notice in read_table(path).notices)


@pytest.mark.parametrize("name", ["t.gpkg", "t.geojson", "t.parquet"])
def test_a_vrt_in_disguise_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not what its suffix says"):
        read_table(write(tmp_path, VRT, name))


def test_a_sqlite_file_that_is_no_geopackage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a valid GeoPackage"):
        read_table(write(tmp_path, b"SQLite format 3\0" + b"\0" * 100, "t.gpkg"))


@pytest.mark.parametrize(
    "path",
    ["/vsicurl/http://x/t.geojson", "http://x/t.geojson", "/data/https://x/t.csv", "//host/t.csv"],
)
def test_addresses_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="not a local file"):
        read_table(Path(path))


def test_unknown_suffix_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="save a spreadsheet as CSV"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "folder.csv")


def test_renames_and_names(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "Type,Lon,kind\nfuel,114.0,x\n"))
    renamed = rename_columns(table, {"kind": "Type"})
    assert renamed.frame["kind"].tolist() == ["fuel"]
    assert find_column(table, ("longitude", "lon")) == "Lon"
    assert find_column(table, ("lat",)) is None
    with pytest.raises(InputError, match="the file has: Type, Lon, kind"):
        rename_columns(table, {"kind": "typ"})


@example(b"\x00\x00\x02\x02" + bytes(76), ".gpkg")  # a header of SQLite's WAL form makes GDAL warn
@given(st.binary(max_size=300), st.sampled_from([".csv", ".geojson", ".gpkg", ".parquet"]))
def test_no_bytes_bring_more_than_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, suffix: str
) -> None:
    magic = {".gpkg": b"SQLite format 3\0", ".parquet": b"PAR1", ".geojson": b"{", ".csv": b""}
    path = write(tmp_path_factory.mktemp("fuzz"), magic[suffix] + raw, f"t{suffix}")
    with contextlib.suppress(InputError):
        read_table(path)


def test_escaped_characters_are_characters() -> None:
    content, notices = parse_json(r'{"a": "e\u0301\ud83d\ude97", "b": "\\u00e9\u0022"}', file="t")
    assert content == {"a": "é🚗", "b": r'\u00e9"'}
    assert "decomposed" in str(notices[0])


@pytest.mark.parametrize(
    "text", [r'"\ud800"', r'"\ude97\ud83d"', r'"\u0000"', '{"a": 1, "a": 2}', '"\\', "[" * 100_000]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not valid JSON"):
        parse_json(text, file="t")
