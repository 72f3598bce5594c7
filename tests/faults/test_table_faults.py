"""Tables as they come from spreadsheets and other people's exports."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd
import pytest
from planting import pick, plant_each

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    import numpy as np

NUMBERS = {
    "vehicles.csv": ("vehicles_ant", "vehicles_bee", "longitude", "latitude"),
    "stations.csv": ("connectors", "power_kw", "longitude"),
    "candidates.csv": ("longitude", "latitude"),
}
IDS = {"vehicles.csv": "demand_id", "stations.csv": "station_id", "candidates.csv": "site_id"}
FILES = tuple(IDS)
NO_NUMBERS = (
    "about 5", "1,234", "1 234", "１２",
    "5辆", "NaN", "nan", "inf", "-inf", "1e999", "0x10", "1_000",
    "٣", "N/A", "None", "null", "TRUE", "5%", "-", "1.2.3", "114°18'", "#REF!", "",
)  # fmt: skip
NO_IDS = ("1.23E+11", "4.7e+08", "a\u200bb", "a\u202eb", "a\u00adb", "", "   ", "x" * 501)


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def set_cell(path: Path, row: int, column: str, value: str) -> None:
    rows = rows_of(path)
    rows[row][rows[0].index(column)] = value
    write_rows(path, rows)


def any_row(rng: np.random.Generator, path: Path) -> int:
    return int(rng.integers(1, len(rows_of(path))))


def any_table(rng: np.random.Generator, folder: Path) -> Path:
    return folder / pick(rng, FILES)


# ---------------------------------------------------------------- refused: a cell, a row, a file


def no_number(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    row, column, value = any_row(rng, path), pick(rng, NUMBERS[path.name]), pick(rng, NO_NUMBERS)
    set_cell(path, row, column, value)
    return rf"{path.name}, row {row}, {column}\b.*(not a|thousands|full-width|is empty)"


def negative_number(rng: np.random.Generator, folder: Path) -> str:
    name, column = pick(rng, [("vehicles.csv", "vehicles_ant"), ("stations.csv", "connectors"),
                              ("stations.csv", "power_kw")])  # fmt: skip
    row = any_row(rng, folder / name)
    set_cell(folder / name, row, column, f"-{rng.integers(1, 99)}")
    return rf"{name}, row {row}, {column}, value '-.*(negative|not greater)"


def part_of_a_connector(rng: np.random.Generator, folder: Path) -> str:
    row = any_row(rng, folder / "stations.csv")
    set_cell(folder / "stations.csv", row, "connectors", "2.5")
    return rf"stations.csv, row {row}, connectors, value '2.5': is not whole"


def power_of_zero(rng: np.random.Generator, folder: Path) -> str:
    row = any_row(rng, folder / "stations.csv")
    set_cell(folder / "stations.csv", row, "power_kw", pick(rng, ["0", "0.0", "60000"]))
    return rf"stations.csv, row {row}, power_kw.*(not greater than zero|more than 4,000 kW)"


def no_id(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    row, column = any_row(rng, path), IDS[path.name]
    set_cell(path, row, column, pick(rng, NO_IDS))
    shown = "zone_id" if path.name == "vehicles.csv" else column
    return rf"{path.name}, row {row}, {shown}.*(digits are lost|invisible|is empty|longer than)"


def same_id_twice(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    rows = rows_of(path)
    at = rows[0].index(IDS[path.name])
    rows[2][at] = pick(rng, [rows[1][at], f" {rows[1][at]} "])
    write_rows(path, rows)
    return rf"{path.name}, row [12], .*stands more than once"


def ids_that_differ_in_form_alone(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    for row, form in ((1, "NFC"), (2, "NFD")):
        set_cell(path, row, IDS[path.name], unicodedata.normalize(form, "café"))
    return rf"{path.name}, row [12], .*stands more than once"


def one_field_too_many_or_few(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    rows, row = rows_of(path), any_row(rng, path)
    rows[row] = pick(rng, [[*rows[row], "7"], rows[row][:-1], [*rows[row], ""]])
    write_rows(path, rows)
    return rf"{path.name}, row {row}, .* fields where the header has"


def stray_quote(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    lines = path.read_text(encoding="utf-8").splitlines()
    row = int(rng.integers(1, len(lines)))
    at = int(rng.integers(1, len(lines[row]) - 1))
    lines[row] = f'{lines[row][:at]}"x{lines[row][at:]}'
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return rf"{path.name}, row {row}, .*stray quote"


def column_twice(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    column = pick(rng, NUMBERS[path.name])
    rows = rows_of(path)
    at = rows[0].index(column)
    write_rows(path, [[*row, row[at]] for row in rows])
    return rf"{path.name}, {column}: stands twice in the header"


def column_without_name(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    rows = rows_of(path)
    at = int(rng.integers(len(rows[0]) + 1))
    write_rows(path, [[*row[:at], "" if k == 0 else "7", *row[at:]] for k, row in enumerate(rows)])
    return rf"{path.name}, column {at + 1}: has no name"


def column_missing_or_misspelt(rng: np.random.Generator, folder: Path) -> str:
    name, column = pick(rng, [("vehicles.csv", "vehicles_bee"), ("candidates.csv", "latitude"),
                              ("vehicles.csv", "longitude")])  # fmt: skip
    path = folder / name
    rows = rows_of(path)
    at = rows[0].index(column)
    rows[0][at] = pick(rng, [column.title(), f"{column}s", f"{column[:-1]}"])
    if rows[0][at].lower() == column and "vehicles" not in column:  # longitude in any case will do
        rows[0][at] = "somewhere"
    write_rows(path, rows)
    return rf"{name}, {column}: this column is missing"


def nothing_in_it(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    header = path.read_text(encoding="utf-8").splitlines()[0]
    path.write_text(pick(rng, ["", "\n\n", " \t\n", header, header + "\n", header + "\n,,\n"]))
    return rf"{path.name}.*(is empty|no rows|fields where)"


def no_text(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    raw = path.read_bytes()
    broken = [b"PK\x03\x04" + raw, raw + b"\xff\xfe\xff", raw.replace(b"a", b"\x00", 1),
              b"\xff\xfe" + raw[:21]]  # fmt: skip
    path.write_bytes(pick(rng, broken))
    return rf"{path.name}"


def word_that_is_none(rng: np.random.Generator, folder: Path) -> str:
    column, value, why = pick(rng, [
        ("access", "publik", "neither public nor private"), ("status", "open", "is no status"),
        ("available_share", "1.5", "more than 1"), ("owner_brand", "nio", "does not have"),
        ("illustrative", "perhaps", "neither true nor false"), ("open_to", "ant;nio", "does not"),
    ])  # fmt: skip
    frame = pd.read_csv(folder / "stations.csv", dtype=str).assign(**{column: value})
    frame.to_csv(folder / "stations.csv", index=False)
    return rf"stations.csv.*{column}.*{value}.*{why}"


def no_vehicles_at_all(rng: np.random.Generator, folder: Path) -> str:
    frame = pd.read_csv(folder / "vehicles.csv").assign(vehicles_ant=0, vehicles_bee=0)
    frame.sample(frac=1, random_state=int(rng.integers(99))).to_csv(
        folder / "vehicles.csv", index=False
    )
    return "vehicles.csv: holds no vehicles at all"


def join_loses_a_zone(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "vehicles.csv"
    row = any_row(rng, path)
    value = rows_of(path)[row][0]
    set_cell(path, row, "demand_id", pick(rng, [value.upper(), f"0{value}", f"{value}.0", "x"]))
    return rf"vehicles.csv, row {row}, zone_id, value .*has no polygon in zones.geojson"


def join_finds_a_zone_twice(rng: np.random.Generator, folder: Path) -> str:
    zones = gpd.read_file(folder / "zones.geojson")
    again = zones.iloc[[int(rng.integers(len(zones)))]]
    pd.concat([zones, again]).to_file(folder / "zones.geojson", driver="GeoJSON")
    return r"zones.geojson, row \d, zone_id.*stands more than once"


def parquet_of_wrong_types(rng: np.random.Generator, folder: Path) -> str:
    frame = pd.read_parquet(folder / "vehicles.parquet")
    column, change, why = pick(rng, [
        ("vehicles_ant", [True, False, True], "true and false"),
        ("vehicles_ant", [1.0, None, 2.0], "is empty"),
        ("vehicles_bee", [1.0, float("inf"), 2.0], "not a finite number"),
        ("demand_id", [1.5, 2.0, 3.0], "lost digits"),
        ("demand_id", [1.2e17, 2.0, 3.0], "lost digits"),
        ("longitude", ["114.3", "about 5", "114.4"], "is not a number"),
    ])  # fmt: skip
    frame.assign(**{column: change}).to_parquet(folder / "vehicles.parquet")
    return rf"vehicles.parquet.*({column}|zone_id).*{why}"


REFUSED = {
    "csv": (
        no_number, negative_number, part_of_a_connector, power_of_zero, no_id, same_id_twice,
        ids_that_differ_in_form_alone, one_field_too_many_or_few, stray_quote, column_twice,
        column_without_name, column_missing_or_misspelt, nothing_in_it, no_text,
        word_that_is_none, no_vehicles_at_all,
    ),
    "joined": (join_loses_a_zone, join_finds_a_zone_twice),
    "parquet": (parquet_of_wrong_types,),
}  # fmt: skip


# ------------------------------------------------------------- noticed: read, and said how it was


def other_encoding(rng: np.random.Generator, folder: Path) -> str:
    path = folder / pick(rng, ["stations.csv", "districts.geojson"])
    text = path.read_text(encoding="utf-8").replace("é", "氟").replace("\\u00e9", "氟")
    text = text.replace('"Hé"', '"河氟"')
    encoding, says = pick(rng, [
        ("gbk", "GB18030"), ("gb18030", "GB18030"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"),
        ("utf-8-sig", "byte-order mark"),
    ])  # fmt: skip
    if path.suffix == ".geojson":
        encoding, says = "gb18030", "GB18030"
    path.write_bytes(text.encode(encoding))
    return rf"{path.name}: .*{says}"


def other_separator(rng: np.random.Generator, folder: Path) -> str:
    path, separator = any_table(rng, folder), pick(rng, [";", "\t"])
    pd.read_csv(path, dtype=str).to_csv(path, index=False, sep=separator)
    return rf"{path.name}: is separated by (semicolons|tabs)"


def spaces_around(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    row, column, space = any_row(rng, path), pick(rng, rows_of(path)[0]), pick(rng, " \u3000\u00a0")
    rows = rows_of(path)
    set_cell(path, row, column, f"{space}{rows[row][rows[0].index(column)]}{space}")
    return rf"{path.name}, {column}: 1 values had spaces around them"


def decomposed_name(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, ["stations.csv", "districts.geojson"])
    path = folder / name
    text = path.read_text(encoding="utf-8")
    path.write_text(unicodedata.normalize("NFD", text), encoding="utf-8")
    return rf"{name}: has characters in decomposed form"


def empty_rows(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    rows, row = rows_of(path), any_row(rng, path)
    write_rows(path, [*rows[:row], [""] * len(rows[0]), *rows[row:]])
    return rf"{path.name}: has 1 empty rows"


def row_repeated(rng: np.random.Generator, folder: Path) -> str:
    rows, row = rows_of(folder / "stations.csv"), any_row(rng, folder / "stations.csv")
    write_rows(folder / "stations.csv", [*rows, rows[row]])
    return r"stations.csv: 1 rows repeat another row in every column; read once"


def line_break_in_a_name(rng: np.random.Generator, folder: Path) -> str:
    row = any_row(rng, folder / "stations.csv")
    set_cell(folder / "stations.csv", row, "name", pick(rng, ["a\nb", "a\r\nb"]))
    return rf"stations.csv, row {row}: a quoted field holds a line break"


def column_of_no_brand(rng: np.random.Generator, folder: Path) -> str:
    frame = pd.read_csv(folder / "vehicles.csv")
    name = pick(rng, ["vehicles_cat", "Vehicles_Ant", "vehicles ant", "vehicles_ant.1"])
    frame.assign(**{name: 7}).to_csv(folder / "vehicles.csv", index=False)
    return rf"vehicles.csv: these columns are not used: {name}"


def column_misspelt_that_may_be_missing(rng: np.random.Generator, folder: Path) -> str:
    path, name = pick(rng, [
        (folder / "candidates.csv", "connector_max"), (folder / "candidates.csv", "rent"),
        (folder / "stations.csv", "acces"), (folder / "vehicles.csv", "public share"),
    ])  # fmt: skip
    pd.read_csv(path, dtype=str).assign(**{name: "1"}).to_csv(path, index=False)
    return rf"{path.name}: these columns are not used: {name}"


def station_without_connectors(rng: np.random.Generator, folder: Path) -> str:
    row = any_row(rng, folder / "stations.csv")
    set_cell(folder / "stations.csv", row, "connectors", "0")
    return "stations.csv, connectors: 1 stations have no connector"


def site_without_room(rng: np.random.Generator, folder: Path) -> str:
    column = pick(rng, ["connectors_max", "grid_limit_kw"])
    frame = pd.read_csv(folder / "candidates.csv", dtype=str).assign(**{column: ["0", "9999"]})
    frame.to_csv(folder / "candidates.csv", index=False)
    return "1 of 2 candidate sites have no room or power for any tier"


def station_that_is_gone(rng: np.random.Generator, folder: Path) -> str:
    frame = pd.read_csv(folder / "stations.csv", dtype=str)
    frame["status"] = ["operational", pick(rng, ["planned", "closed"])]
    frame.to_csv(folder / "stations.csv", index=False)
    return "1 stations are planned or closed"


def ids_left_out(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    pd.read_csv(path, dtype=str).drop(columns=IDS[path.name]).to_csv(path, index=False)
    return rf"{path.name}: has no column (of ids|station_id|site_id)"


def polygons_unused(rng: np.random.Generator, folder: Path) -> str:
    zones = gpd.read_file(folder / "zones.geojson")
    more = zones.iloc[[int(rng.integers(len(zones)))]].assign(demand_id="more")
    pd.concat([zones, more]).to_file(folder / "zones.geojson", driver="GeoJSON")
    return r"zones.geojson: 1 of its 4 zones have no vehicles"


NOTICED = {
    "csv": (
        other_encoding, other_separator, spaces_around, decomposed_name, empty_rows, row_repeated,
        line_break_in_a_name, column_of_no_brand, column_misspelt_that_may_be_missing,
        station_without_connectors, site_without_room, station_that_is_gone, ids_left_out,
    ),
    "joined": (polygons_unused,),
}  # fmt: skip


def zone_without_vehicles(rng: np.random.Generator, folder: Path) -> str:
    row = any_row(rng, folder / "vehicles.csv")
    for brand in ("vehicles_ant", "vehicles_bee"):
        set_cell(folder / "vehicles.csv", row, brand, pick(rng, ["0", "0.0", "-0"]))
    return "1 zones have no vehicles of any brand"


def brand_without_vehicles(rng: np.random.Generator, folder: Path) -> str:
    brand = pick(rng, ["vehicles_ant", "vehicles_bee"])
    pd.read_csv(folder / "vehicles.csv").assign(**{brand: 0}).to_csv(
        folder / "vehicles.csv", index=False
    )
    return rf"vehicles.csv, {brand}: this brand has no vehicles"


NOTICED_WITH_LESS_DEMAND = (zone_without_vehicles, brand_without_vehicles)


# -------------------------------------------------------------------- harmless: nothing may change


def written_otherwise(rng: np.random.Generator, folder: Path) -> str:
    path = any_table(rng, folder)
    text = path.read_text(encoding="utf-8")
    rows = rows_of(path)
    order = rng.permutation(len(rows[0]))
    quoted, shuffled = io.StringIO(), io.StringIO()
    csv.writer(quoted, quoting=csv.QUOTE_ALL).writerows(rows)
    csv.writer(shuffled).writerows([[row[k] for k in order] for row in rows])
    forms = [text.replace("\n", "\r\n"), text.rstrip("\n"), quoted.getvalue(), shuffled.getvalue()]
    path.write_bytes(pick(rng, forms).encode())
    return "never said"


def number_written_otherwise(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "vehicles.csv"
    rows = rows_of(path)
    row, at = any_row(rng, path), rows[0].index("vehicles_ant")
    value = int(float(rows[row][at]))
    rows[row][at] = pick(rng, [f"+{value}", f"{value}.", f"{value}.000", f"{value}e0", f"0{value}"])
    write_rows(path, rows)
    return "never said"


HARMLESS = (written_otherwise, number_written_otherwise)


test_refused = plant_each(REFUSED, "refused")
test_noticed = plant_each(NOTICED, "noticed")
test_less_demand_is_noticed = plant_each(
    {"csv": NOTICED_WITH_LESS_DEMAND}, "noticed", may_change_demand=True
)
test_harmless = plant_each({"csv": HARMLESS}, "harmless")


@pytest.mark.parametrize(
    "name", ["00123", "123456789012345678", "NA", "None", "null", "TRUE", "武汉", "café"]
)
def test_ids_and_names_come_out_as_written(
    name: str, copy_of: Callable[[str], Path], read_folder: Callable[[Path], Any]
) -> None:
    folder = copy_of("csv")
    for file, column in IDS.items():
        set_cell(folder / file, 1, column, name)
        if file != "vehicles.csv":
            set_cell(folder / file, 1, "name", name)
    case = read_folder(folder).case
    assert name in case.instance.demand_ids
    for table, column in ((case.stations, "station_id"), (case.candidates, "site_id")):
        assert name in table[column].tolist()
        assert name in table["name"].tolist()


def test_the_faults_of_every_file_come_at_once(
    copy_of: Callable[[str], Path], read_folder: Callable[[Path], Any]
) -> None:
    folder = copy_of("csv")
    set_cell(folder / "vehicles.csv", 1, "vehicles_ant", "about 5")
    set_cell(folder / "vehicles.csv", 2, "vehicles_bee", "-1")
    set_cell(folder / "stations.csv", 1, "connectors", "1,234")
    set_cell(folder / "candidates.csv", 2, "longitude", "inf")
    (folder / "roads.npz").write_bytes(b"PK")
    (folder / "districts.geojson").write_text("{")
    said = "\n".join(map(str, read_folder(folder).faults))
    for place in (
        "vehicles.csv, row 1, vehicles_ant, value 'about 5'",
        "vehicles.csv, row 2, vehicles_bee, value '-1'",
        "stations.csv, row 1, connectors, value '1,234'",
        "candidates.csv, row 2, longitude, value 'inf'",
        "roads.npz",
        "districts.geojson",
    ):
        assert place in said, said
