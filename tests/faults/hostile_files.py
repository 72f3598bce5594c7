"""Files made to do harm, by class and by a random generator: bombs, disguises, code.

Each function gives, for an input of a study, how the file's name ends, and its content.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from planting import pick

from siting.inputs.roads import RoadTable, write_compact_roads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    Weapon = Callable[[Generator, str], tuple[str, bytes]]

TABLES = ("vehicles", "stations", "candidates", "districts")
FILES = ("roads", *TABLES, "water")
TABLE_ENDINGS = ("csv", "geojson", "gpkg", "parquet")
SECRETS = ("file:///etc/passwd", "http://127.0.0.1:9/x", "/etc/passwd", "php://filter/x")
PWNED, SLIPPED = "siting-was-pwned", "slipped"
TMP = "/tmp"  # noqa: S108 - where a member of an archive wants to go


def ending_of(rng: Generator, slot: str, *more: str) -> str:
    """Return how the file of an input may end."""
    match slot:
        case "roads":
            return pick(rng, ("npz", "osm", "graphml", "parquet", "osm.pbf", *more))
        case "water":
            return pick(rng, ("geojson", "gpkg", "osm", *more))
    return pick(rng, (*TABLE_ENDINGS, *more))


# ------------------------------------------------------------------------------ entities of XML


def entities(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make XML whose entities unfold without end, or fetch a file or an address."""
    ending = pick(rng, ("osm", "graphml")) if slot == "roads" else "osm"
    width, depth = int(rng.integers(2, 12)), int(rng.integers(3, 14))
    chain = "".join(
        f'<!ENTITY l{k} "{f"&l{k - 1};" * width}">' if k else '<!ENTITY l0 "ha">'
        for k in range(depth)
    )
    secret = pick(rng, SECRETS)
    declared, used = pick(rng, [
        (chain, f"&l{depth - 1};"),
        (f'<!ENTITY q "{"x" * 50_000}">', "&q;" * 50),
        (f'<!ENTITY f SYSTEM "{secret}">', "&f;"),
        (f'<!ENTITY f PUBLIC "p" "{secret}">', "&f;"),
        (f'<!ENTITY % p SYSTEM "{secret}"> %p;', ""),
        ('<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;"),
    ])  # fmt: skip
    tags = "".join(
        f'<tag k="{key}" v="{value}"/>'
        for key, value in (("amenity", "charging_station"), ("natural", "water"), ("name", used))
    )
    node = f'<node id="1" version="1" lon="114.3" lat="30.6">{tags}</node>'
    body = f'<osm version="0.6">{node}</osm>' if ending == "osm" else f"<graphml>{used}</graphml>"
    before = pick(rng, ("", "\n", f"<!--{'x' * int(rng.integers(1, 70_000))}-->", "<?x y?>"))
    text = f'<?xml version="1.0"?>{before}<!DOCTYPE x [{declared}]>{body}'
    return ending, text.encode(pick(rng, ("utf-8", "utf-8-sig", "utf-16")))


# --------------------------------------------------------------------------------------- packed


def packed(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Pack megabytes of one byte into kilobytes, under the name of a file that is read."""
    start = pick(rng, (b'<?xml version="1.0"?><osm version="0.6">', b"a,b\n", b'{"a": ', b""))
    bulk = start + pick(rng, (b" ", b"\0", b"9")) * int(rng.integers(1 << 20, 8 << 20))
    pack = pick(rng, [gzip.compress, bz2.compress, lzma.compress, zlib.compress, zipped])
    return ending_of(rng, slot, "osm.gz", "osm.bz2"), pack(bulk)


def zipped(content: bytes) -> bytes:
    return npz(content=content)


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_head(header: str) -> bytes:
    return b"\x93NUMPY\x02\x00" + (len(header) + 1).to_bytes(4, "little") + header.encode() + b"\n"


@cache
def zeros_mib(size_mib: int) -> bytes:
    return npz(zeros=npy(np.zeros(size_mib << 20, dtype=np.uint8)))


@cache
def compact_members() -> dict[str, bytes]:
    """Return the arrays of compact roads: two nodes and a road between them."""
    one, ends = np.zeros(1), np.array([114.0, 114.1])
    roads = RoadTable(
        node_lon_deg=ends,
        node_lat_deg=np.array([30.0, 30.0]),
        segment_from=np.array([0]),
        segment_to=np.array([1]),
        length_m=one + 9_600,
        forward_kph=one + 60,
        backward_kph=one + 60,
        highway=np.zeros(1, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.array([0, 2]),
        shape_lon_deg=ends,
        shape_lat_deg=np.array([30.0, 30.0]),
        source="made for a test",
    )
    with TemporaryDirectory() as folder:
        write_compact_roads(roads, Path(folder, "r.npz"))
        with zipfile.ZipFile(Path(folder, "r.npz")) as archive:
            return {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}


def broken_arrays(rng: Generator, _slot: str) -> tuple[str, bytes]:
    """Make compact roads in which one array has no end, or is code, or no array at all."""
    members = dict(compact_members())
    shape = pick(rng, ("(100000000000,)", "(4294967296, 4294967296)", "(-1,)", "('a',)", "(1e9,)"))
    descr = pick(rng, ("'<f8'", "'|O'", "'<U999999999'", "[('a', '<f8', (9999999, 999))]"))
    code = f"__import__('os').system('touch {PWNED}')"
    members[pick(rng, sorted(members))] = pick(rng, [
        npy_head(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"),
        npy_head(f"{{'descr': {code}, 'fortran_order': False, 'shape': (1,), }}"),
        npy_head("{'descr': " + "(" * 5_000),
        npy(np.array([Bait()], dtype=object)),
        pickle.dumps(Bait()),
        rng.bytes(100),
    ])  # fmt: skip
    return "npz", npz(**members)


def bulky_arrays(rng: Generator, _slot: str) -> tuple[str, bytes]:
    """Make compact roads that would unpack into much more than they are."""
    return "npz", zeros_mib(pick(rng, (60, 80)))


# ------------------------------------------------------------------------------------- unfolding


def unfolding(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make a table of few bytes and many cells: in Parquet, or asked of SQLite without end."""
    if rng.integers(2) and slot != "roads":
        return "gpkg", endless_query(rng)
    n_million = int(rng.integers(21, 26))
    return "parquet", repeated_parquet(pick(rng, ("demand_id", "name", "geometry")), n_million)


@cache
def repeated_parquet(column: str, n_million: int) -> bytes:
    buffer = io.BytesIO()
    batch = pa.table({column: pa.array(np.zeros(1_000_000, dtype=np.int8))})
    with pq.ParquetWriter(buffer, batch.schema) as writer:
        for _ in range(n_million):
            writer.write_table(batch)
    return buffer.getvalue()


def long_texts(rng: Generator, _slot: str) -> tuple[str, bytes]:
    """Make a Parquet file of one text that is named a million times."""
    text = "x" * int(rng.integers(100_000, 1_000_000))
    few = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int32)), pa.array([text]))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"demand_id": few}), buffer)
    return "parquet", buffer.getvalue()


