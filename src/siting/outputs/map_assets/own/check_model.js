// The diagnosis as typed arrays, and the few look-ups that the page needs of it.
(function (siting) {
  "use strict";

  const { ALL, unpackIntegers, unpackLines, unpackPoints, unpackPolygons, unpackRoads } = siting;

  function createCheckModel(data) {
    const demand = unpackPlaces(data.demand);
    const vehicles = data.demand.vehicles.map((packed) =>
      Float64Array.from(unpackIntegers(packed), (steps) => steps * data.demand.vehicle_step)
    );
    const all = new Float64Array(demand.n);
    for (const column of vehicles) for (let n = 0; n < demand.n; n++) all[n] += column[n];
    demand.kwh = Float64Array.from(unpackIntegers(data.demand.kwh_per_day), (k) => k * data.demand.kwh_step);
    demand.vehicles = (brand) => (brand === ALL ? all : vehicles[brand]);
    demand.district = unpackIntegers(data.demand.district);
    demand.row = unpackIntegers(data.demand.row);

    const candidates = unpackPlaces(data.candidates);
    candidates.row = unpackIntegers(data.candidates.row);

    const pairs = (table) => ({ ...unpackPoints(table), other: unpackLines(table.other).xy });
    const stations = unpackPlaces(data.stations);
    stations.sources = data.stations.source_ids.map((ids) => ids.split(";").filter(Boolean));
    return {
      data,
      origin: data.origin_m,
      extent: data.extent_m,
      roads: data.roads.main.map(unpackRoads),
      flagged: {
        one_way: unpackRoads(data.roads.one_way),
        one_way_trap: unpackRoads(data.roads.one_way_trap),
        other_component: unpackRoads(data.roads.other_component),
      },
      districts: { ...unpackPoints(data.districts, "label"), ...unpackPolygons(data.districts) },
      exclusions: { ...data.exclusions, n: data.exclusions.id.length, ...unpackPolygons(data.exclusions) },
      demand,
      stations,
      candidates,
      merges: pairs(data.merges),
      doubtful: pairs(data.doubtful),
      // One row of a table of figures.
      figure: (name, key, value) => data.figures[name].find((row) => row[key] === value),
    };
  }

  // Points with their road: road(n) is where point n meets it, null where no road is near enough.
  function unpackPlaces(table) {
    const places = unpackPoints(table);
    const onRoad = unpackIntegers(table.on_road);
    const road = unpackLines(table.road_point).xy;
    const position = new Map(Array.from(onRoad, (n, k) => [n, k]));
    places.road = (n) => (position.has(n) ? [road[2 * position.get(n)], road[2 * position.get(n) + 1]] : null);
    if (table.reason !== undefined) {
      const code = unpackIntegers(table.reason);
      places.why = (n) => table.reasons[code[n]];
    }
    return places;
  }

  Object.assign(siting, { createCheckModel });
})((window.siting = window.siting || {}));
