// The payload as typed arrays, and the few sums that the page needs of it.
(function (siting) {
  "use strict";

  const EARTH_M = 2 * Math.PI * 6378137;
  const ALL = -1;

  function createModel(data) {
    const areaShape = siting.unpackLines(data.areas.shape);
    const areaRings = siting.startsOf(siting.unpackIntegers(data.areas.rings));
    const n = data.areas.id.length;
    const nBrand = data.study.brands.length;
    const wanted = data.areas.wanted.map(siting.unpackIntegers);
    const missing = {};
    for (const moment of ["today", "unified", "joint"]) {
      missing[moment] = data.areas.missing[moment].map(siting.unpackIntegers);
    }
    const total = (rows, brand) => {
      const sum = new Float64Array(n);
      for (let b = 0; b < nBrand; b++) {
        if (brand === ALL || b === brand) for (let a = 0; a < n; a++) sum[a] += rows[b][a];
      }
      for (let a = 0; a < n; a++) sum[a] *= data.areas.kwh_step;
      return sum;
    };
    const cache = new Map();
    const remembered = (key, compute) => {
      if (!cache.has(key)) cache.set(key, compute());
      return cache.get(key);
    };

    const areas = {
      n,
      id: data.areas.id,
      shape: areaShape,
      rings: areaRings,
      bounds: siting.boundsOf(areaShape, areaRings),
      district: siting.unpackIntegers(data.areas.district),
      wanted: (brand) => remembered("wanted" + brand, () => total(wanted, brand)),
      served: (brand, moment) =>
        remembered("served" + brand + moment, () => {
          const all = areas.wanted(brand);
          return total(missing[moment], brand).map((lack, a) => Math.max(0, all[a] - lack));
        }),
    };

    const districtShape = siting.unpackLines(data.districts.shape);
    const districtRings = siting.startsOf(siting.unpackIntegers(data.districts.rings));
    const districts = {
      ...data.districts,
      n: data.districts.id.length,
      shape: districtShape,
      rings: districtRings,
      bounds: siting.boundsOf(districtShape, districtRings),
      xy: siting.unpackLines(data.districts.label).xy,
    };

    const roads = data.roads.map((packed) => {
      const shape = siting.unpackLines(packed);
      const one = Int32Array.from({ length: packed.n + 1 }, (_, k) => k);
      return { rank: packed.rank, n: packed.n, shape, bounds: siting.boundsOf(shape, one) };
    });

    const points = (table) => ({
      ...table,
      n: table.id.length,
      xy: siting.unpackLines(table.point).xy,
    });

    return {
      data,
      areas,
      districts,
      roads,
      nBrand,
      sites: points(data.sites),
      stations: points(data.stations),
      candidates: points(data.candidates),
      unreachable: points(data.unreachable),
      reach: createReach(data.sites.reach, data.areas.kwh_step),
      origin: data.origin_m,
      extent: data.extent_m,
      service: (brand) => sumService(data.service.brands, brand),
    };
  }

  // Areas within reach of a site: index, mean minutes, energy that comes to it.
  function createReach(packed, kwhStep) {
    const start = siting.startsOf(siting.unpackIntegers(packed.counts));
    const area = siting.unpackIntegers(packed.area);
    for (let k = 1; k < area.length; k++) area[k] += area[k - 1];
    const minutes = siting.unpackIntegers(packed.minutes);
    const kwh = siting.unpackIntegers(packed.kwh);
    return (site) => {
      const found = [];
      for (let k = start[site]; k < start[site + 1]; k++) {
        found.push({
          area: area[k],
          minutes: minutes[k] * packed.minute_step,
          kwh: kwh[k] * kwhStep,
        });
      }
      return found;
    };
  }

  function sumService(columns, brand) {
    const of = (name) =>
      columns[name + "_kwh_per_day"].reduce(
        (sum, kwh, b) => sum + (brand === ALL || b === brand ? kwh : 0),
        0
      );
    const wanted = of("wanted");
    const result = { wanted };
    for (const moment of ["today", "unified", "joint"]) {
      result[moment] = of(moment);
      result[moment + "Share"] = wanted > 0 ? result[moment] / wanted : NaN;
    }
    return result;
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

  Object.assign(siting, { ALL, createModel, scaleOf, toLatLng, fromLatLng, areaAt });
})((window.siting = window.siting || {}));
