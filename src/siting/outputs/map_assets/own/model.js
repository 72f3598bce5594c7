// The payload as typed arrays, and the few sums that the page needs of it.
(function (siting) {
  "use strict";

  const { ALL, unpackPolygons, unpackPoints, unpackRoads } = siting;

  function createModel(data) {
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

    // What areas want and get, summed once; the tag tells one period's sums from another's.
    const sums = (wantedRows, missingRows, tag) => {
      const all = (brand) => remembered(`wanted ${tag} ${brand}`, () => total(wantedRows, brand));
      const served = (brand, moment) =>
        remembered(`served ${tag} ${brand} ${moment}`, () =>
          total(missingRows[moment], brand).map((lack, a) => Math.max(0, all(brand)[a] - lack))
        );
      return { wanted: all, served };
    };
    const areas = {
      n,
      id: data.areas.id,
      ...unpackPolygons(data.areas),
      district: siting.unpackIntegers(data.areas.district),
      ...sums(wanted, missing, "end"),
    };
    // Every brand's demand grows by one factor, so a period's is its share of the last one's.
    const areasIn = (t) =>
      sums(
        wanted.map((row, b) => Float64Array.from(row, (kwh) => kwh * data.phases.demand_share[t][b])),
        { joint: remembered("missing " + t, () => data.phases.missing[t].map(siting.unpackIntegers)) },
        t
      );

    return {
      data,
      trips: siting.trips.createModel(data),
      areas,
      areasIn,
      districts: { ...unpackPoints(data.districts, "label"), ...unpackPolygons(data.districts) },
      roads: data.roads.map(unpackRoads),
      nBrand,
      sites: unpackPoints(data.sites),
      stations: unpackPoints(data.stations),
      candidates: unpackPoints(data.candidates),
      unreachable: unpackPoints(data.unreachable),
      grid: createGrid(data),
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

  // What the grid allows: the share that each proposed site takes of its own or its group's limit.
  function createGrid({ sites, grid }) {
    const shares = sites.id.map((_, n) => {
      const own = sites.grid_limit_kw[n] > 0 ? sites.power_kw[n] / sites.grid_limit_kw[n] : null;
      const g = sites.grid_group[n];
      const group = g >= 0 && grid.limit_kw[g] > 0 ? grid.used_kw[g] / grid.limit_kw[g] : null;
      return own === null && group === null ? null : Math.min(1, Math.max(own || 0, group || 0));
    });
    return { ...grid, shares, n: shares.filter((share) => share !== null).length };
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

  Object.assign(siting, { createModel });
})((window.siting = window.siting || {}));
