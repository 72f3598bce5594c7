// Trips between places: lines as wide as their cars, and how many of these make it there and back.
(function (siting) {
  "use strict";

  const { el, section, fact, table } = siting.elements;
  const { drawText, FONT } = siting.canvas;
  const INK = { covered: "#1d6f6a", missing: "#c98a4b", place: "#2e2a33", chosen: "#c8400f" };
  const MOST_LISTED = 12;

  // Places and pairs as tables like any other, and the stretches between points with all that uses them.
  function createModel(data) {
    const packed = data.trips;
    if (!packed) return null;
    const places = siting.unpackPoints(packed.places);
    const points = siting.unpackLines(packed.points).xy;
    const start = siting.startsOf(siting.unpackIntegers(packed.path_counts));
    const passed = siting.unpackIntegers(packed.path);
    const n = packed.origin.length;
    const xyOf = (key) => (key < 0 ? places.xy.slice(2 * (-1 - key), 2 * -key) : points.slice(2 * key, 2 * key + 2));
    // A point is its number, a place its number below zero.
    const path = (pair) => [-1 - packed.origin[pair], ...passed.slice(start[pair], start[pair + 1]), -1 - packed.destination[pair]];
    const stretches = new Map();
    for (let pair = 0; pair < n; pair++) {
      const way = path(pair);
      for (let k = 1; k < way.length; k++) {
        const ends = [Math.min(way[k - 1], way[k]), Math.max(way[k - 1], way[k])];
        const key = ends.join(" ");
        if (!stretches.has(key)) stretches.set(key, { from: xyOf(ends[0]), to: xyOf(ends[1]), pairs: [] });
        stretches.get(key).pairs.push(pair);
      }
    }
    const list = Array.from(stretches.values());
    const sum = (values, of) => of.reduce((all, pair) => all + values[pair], 0);
    for (const stretch of list) {
      stretch.cars = sum(packed.cars, stretch.pairs);
      stretch.covered = { today: sum(packed.covered.today, stretch.pairs), joint: sum(packed.covered.joint, stretch.pairs) };
    }
    const name = (pair, lang) => [packed.origin[pair], packed.destination[pair]].map((p) => nameIn(places.name[p], lang) || places.id[p]).join(" – ");
    const numbers = Array.from({ length: n }, (_, pair) => pair);
    const boundsOf = (points) => {
      const [xs, ys] = [0, 1].map((axis) => points.map((xy) => xy[axis]));
      return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    };
    return {
      ...packed,
      n,
      places,
      path: (pair) => path(pair).map(xyOf),
      stretches: list,
      most: Math.max(...list.map((stretch) => stretch.cars), 1e-9),
      table: {
        n,
        id: numbers.map((pair) => `${places.id[packed.origin[pair]]}–${places.id[packed.destination[pair]]}`),
        name: numbers.map((pair) => ({ en: name(pair, "en"), zh: name(pair, "zh") })),
        bounds: numbers.flatMap((pair) => boundsOf(path(pair).map(xyOf))),
      },
      stretchTable: { n: list.length, id: list.map((stretch) => stretch.pairs.length + "×"), bounds: list.flatMap(({ from, to }) => boundsOf([from, to])) },
      fleetsOf: (pair) => packed.fleets.filter((fleet) => fleet.pair === pair),
    };
  }

  function nameIn(name, lang) {
    return name !== null && typeof name === "object" ? name[lang] : name;
  }

  const momentOf = (state) => (state.moment === "joint" ? "joint" : "today");
  const widthOf = (trips, cars, zoom) => (1.2 + 7 * Math.sqrt(cars / trips.most)) * Math.min(1.6, Math.max(0.7, 1.12 ** (zoom - 6)));

  // A stretch is as wide as its cars; the dark part of it is as wide as those that make their trip.
  function draw(pen, eye, model, state, placed) {
    const { trips } = model;
    if (!trips || !state.layers.trips) return;
    const { screen, zoom, visible } = eye;
    const moment = momentOf(state);
    const line = (points, width, ink, dash) => {
      pen.beginPath();
      points.forEach((xy, k) => pen[k ? "lineTo" : "moveTo"](...screen(xy, 0)));
      pen.setLineDash(dash || []);
      pen.lineWidth = width;
      pen.strokeStyle = ink;
      pen.stroke();
      pen.setLineDash([]);
    };
    pen.lineCap = pen.lineJoin = "round";
    trips.stretches.forEach((stretch, k) => {
      const width = widthOf(trips, stretch.cars, zoom);
      const share = stretch.cars > 0 ? stretch.covered[moment] / stretch.cars : 0;
      const ends = [stretch.from, stretch.to];
      line(ends, width, INK.missing, share > 0 ? null : [width + 1, 1.6 * width + 1]);
      if (share > 0) line(ends, Math.max(0.8, width * share), INK.covered);
      const [[ax, ay], [bx, by]] = ends.map((xy) => screen(xy, 0));
      placed.push({ kind: "stretch", index: k, ax, ay, bx, by, r: width / 2 });
    });
    const { selection } = state;
    if (selection && selection.kind === "trip") line(trips.path(selection.index), 3, INK.chosen);
    if (selection && selection.kind === "stretch") {
      const { from, to } = trips.stretches[selection.index];
      line([from, to], 4, INK.chosen);
    }
    pen.lineCap = "butt";
    for (let n = trips.places.n - 1; n >= 0; n--) {
      const [x, y] = screen(trips.places.xy, n);
      if (!visible(x, y)) continue;
      const chosen = selection && selection.kind === "place" && selection.index === n;
      drawPlace(pen, x, y, chosen ? 6 : 4);
      placed.push({ kind: "place", index: n, x, y, r: 4 });
    }
  }

  function drawPlace(pen, x, y, half) {
    pen.beginPath();
    pen.moveTo(x, y - half);
    pen.lineTo(x + half, y);
    pen.lineTo(x, y + half);
    pen.lineTo(x - half, y);
    pen.closePath();
    pen.fillStyle = "#ffffff";
    pen.fill();
    pen.lineWidth = 1.6;
    pen.strokeStyle = INK.place;
    pen.stroke();
  }

  function drawNames(pen, eye, model, state, words, taken) {
    const { trips } = model;
    if (!trips || !state.layers.trips) return;
    pen.font = `600 11px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let n = 0; n < trips.places.n; n++) {
      const [x, y] = eye.screen(trips.places.xy, n);
      if (eye.visible(x, y)) drawText(pen, words.name(trips.places.name[n]) || trips.places.id[n], x, y + 6, INK.place, taken);
    }
  }

  function drawKey(pen) {
    const line = (y, width, ink) => {
      pen.beginPath();
      pen.moveTo(1, y);
      pen.lineTo(21, y);
      pen.lineWidth = width;
      pen.strokeStyle = ink;
      pen.stroke();
    };
    line(11, 7, INK.missing);
    line(11, 4, INK.covered);
  }

  // The stretch under a layer point, where no mark is.
  function find(placed, point, slack) {
    let best = null;
    let least = Infinity;
    for (const spot of placed) {
      if (spot.kind !== "stretch") continue;
      const [dx, dy] = [spot.bx - spot.ax, spot.by - spot.ay];
      const along = ((point.x - spot.ax) * dx + (point.y - spot.ay) * dy) / (dx * dx + dy * dy || 1);
      const at = Math.min(1, Math.max(0, along));
      const distance = Math.hypot(spot.ax + at * dx - point.x, spot.ay + at * dy - point.y) - spot.r;
      if (distance <= slack && distance < least) [best, least] = [spot, distance];
    }
    return best && { kind: "stretch", index: best.index };
  }

  // ---------------------------------------------------------------- words

  function summary(model, words) {
    const { trips, data } = model;
    if (!trips) return null;
    const { t } = words;
    const { cars, today, joint } = trips.by_brand;
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const row = (name, ...values) => [name, ...values.map((value) => words.number(value))];
    return section(t("trips"), [
      el("p", { text: t("trips.words", { joint: words.number(sum(joint)), cars: words.number(sum(cars)), today: words.number(sum(today)) }) }),
      table(
        [t("trips.brand"), t("trips.cars"), t("trips.today"), t("trips.joint")],
        data.study.brands.map((brand, b) => row(words.name(brand.name), cars[b], today[b], joint[b])),
        row(t("ledger.total"), sum(cars), sum(today), sum(joint))
      ),
      el("p", { class: "note", text: t("trips.note") }),
    ]);
  }

  // The pairs that use a thing, most cars first; a button each.
  function pairList(model, words, list, select) {
    const { trips } = model;
    const { t } = words;
    const sorted = list.slice().sort((a, b) => trips.cars[b] - trips.cars[a] || a - b);
    const items = sorted.slice(0, MOST_LISTED).map((pair) =>
      el("li", {}, [
        el("button", { type: "button", class: "hit hit-trip", on: { click: () => select("trip", pair) } }, [
          el("span", { class: "hit-name" }, [
            el("bdi", { text: words.name(trips.table.name[pair]) }),
            el("small", { text: t("trips.made", shareOf(trips, pair, words)) }),
          ]),
        ]),
      ])
    );
    const more = sorted.length - items.length;
    return [el("ul", { class: "hits" }, items), more > 0 && el("p", { class: "note", text: t("trips.more", { n: more }) })];
  }

  function shareOf(trips, pair, words) {
    return { covered: words.number(trips.covered.joint[pair]), cars: words.number(trips.cars[pair]) };
  }

  function place(model, state, words, n, select) {
    const { trips } = model;
    const list = trips.table.id.map((_, pair) => pair).filter((pair) => trips.origin[pair] === n || trips.destination[pair] === n);
    return { title: words.name(trips.places.name[n]) || trips.places.id[n], body: listBody(model, words, list, select) };
  }

  function stretch(model, state, words, n, select) {
    return { title: words.t("trips.stretch"), body: listBody(model, words, model.trips.stretches[n].pairs, select) };
  }

  function listBody(model, words, list, select) {
    const { trips } = model;
    const sum = (values) => list.reduce((all, pair) => all + values[pair], 0);
    return [
      el("div", { class: "facts" }, [
        fact(words.t("trips.cars"), words.number(sum(trips.cars))),
        fact(words.t("trips.joint"), words.number(sum(trips.covered.joint))),
      ]),
      section(words.t("trips"), pairList(model, words, list, select)),
    ];
  }

  function trip(model, state, words, n) {
    const { trips, data } = model;
    const { t } = words;
    const join = (names) => names.join(words.lang === "zh" ? "、" : ", ");
    const fleets = trips.fleetsOf(n).map((fleet) =>
      section(join(fleet.brands.map((b) => words.name(data.study.brands[b].name))), [
        el("p", { text: t(fleet.charges.length ? "trips.fleet" : fleet.covered > 0 ? "trips.fleet.direct" : "trips.fleet.none", { range: words.number(fleet.range_km), covered: words.number(fleet.covered), cars: words.number(fleet.cars) }) }),
        fleet.charges.length > 0 &&
          table(
            [t("trips.where"), t("trips.kwh"), t("trips.level")],
            fleet.charges.map(([id, km, kwh, before, after]) => [
              t("trips.stop", { km: words.number(km), name: supplyName(model, words, id) }),
              words.number(kwh, 0),
              `${words.percent(before, 0)} → ${words.percent(after, 0)}`,
            ])
          ),
      ])
    );
    return {
      title: words.name(trips.table.name[n]),
      body: [
        el("div", { class: "facts" }, [
          fact(t("trips.there"), t("trips.km", { km: words.number(trips.there_km[n]) })),
          fact(t("trips.cars"), words.number(trips.cars[n])),
          fact(t("trips.today"), words.number(trips.covered.today[n])),
          fact(t("trips.joint"), words.number(trips.covered.joint[n])),
        ]),
        ...fleets,
      ],
    };
  }

  function supplyName(model, words, id) {
    for (const supply of [model.sites, model.stations]) {
      const k = supply.id.indexOf(id);
      if (k >= 0) return words.name(supply.name[k]) || id;
    }
    return id;
  }

  Object.assign(siting, { trips: { createModel, draw, drawNames, drawKey, find, summary, place, stretch, trip } });
})((window.siting = window.siting || {}));
