// Tables of points, polygons and roads as a page draws them, and where that is on the screen.
(function (siting) {
  "use strict";

  const EARTH_M = 2 * Math.PI * 6378137;
  const ALL = -1;

  function unpackPolygons(table) {
    const shape = siting.unpackLines(table.shape);
    const rings = siting.startsOf(siting.unpackIntegers(table.rings));
    return { shape, rings, bounds: siting.boundsOf(shape, rings) };
  }

  // The table itself, how many rows it has, and its points in metres from the origin.
  function unpackPoints(table, column) {
    return { ...table, n: table.id.length, xy: siting.unpackLines(table[column || "point"]).xy };
  }

  function unpackRoads(packed) {
    const shape = siting.unpackLines(packed);
    const one = Int32Array.from({ length: packed.n + 1 }, (_, k) => k);
    return { rank: packed.rank, n: packed.n, shape, bounds: siting.boundsOf(shape, one) };
  }

  // Whole-world pixels of a zoom, from metres from the origin.
  function scaleOf(origin, zoom) {
    const size = 256 * 2 ** zoom;
    const k = size / EARTH_M;
    return { k, dx: size / 2 + origin[0] * k, dy: size / 2 - origin[1] * k };
  }

  function toLatLng(origin, x, y) {
    return L.Projection.SphericalMercator.unproject(L.point(x + origin[0], y + origin[1]));
  }

  function fromLatLng(origin, latlng) {
    const point = L.Projection.SphericalMercator.project(latlng);
    return [point.x - origin[0], point.y - origin[1]];
  }

  function areaAt(areas, x, y) {
    for (let a = 0; a < areas.n; a++) {
      const box = areas.bounds;
      if (x < box[4 * a] || x > box[4 * a + 2] || y < box[4 * a + 1] || y > box[4 * a + 3]) continue;
      if (isInside(areas.shape, areas.rings[a], areas.rings[a + 1], x, y)) return a;
    }
    return -1;
  }

  // Even-odd rule over all rings, so that a hole is outside.
  function isInside(shape, first, last, x, y) {
    let inside = false;
    for (let r = first; r < last; r++) {
      const end = shape.start[r + 1];
      for (let p = shape.start[r], q = end - 1; p < end; q = p++) {
        const [px, py, qx, qy] = [shape.xy[2 * p], shape.xy[2 * p + 1], shape.xy[2 * q], shape.xy[2 * q + 1]];
        if (py > y !== qy > y && x < ((qx - px) * (y - py)) / (qy - py) + px) inside = !inside;
      }
    }
    return inside;
  }

  Object.assign(siting, { ALL, unpackPolygons, unpackPoints, unpackRoads, scaleOf, toLatLng, fromLatLng, areaAt });
})((window.siting = window.siting || {}));
