"""Rasters of counts: vehicles and people by cell, to the last one."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siting.domain import Datum
from siting.errors import InputError
from siting.inputs.population import read_population
from siting.inputs.raster import build_zones, read_raster
from siting.inputs.vehicles import VehicleTable, read_vehicles
from siting.study import Population, VehicleFormat, Vehicles

if TYPE_CHECKING:
    from pathlib import Path

rasterio = pytest.importorskip("rasterio", reason="the extra `raster` is not installed")

UTM50 = "EPSG:32650"
WEST_M, NORTH_M = 500_000.0, 3_300_000.0  # on the zone's middle meridian, 117° E


def write(
    path: Path,
    *bands: Any,  # noqa: ANN401 - anything that is an array
    cell_m: float = 1000.0,
    crs: str | None = UTM50,
    dtype: str = "float64",
    **options: Any,  # noqa: ANN401 - rasterio's
) -> Path:
    arrays = [np.atleast_2d(np.asarray(band, dtype=dtype)) for band in bands]
    profile = {
        "driver": "GTiff",
        "height": arrays[0].shape[0],
        "width": arrays[0].shape[1],
        "count": len(arrays),
        "dtype": dtype,
        "crs": crs,
        "transform": rasterio.Affine(cell_m, 0, WEST_M, 0, -cell_m, NORTH_M),
    } | options
    with rasterio.open(path, "w", **profile) as dataset:
        for number, array in enumerate(arrays, start=1):
            dataset.write(array, number)
    return path


def read(spacing_m: float = 800.0, **rasters: tuple[Path, int]) -> VehicleTable:
    listed = [{"brand": b, "path": path, "band": band} for b, (path, band) in rasters.items()]
    spec = Vehicles.model_validate(
        {"format": "raster", "rasters": listed, "point_spacing_m": spacing_m}
    )
    return read_vehicles(spec, ["a", "b"])


def test_a_band_for_each_brand(tmp_path: Path) -> None:
    path = write(tmp_path / "v.tif", [[5, 0], [0, 2]], [[0, 0], [1, 0.5]])
    table = read(a=(path, 1), b=(path, 2))
    assert list(table.frame["zone_id"]) == ["r0c0", "r1c0", "r1c1"]
    assert table.frame["vehicles_a"].tolist() == [5, 0, 2]
    assert table.frame["vehicles_b"].tolist() == [0, 1, 0.5]
    assert table.totals == {"a": 7, "b": 1.5}
    assert table.format is VehicleFormat.RASTER
    west, south, east, north = table.frame.geometry.iloc[0].bounds
    assert west == pytest.approx(117.0, abs=1e-9)
    assert (east - west) * math.cos(math.radians(north)) * 111_320 == pytest.approx(1000, rel=2e-3)
    assert (north - south) * 110_850 == pytest.approx(1000, rel=2e-3)


def test_a_file_for_each_brand_on_its_own_grid(tmp_path: Path) -> None:
    fine = write(tmp_path / "a.tif", np.ones((2, 2)), cell_m=900)
    degrees = rasterio.Affine(0.01, 0, 117.0, 0, -0.01, 29.9)
    coarse = write(tmp_path / "b.tif", [[3]], crs="EPSG:4326", transform=degrees)
    table = read(a=(fine, 1), b=(coarse, 1))
    assert list(table.frame["zone_id"]) == ["g1-r0c0", "g1-r0c1", "g1-r1c0", "g1-r1c1", "g2-r0c0"]
    assert table.totals == {"a": 4, "b": 3}
    assert table.frame.geometry.iloc[-1].bounds == pytest.approx((117.0, 29.89, 117.01, 29.9))


def test_fine_cells_are_joined_without_those_that_hold_nothing(tmp_path: Path) -> None:
    count = np.arange(1.0, 26.0).reshape(5, 5)
    count[0, 0] = 0
    path = write(tmp_path / "v.tif", count, count, cell_m=200)
    table = read(spacing_m=400, a=(path, 1), b=(path, 2))
    assert (
        len(table.frame) == 9
    )  # 2 × 2 cells each; the raster's edge clips the last row and column
    assert table.frame["vehicles_a"].iloc[[0, 8]].tolist() == [2 + 6 + 7, 25]
    assert table.totals["a"] == count.sum()
    area = table.frame.to_crs(UTM50).area
    assert area.iloc[[0, 1, 2, 8]].tolist() == pytest.approx(
        [3 * 200**2, 400**2, 200 * 400, 200**2], rel=1e-4
    )


def test_no_data_counts_as_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "v.tif", [[-9999, 4, math.nan]], [[1, 1, 1]], nodata=-9999)
    assert read(a=(path, 1), b=(path, 2)).totals == {"a": 4, "b": 3}
    whole = write(tmp_path / "i.tif", [[255, 4]], [[1, 1]], nodata=255, dtype="uint8")
    assert read(a=(whole, 1), b=(whole, 2)).totals == {"a": 4, "b": 2}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=36, max_size=36),
    st.sampled_from([100.0, 350.0, 1000.0]),
)
def test_no_vehicle_is_lost_whatever_the_cells(
    tmp_path: Path, values: list[float], cell_m: float
) -> None:
    count = np.array(values).reshape(6, 6)
    path = write(tmp_path / "v.tif", np.round(count), count + 1, cell_m=cell_m)
    table = read(a=(path, 1), b=(path, 2))
    assert table.totals["a"] == np.round(count).sum()
    assert table.totals["b"] == pytest.approx(math.fsum(values) + 36, rel=1e-14)
    shapes = table.frame.geometry.to_numpy()
    assert shapely.area(shapely.union_all(shapes)) == pytest.approx(shapely.area(shapes).sum())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": None}, "does not say where its cells lie"),
        ({"nodata": None, "bands": [[[-9999, 1]]]}, "1 cells hold no count, such as row 0"),
        ({"bands": [[[math.inf, 1]]]}, "cells hold no count"),
        ({"crs": "EPSG:4326"}, "leave the globe"),
    ],
)
def test_what_is_no_raster_of_counts(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    bands = options.pop("bands", [[[1, 2]]])
    path = write(tmp_path / "v.tif", *bands, **options)
    with pytest.raises(InputError, match=words):
        read(a=(path, 1), b=(path, 1))


def test_what_is_no_geotiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "v.tif", [[1]])
    with pytest.raises(InputError, match="has no band 2, but 1"):
        read_raster(path, band=2)
    disguised = tmp_path / "vrt.tif"
    disguised.write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><SRS>EPSG:32650</SRS>'
        "<GeoTransform>500000, 1000, 0, 3300000, 0, -1000</GeoTransform>"
        '<VRTRasterBand dataType="Float64" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">v.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with rasterio.open(disguised) as dataset:  # it would read another file
        assert dataset.read(1).tolist() == [[1]]
    with pytest.raises(InputError, match="not a valid GeoTIFF"):
        read_raster(disguised)
    with pytest.raises(InputError, match="no GeoTIFF file that exists"):
        read_raster(tmp_path / "absent.tif")
    monkeypatch.setattr("siting.inputs.raster.MAX_CELLS", 0)
    with pytest.raises(InputError, match="crop it to the city"):
        read_raster(path)


def test_without_rasterio_the_install_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "v.tif", [[1]])
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(InputError, match=r"pip install 'siting\[raster\]'"):
        read_raster(path)


def test_every_brand_has_its_raster(tmp_path: Path) -> None:
    path = write(tmp_path / "v.tif", [[1]])
    with pytest.raises(InputError) as caught:
        read(a=(path, 1), c=(path, 1))
    assert [fault.value for fault in caught.value.faults] == ["b", "c"]
    with pytest.raises(InputError, match="no vehicles at all"):
        read(a=(write(tmp_path / "0.tif", [[0]]), 1), b=(tmp_path / "0.tif", 1))


def test_a_datum_moves_the_cells(tmp_path: Path) -> None:
    raster = read_raster(write(tmp_path / "v.tif", [[1]]))
    plain, shifted = (
        build_zones(raster, raster.count > 0, side_m=0, datum=datum)[2][0]
        for datum in (Datum.WGS84, Datum.GCJ02)
    )
    assert 100 < plain.centroid.distance(shifted.centroid) * 111_195 < 1000


def test_population_by_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tif", [[0, 0]], [[7, 0]])
    frame = read_population(Population(path=path, band=2)).frame
    assert frame["population"].tolist() == [7]
    assert frame.geometry.iloc[0].geom_type == "Polygon"
    with pytest.raises(InputError, match="holds no people"):
        read_population(Population(path=path))
