"""Roads as data: the table's own checks, and the compact form there and back."""

from __future__ import annotations

import dataclasses
import io
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.errors import InputError, OutputError
from siting.inputs.roads import RoadTable, read_compact_roads, write_compact_roads

if TYPE_CHECKING:
    from pathlib import Path


def make_table(n_node: int, ends: list[tuple[int, int]], seed: int = 0) -> RoadTable:
    """Build a road table with random coordinates on OSM's grid and random inner shape points."""
    rng = np.random.default_rng(seed)
    lon = rng.integers(-1_800_000_000, 1_800_000_001, n_node) / 1e7
    lat = rng.integers(-900_000_000, 900_000_001, n_node) / 1e7
    segment_from, segment_to = np.array(ends, dtype=np.int32).reshape(-1, 2).T
    n_inner = rng.integers(0, 4, len(ends))
    start = np.concatenate([[0], np.cumsum(n_inner + 2)])
    shape_lon = rng.integers(-1_800_000_000, 1_800_000_001, start[-1]) / 1e7
    shape_lat = rng.integers(-900_000_000, 900_000_001, start[-1]) / 1e7
    for shape, node in ((shape_lon, lon), (shape_lat, lat)):
        shape[start[:-1]] = node[segment_from]
        shape[start[1:] - 1] = node[segment_to]
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=segment_from,
        segment_to=segment_to,
        length_m=rng.uniform(1, 1e4, len(ends)),
        forward_kph=rng.choice([0.0, 30.0, 48.28032], len(ends)),
        backward_kph=rng.choice([0.0, 30.0, 120.0], len(ends)),
        highway=rng.integers(0, 2, len(ends)),
        highway_classes=("primary", "内环路"),
        shape_start=start,
        shape_lon_deg=shape_lon,
        shape_lat_deg=shape_lat,
        source="© OpenStreetMap contributors, ODbL 1.0",
    )


def assert_same(left: RoadTable, right: RoadTable) -> None:
    for field in dataclasses.fields(RoadTable):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert not b.flags.writeable
            np.testing.assert_array_equal(a, b, err_msg=field.name)
        else:
            assert a == b


@settings(deadline=None, max_examples=50)
@given(data=st.data(), n_node=st.integers(1, 6), seed=st.integers(0, 2**20))
def test_compact_form_loses_nothing(
    data: st.DataObject, n_node: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node = st.integers(0, n_node - 1)
    roads = make_table(n_node, data.draw(st.lists(st.tuples(node, node), max_size=8)), seed)
    path = tmp_path_factory.mktemp("roads") / "roads.npz"
    write_compact_roads(roads, path)
    again = read_compact_roads(path)
    assert_same(roads, again)
    assert roads.content_hash == again.content_hash


def test_compact_form_is_byte_deterministic(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_compact_roads(make_table(4, [(0, 1), (1, 2), (3, 3)]), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.npz", "b.npz"]


def test_content_hash_tells_a_changed_speed() -> None:
    roads = make_table(3, [(0, 1), (1, 2)])
    faster = dataclasses.replace(roads, forward_kph=roads.forward_kph + 1)
    assert roads.content_hash != faster.content_hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_lat_deg": [0.0]}, "differ in number"),
        ({"length_m": [1.0]}, "differ in length"),
        ({"segment_to": [1, 3]}, "does not exist"),
        ({"segment_from": [-1, 0]}, "does not exist"),
        ({"length_m": [1.0, np.nan]}, "not a number"),
        ({"forward_kph": [1.0, -5.0]}, "negative"),
        ({"highway": [0, 2]}, "highway class"),
        ({"shape_start": [0, 1, 2]}, "span"),
        ({"node_lon_deg": [0.0, 1.0, 181.0]}, "globe"),
        ({"node_lon_deg": [0.0, 1.0, 2.0]}, "begin and end"),
    ],
)
def test_table_refuses_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(make_table(3, [(0, 1), (1, 2)]), **change)


def test_unreadable_compact_files_are_faults(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    write_compact_roads(make_table(3, [(0, 1), (1, 2)]), good)
    content = good.read_bytes()
    bad = {
        "empty": b"",
        "text": b"u,v,length\n1,2,3\n",
        "cut": content[: len(content) // 2],
        "foreign": _npz(a=np.arange(3)),
        "pickled": _npz(head=np.array([{}], dtype=object)),
        "shapes": _rewrite(content, "n_inner", np.zeros((4, 1), dtype=np.uint8)),
        "version": _rewrite(content, "head", np.frombuffer(b'{"version": 9}', dtype=np.uint8)),
        "nonsense": _rewrite(content, "head", np.frombuffer(b"[", dtype=np.uint8)),
        "list": _rewrite(content, "head", np.frombuffer(b"[]", dtype=np.uint8)),
    }
    for name, damaged in bad.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(damaged)
        with pytest.raises(InputError) as raised:
            read_compact_roads(path)
        assert raised.value.faults[0].file == str(path)
    with pytest.raises(InputError, match="No such file"):
        read_compact_roads(tmp_path / "missing.npz")


def test_a_folder_in_the_way_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "taken.npz").mkdir()
    with pytest.raises(OutputError):
        write_compact_roads(make_table(2, [(0, 1)]), tmp_path / "taken.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.npz"]


def test_compact_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    write_compact_roads(make_table(2, [(0, 1)]), tmp_path / "roads.npz")
    assert stat.S_IMODE((tmp_path / "roads.npz").stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


def _npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _rewrite(content: bytes, name: str, array: np.ndarray[Any, Any]) -> bytes:
    with np.load(io.BytesIO(content)) as archive:
        return _npz(**{**dict(archive), name: array})


def test_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("head.npy", bytes(2_000_000))
    monkeypatch.setattr("siting.inputs.roads.compact.MAX_COMPACT_BYTES", 1_000_000)
    with pytest.raises(InputError, match="unpack"):
        read_compact_roads(path)
