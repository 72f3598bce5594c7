"""Files made to do harm: bombs, disguises, addresses, code; and names that want to be code."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from planting import set_study

from siting.batch.jobs import read_jobs
from siting.errors import ExitCode, OutputError, StudyError
from siting.pipeline import run

if TYPE_CHECKING:
    from collections.abc import Callable

    Plant = Callable[[Path], str]

MAX_PEAK_MIB = 1500
MAX_CPU_S = 20.0
CANDIDATES = "{source: file, path: candidates.csv}"
LAUGHS = "".join(
    f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' if k else '<!ENTITY l0 "ha">' for k in range(12)
)
BOMB_HEAD = f'<?xml version="1.0"?><!DOCTYPE x [{LAUGHS}]>'
VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="t"><SrcDataSource>/etc/passwd</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)


class Bait:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("open('/tmp/siting-was-pwned', 'w')",)


def use_roads(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    set_study(folder, "roads.npz", name)


def osm_body(tags: str) -> str:
    return f'<osm version="0.6"><node id="1" version="1" lon="114.3" lat="30.6">{tags}</node></osm>'


# -------------------------------------------------------------------- plants: bombs and disguises


def entity_chain_in_osm_roads(folder: Path) -> str:
    use_roads(folder, "r.osm", (BOMB_HEAD + osm_body('<tag k="a" v="&l11;"/>')).encode())
    return "declares a document type"


def entity_chain_in_graphml(folder: Path) -> str:
    use_roads(folder, "r.graphml", (BOMB_HEAD + "<graphml>&l11;</graphml>").encode())
    return "declares a document type"


def entity_of_a_file_in_graphml(folder: Path) -> str:
    head = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    use_roads(folder, "r.graphml", (head + "<graphml>&f;</graphml>").encode())
    return "declares a document type"


def entity_chain_in_utf16(folder: Path) -> str:
    use_roads(folder, "r.graphml", (BOMB_HEAD + "<graphml>&l11;</graphml>").encode("utf-16"))
    return "declares a document type"


def entity_chain_in_osm_candidates(folder: Path) -> str:
    text = BOMB_HEAD + osm_body('<tag k="amenity" v="fuel"/><tag k="name" v="&l11;"/>')
    (folder / "c.osm").write_text(text)
    set_study(folder, CANDIDATES, "{source: osm, path: c.osm}")
    return "not a valid OSM file"


def entity_chain_in_osm_water(folder: Path) -> str:
    (folder / "w.osm").write_text(BOMB_HEAD + osm_body('<tag k="natural" v="&l11;"/>'))
    candidates = f"candidates: {CANDIDATES}"
    set_study(folder, candidates, f"water: {{path: w.osm}}\n  {candidates}")
    return "not a valid OSM file"


def entity_chain_in_osm_stations(folder: Path) -> str:
    text = BOMB_HEAD + osm_body('<tag k="amenity" v="charging_station"/><tag k="name" v="&l11;"/>')
    (folder / "s.osm").write_text(text)
    set_study(folder, "stations.csv", "s.osm")
    return "s.osm"


def packed(pack: Callable[[bytes], bytes], name: str) -> Plant:
    def plant(folder: Path) -> str:
        (folder / name).write_bytes(pack(b" " * (1 << 20)))
        set_study(folder, CANDIDATES, f"{{source: osm, path: {name}}}")
        return name

    plant.__name__ = f"bomb_named_{name}"
    return plant


def packed_behind_a_link(folder: Path) -> str:
    (folder / "bomb.osm.gz").write_bytes(gzip.compress(b" " * (8 << 20)))
    (folder / "c.osm").symlink_to(folder / "bomb.osm.gz")
    set_study(folder, CANDIDATES, "{source: osm, path: c.osm}")
    return "not a valid OSM file"


def packed_roads(folder: Path) -> str:
    use_roads(folder, "r.osm", gzip.compress(b" " * (8 << 20)))
    return "it is not XML"


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def pickle_in_roads(folder: Path) -> str:
    bait = npy(np.array([Bait()], dtype=object), pickled=True)
    use_roads(folder, "r.npz", npz(head=bait))
    return "Object arrays cannot be loaded"


def pickle_as_roads(folder: Path) -> str:
    use_roads(folder, "r.npz", pickle.dumps(Bait()))
    return "cannot be read"


def zip_bomb_in_roads(folder: Path) -> str:
    zeros = npy(np.zeros(60 << 20, dtype=np.uint8))
    use_roads(folder, "r.npz", npz(head=zeros))
    return "it would unpack from"


def array_without_end(folder: Path) -> str:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
    head = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n"
    use_roads(folder, "r.npz", npz(head=head))
    return "cannot be read"


def parquet_of_repeats(folder: Path) -> str:
    path = folder / "v.parquet"
    batch = pa.table({"demand_id": pa.array(np.zeros(1_000_000, dtype=np.int8))})
    with pq.ParquetWriter(path, batch.schema) as writer:
        for _ in range(21):
            writer.write_table(batch)
    set_study(folder, "vehicles.csv", "v.parquet")
    return "unfolds into 21,000,000 cells"


def geopackage_of_a_query_without_end(folder: Path) -> str:
    path = folder / "s.gpkg"
    frame = gpd.GeoDataFrame({"station_id": ["a"]}, geometry=[shapely.Point(114, 30)], crs=4326)
    frame.to_file(path, driver="GPKG", layer="s")
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE s")
        database.execute(f"CREATE VIEW s AS {endless}")
    database.close()
    set_study(folder, "stations.csv", "s.gpkg")
    return "holds computed layers: s"


def vrt_named(name: str) -> Plant:
    def plant(folder: Path) -> str:
        (folder / name).write_text(VRT)
        set_study(folder, "vehicles.csv", name)
        return "not what its suffix says|is no"

    plant.__name__ = f"vrt_named_{name}"
    return plant


def archive_named(name: str, old: str) -> Plant:
    """Plant an archive whose member would be unpacked outside, under another name."""

    def plant(folder: Path) -> str:
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
            for slip in ("../slipped", "/tmp/slipped", "a/../../slipped"):  # noqa: S108 - never unpacked
                member = tarfile.TarInfo(slip)
                member.size = 4
                archive.addfile(member, io.BytesIO(b"evil"))
        set_study(folder, old, name)
        return "suffix|is no|not a valid|cannot be read|not what"

    plant.__name__ = f"archive_named_{name}"
    return plant


def json_without_end(folder: Path) -> str:
    (folder / "v.geojson").write_text('{"features": ' + "[" * 2_000_000)
    set_study(folder, "vehicles.csv", "v.geojson")
    return "not valid JSON"


def json_of_a_long_number(folder: Path) -> str:
    digits = "9" * 5_000_000
    text = '{"features": [{"properties": {"a": 9}}]}'
    (folder / "v.geojson").write_text(text.replace("9", digits))
    set_study(folder, "vehicles.csv", "v.geojson")
    return "not valid JSON"


def csv_of_one_long_field(folder: Path) -> str:
    (folder / "vehicles.csv").write_text("a,b\n" + '"' + "x" * 5_000_000)
    return "vehicles.csv"


def csv_of_quotes(folder: Path) -> str:
    (folder / "vehicles.csv").write_text("a,b\n" + '"a""' * 500_000)
    return "stray quote"


def address(key: str, value: str) -> Plant:
    def plant(folder: Path) -> str:
        set_study(folder, key, value)
        return "an address|no such file|does not exist|suffix|does not tell its format"

    plant.__name__ = f"address_{value}"
    return plant


ADDRESSES = [
    address(key, value)
    for key in ("vehicles.csv", "stations.csv", "candidates.csv", "districts.geojson", "roads.npz")
    for value in (
        '"/vsicurl/http://127.0.0.1:9/t.geojson"', '"http://127.0.0.1:9/t.geojson"',
        '"/vsizip/t.zip/t.geojson"', '"//host/share/t.csv"', '"GPKG:/etc/passwd"',
    )
]  # fmt: skip


def study_text(name: str, text: str, says: str) -> Plant:
    def plant(folder: Path) -> str:
        path = folder / "study.yaml"
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        return says

    plant.__name__ = f"yaml_{name}"
    return plant


STUDIES = [
    study_text("python_tag", 'data_date: !!python/object/apply:os.system ["id"]\n', "tags are"),
    study_text("tag", "map: !x {}\n", "YAML tags are refused"),
    study_text("alias", "hour: &a 7\nsolve2: *a\n", "YAML aliases are refused"),
    study_text("merge", "map: &m {}\nalliance: {<<: *m}\n", "YAML aliases are refused"),
    study_text(
        "laughs", "a: &a [x]\n" + "".join(f"a{k}: [{'*a, ' * 9}*a]\n" for k in range(9)), "aliases"
    ),
    study_text("duplicate_key", "name: toy\n", "duplicate key"),
    study_text("second_document", "---\nname: other\n", "not valid YAML"),
    study_text("deep_lists", "map: " + "[" * 900_000, "50 deep"),
    study_text("deep_maps", "map: " + "{a: " * 200_000, "50 deep"),
    study_text("too_long", "#" * 1_000_001, "keep it under 1 MB"),
    study_text("nul", "map: \0\n", "not valid YAML"),
    study_text("escaped_nul", 'data_date: "a\\0b"\n', "escapes of no character"),
    study_text("half_a_pair", 'data_date: "a\\ud800b"\n', "escapes of no character"),
]

PLANTS: list[Plant] = [
    entity_chain_in_osm_roads, entity_chain_in_graphml, entity_of_a_file_in_graphml,
    entity_chain_in_utf16, entity_chain_in_osm_candidates, entity_chain_in_osm_water,
    entity_chain_in_osm_stations, packed(gzip.compress, "c.osm.gz"),
    packed(bz2.compress, "c.osm.bz2"),
    packed_behind_a_link, packed_roads, pickle_in_roads, pickle_as_roads, zip_bomb_in_roads,
    array_without_end, parquet_of_repeats, geopackage_of_a_query_without_end,
    vrt_named("v.gpkg"), vrt_named("v.geojson"), vrt_named("v.parquet"),
    archive_named("v.tar", "vehicles.csv"), archive_named("v.tar.gz", "vehicles.csv"),
    archive_named("v.gpkg", "vehicles.csv"), archive_named("v.geojson", "vehicles.csv"),
    archive_named("r.npz", "roads.npz"), archive_named("r.osm", "roads.npz"),
    archive_named("r.graphml", "roads.npz"), json_without_end,
    json_of_a_long_number, csv_of_one_long_field, csv_of_quotes,
]  # fmt: skip


@pytest.mark.timeout(280)
def test_bombs_and_disguises_are_refused_within_their_caps(
    corpora: dict[str, Path], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folders, says = [], []
    for number, plant in enumerate(PLANTS):
        folder = tmp_path / f"{number}"
        shutil.copytree(corpora["csv"], folder)
        folders.append(folder)
        says.append(plant(folder))
    pwned = Path("/tmp/siting-was-pwned")  # noqa: S108 - where the bait writes
    pwned.unlink(missing_ok=True)
    script = Path(__file__).with_name("limited_read.py")
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), *map(str, folders)],
        capture_output=True, text=True, check=True, timeout=270,
    )  # fmt: skip
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(results) == len(PLANTS)
    wrong = []
    for plant, expected, result in zip(PLANTS, says, results, strict=True):
        told = any(part in result["said"] for part in expected.split("|"))
        held = result["peak_mib"] < MAX_PEAK_MIB and result["cpu_s"] < MAX_CPU_S
        if result["exit"] == ExitCode.BAD_INPUT and told and held:
            record_property("faults", "refused")
        else:
            wrong.append((plant.__name__, expected, result))
    assert wrong == []
    assert not pwned.exists()
    assert not [*tmp_path.rglob("slipped"), *tmp_path.parent.glob("slipped")]
    assert not Path("/tmp/slipped").exists()  # noqa: S108 - where a member wants to go


@pytest.mark.parametrize("plant", [*ADDRESSES, *STUDIES], ids=lambda plant: plant.__name__)
def test_addresses_and_hostile_studies_are_refused(
    plant: Plant,
    copy_of: Callable[[str], Path],
    read_folder: Callable[[Path], Any],
    record_property: Callable[[str, object], None],
) -> None:
    folder = copy_of("csv")
    says = plant(folder)
    said = "\n".join(map(str, read_folder(folder).faults))
    assert any(part in said for part in says.split("|")), said
    record_property("faults", "refused")


def test_links_and_paths_in_output_names_reach_nothing_else(
    copy_of: Callable[[str], Path], tmp_path: Path
) -> None:
    study = copy_of("csv") / "study.yaml"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("mine")
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("link", "dangling", "link/../precious"):
        with pytest.raises(OutputError):
            run(study, tmp_path / name)
    # A lock that is a link would be written through it.
    (tmp_path / ".out.lock").symlink_to(precious / "thesis.txt")
    with contextlib.suppress(OutputError):
        run(study, tmp_path / "out")
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "check.html").symlink_to(precious / "thesis.txt")
    run(study, tmp_path / "whole")
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
    assert (precious / "thesis.txt").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["../x", "..", "a/b", "/opt/x", "~", "a\\b", "CON:", "a\u202eb"])
def test_a_name_that_is_a_path_names_no_folder(
    name: str, copy_of: Callable[[str], Path], read_folder: Callable[[Path], Any], tmp_path: Path
) -> None:
    folder = copy_of("csv")
    table = tmp_path / "batch.csv"
    table.write_text(f"name,study\n{name},{folder / 'study.yaml'}\n", encoding="utf-8")
    with pytest.raises(StudyError, match="cannot name a folder"):
        read_jobs([table])
    set_study(folder, "name: toy", f"name: {json.dumps(name)}")
    said = "\n".join(map(str, read_folder(folder).faults))
    assert ("name" in said) == (name != "CON:"), said