def endless_query(rng: Generator) -> bytes:
    query = pick(rng, [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
        "WITH RECURSIVE c(x) AS (VALUES(1) UNION SELECT x * 3 % 7919 FROM c, kept) SELECT x FROM c",
        "SELECT randomblob(999999999) AS x FROM kept",
        "SELECT a.* FROM kept a, kept b, kept c",
    ])  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder, "s.gpkg")
        frame = gpd.GeoDataFrame({"station_id": ["a"]}, geometry=[shapely.Point(114, 30)], crs=4326)
        frame.to_file(path, driver="GPKG", layer="s")
        with sqlite3.connect(path) as database:
            database.execute("ALTER TABLE s RENAME TO kept")
            database.execute("CREATE VIEW s AS " + query)
        database.close()
        return path.read_bytes()


# --------------------------------------------------------------------------- disguises, code


def pointers(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make a GDAL file that names another as its source, under a name that it is not."""
    secret = pick(rng, (*SECRETS, "/vsicurl/http://127.0.0.1:9/x", "vehicles.csv", "/dev/zero"))
    before = pick(rng, ("", "\ufeff", " \n", "<!-- x -->", '<?xml version="1.0"?>'))
    source = f"<SrcDataSource>{secret}</SrcDataSource><SrcLayer>t</SrcLayer>"
    pixels = f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="Byte" band="1">{pixels}</VRTRasterBand>'
    text = pick(rng, [
        f'<OGRVRTDataSource><OGRVRTLayer name="t">{source}</OGRVRTLayer></OGRVRTDataSource>',
        f'<VRTDataset rasterXSize="9" rasterYSize="9">{band}</VRTDataset>',
        f"<OGRWFSDataSource><URL>{secret}</URL></OGRWFSDataSource>",
        f"<GDAL_WMS><Service><ServerUrl>{secret}</ServerUrl></Service></GDAL_WMS>",
    ])  # fmt: skip
    return ending_of(rng, slot), (before + text).encode()


class Bait:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (f"open({PWNED!r}, 'w')",)


def pickles(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Pickle code, alone or within what is harmless, under a name that is read."""
    bait = pick(rng, [Bait(), [Bait()], {"demand_id": Bait()}, (1.5, [Bait()])])
    code = pickle.dumps(bait, protocol=int(rng.integers(0, 6)))
    inside = pick(
        rng, [code, gzip.compress(code), npy(np.array([bait], dtype=object)), zipped(code)]
    )
    return ending_of(rng, slot), inside


def archives(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make an archive whose members would be unpacked elsewhere."""
    up = "../" * int(rng.integers(1, 9))
    names = [f"{up}{SLIPPED}", f"{TMP}/{SLIPPED}", f"a/{up}{SLIPPED}", f"..\\{SLIPPED}"]
    buffer, how = io.BytesIO(), pick(rng, ("", "gz", "bz2", "xz", "zip"))
    if how == "zip":
        with zipfile.ZipFile(buffer, "w") as folder:
            for name in names:
                folder.writestr(name, "evil")
    else:
        with tarfile.open(fileobj=buffer, mode=f"w:{how}") as archive:  # type: ignore[call-overload]
            for name in names:
                member = tarfile.TarInfo(name)
                kind = pick(
                    rng, (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)
                )
                member.type, member.linkname = kind, pick(rng, ("/etc/passwd", "..", names[0]))
                member.size = 4 if kind == tarfile.REGTYPE else 0
                archive.addfile(member, io.BytesIO(b"evil"))
    return ending_of(rng, slot, "tar", "tar.gz", "zip"), buffer.getvalue()


# ---------------------------------------------------------------------------------------- texts


def texts(rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make JSON or CSV that is deep, or long where nothing should be long."""
    n = int(rng.integers(200_000, 500_000))
    if slot == "water" or rng.integers(2):
        number = "9" * n
        feature = '{"type": "Feature", "properties": {"a": %s}, "geometry": null}'
        return "geojson", pick(rng, [
            '{"features": ' + "[" * n,
            '{"a":' * n,
            '{"features": [' + feature % number + "]}",
            '{"features": [' + feature % f"1e{number}" + "]}",
            '{"type": "FeatureCollection", "features": ["' + "\\" * n,
            "{" + ",".join(f'"{k}":0' for k in [*range(n // 20), 0]) + "}",
        ]).encode()  # fmt: skip
    return "csv", pick(rng, [
        'a,b\n"' + "x" * n,
        "a,b\n" + '"a""' * (n // 4),
        "a,b\n" + "\0" * n,
        ",".join(f"c{k}" for k in range(n // 20)),
        "a,b\n" + "\r" * n,
    ]).encode()  # fmt: skip


def nothing(_rng: Generator, slot: str) -> tuple[str, bytes]:
    """Make an empty file: refused as well, and soon."""
    return {"roads": "npz", "water": "geojson"}.get(slot, "csv"), b""
