"""Siting's compact form of roads: a NumPy .npz of delta-encoded integers."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import FloatArray, IntArray, LongArray, frozen_array
from siting.errors import Fault, InputError
from siting.inputs.roads.table import MIN_SHAPE_POINTS, UNITS_PER_DEGREE, RoadTable, UByteArray
from siting.storage import write_file

if TYPE_CHECKING:
    from pathlib import Path

COMPACT_VERSION = 1
MAX_COMPACT_BYTES = 4_000_000_000
MAX_BYTES_UNWEIGHED, MAX_UNPACKING = 50_000_000, 100


def write_compact_roads(roads: RoadTable, path: Path) -> None:
    """Write a road table in siting's compact form: a NumPy .npz of delta-encoded integers.

    The same table gives the same bytes. Coordinates are kept to 1e-7 degree (about 1 cm), lengths
    and speeds in full. The file is written aside and renamed.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_file(path, _pack(roads))


def read_compact_roads(path: Path) -> RoadTable:
    """Read a road table from siting's compact form.

    Raises
    ------
    InputError
        If the file is not readable, or not what :func:`write_compact_roads` writes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    try:
        return _unpack(content)
    except (
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        OSError,
        MemoryError,  # of an array that claims to be longer than its file
        AttributeError,  # a member that is no array comes as bytes
        RecursionError,
        TokenError,
        zipfile.BadZipFile,
    ) as error:
        raise _unreadable(path, f"it is not siting's compact form ({error})") from None


def _unreadable(path: Path, reason: str) -> InputError:
    fault = Fault(
        file=str(path), what=f"cannot be read: {reason}", remedy="give a readable road file"
    )
    return InputError([fault])


def _pack(roads: RoadTable) -> bytes:
    """Return the bytes of the compact form."""
    n_point = np.diff(roads.shape_start)
    inner = np.ones(roads.shape_lon_deg.size, dtype=bool)
    inner[roads.shape_start[:-1]] = False
    inner[roads.shape_start[1:] - 1] = False
    head: dict[str, Any] = {
        "version": COMPACT_VERSION,
        "highway_classes": roads.highway_classes,
        "source": roads.source,
    }
    if roads.notices:
        head["notices"] = [asdict(notice) for notice in roads.notices]
    arrays: dict[str, UByteArray] = {
        "head": np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8),
        "segment_from": _encode(_steps(roads.segment_from)),
        "segment_to": _encode(roads.segment_to - roads.segment_from),
        "length_m": _planes(roads.length_m),
        "forward_kph": _planes(roads.forward_kph),
        "backward_kph": _planes(roads.backward_kph),
        "highway": roads.highway,
        "n_inner": _encode((n_point - MIN_SHAPE_POINTS).astype(np.int32)),
    }
    for axis in ("lon", "lat"):
        node = _to_units(getattr(roads, f"node_{axis}_deg"))
        shape = _to_units(getattr(roads, f"shape_{axis}_deg"))
        arrays[f"node_{axis}"] = _encode(_steps(node))
        arrays[f"shape_{axis}"] = _encode(_steps(shape)[inner])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            # A bare ZipInfo carries a fixed date, so that the same roads give the same bytes.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, member.getvalue(), compresslevel=9)
    return buffer.getvalue()


def _unpack(content: bytes) -> RoadTable:
    """Return the table of a compact form's bytes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_byte = sum(entry.file_size for entry in archive.infolist())
    if n_byte > min(MAX_COMPACT_BYTES, max(MAX_BYTES_UNWEIGHED, MAX_UNPACKING * len(content))):
        raise ValueError(f"it would unpack from {len(content):,} to {n_byte:,} bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        head = json.loads(arrays["head"].tobytes())
        if not isinstance(head, dict) or head.get("version") != COMPACT_VERSION:
            raise ValueError(f"its version is not {COMPACT_VERSION}")
        segment_from = np.cumsum(_decode(arrays["segment_from"]), dtype=np.int32)
        segment_to = segment_from + _decode(arrays["segment_to"])
        n_inner = _decode(arrays["n_inner"]).astype(np.int64)
        if n_inner.size and n_inner.min() < 0:
            raise ValueError("a shape has fewer than two points")
        node, shape, start = {}, {}, np.concatenate([[0], np.cumsum(n_inner + MIN_SHAPE_POINTS)])
        for axis in ("lon", "lat"):
            node[axis] = np.cumsum(_decode(arrays[f"node_{axis}"]), dtype=np.int32)
            shape[axis] = _join_shapes(
                node[axis][segment_from],
                node[axis][segment_to],
                _decode(arrays[f"shape_{axis}"]),
                start,
            )
        return RoadTable(
            node_lon_deg=node["lon"] / UNITS_PER_DEGREE,
            node_lat_deg=node["lat"] / UNITS_PER_DEGREE,
            segment_from=segment_from,
            segment_to=segment_to,
            length_m=_unplanes(arrays["length_m"], np.float64),
            forward_kph=_unplanes(arrays["forward_kph"], np.float64),
            backward_kph=_unplanes(arrays["backward_kph"], np.float64),
            highway=arrays["highway"],
            highway_classes=tuple(map(str, head["highway_classes"])),
            shape_start=start,
            shape_lon_deg=shape["lon"] / UNITS_PER_DEGREE,
            shape_lat_deg=shape["lat"] / UNITS_PER_DEGREE,
            source=str(head["source"]),
            notices=tuple(Fault(**notice) for notice in head.get("notices", ())),
        )


def _join_shapes(first: Any, last: Any, inner_step: Any, start: LongArray) -> Any:  # noqa: ANN401 - arrays of int32
    """Rebuild whole polylines from their ends and the steps between their inner points."""
    shape = np.empty(int(start[-1]), dtype=np.int32)
    inner = np.ones(shape.size, dtype=bool)
    inner[start[:-1]] = False
    inner[start[1:] - 1] = False
    step = np.zeros(shape.size, dtype=np.int32)
    step[inner] = inner_step
    # Integers wrap around, so one running sum over all shapes is exact after subtraction.
    run = np.cumsum(step, dtype=np.int32)
    n_point = np.diff(start)
    shape[:] = run + np.repeat(first - run[start[:-1]], n_point)
    shape[start[1:] - 1] = last
    return shape


def _to_units(degrees: FloatArray) -> IntArray:
    return np.round(degrees * UNITS_PER_DEGREE).astype(np.int32)


def _steps(values: IntArray) -> IntArray:
    """Return the first value and the differences after it, modulo 2**32."""
    return np.diff(values, prepend=np.int32(0)).astype(np.int32)


def _encode(values: IntArray) -> UByteArray:
    """Fold the sign into the lowest bit and split into byte planes, which deflate well."""
    return _planes(((values << 1) ^ (values >> 31)).astype(np.uint32))


def _decode(planes: UByteArray) -> IntArray:
    folded = _unplanes(planes, np.uint32)
    return frozen_array((folded >> 1) ^ (0 - (folded & 1)), np.int32)


def _planes(values: Any) -> UByteArray:  # noqa: ANN401 - any numeric array
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    planes = little.view(np.uint8).reshape(values.size, values.dtype.itemsize)
    return np.ascontiguousarray(planes.T)


def _unplanes(planes: UByteArray, dtype: Any) -> Any:  # noqa: ANN401 - any numeric dtype
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[0] != np.dtype(dtype).itemsize:  # noqa: PLR2004 - planes × values
        raise ValueError("an array has the wrong shape")
    little = np.dtype(dtype).newbyteorder("<")
    return np.ascontiguousarray(planes.T).reshape(-1).view(little).astype(dtype, copy=False)
