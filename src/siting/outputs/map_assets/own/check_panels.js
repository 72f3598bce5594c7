// Everything beside the diagnostic map: the very figures of the printed summary.
(function (siting) {
  "use strict";

  const { el, section, fact, pairs, table, card, mark, layerRow } = siting.elements;
  const MAX_HITS = 60;
  const WHY_NOT = [
    [/^not of a kind asked for(?:: (.*))?$/, "why.kind"],
    [/^inside an exclusion area(?:: (.*))?$/, "why.area"],
    [/^closer than ([\d.]+) m to another candidate(?:: (.*))?$/, "why.spacing"],
    [/^beyond the count of candidates asked for(?:: (.*))?$/, "why.count"],
    [/^not open to the public(?:: (.*))?$/, "why.closed"],
    [/^no room beside the street(?:: (.*))?$/, "why.street"],
  ];

  // Why a candidate was left out, in the reader's language; what is not known stands as it came.
  function whyNot(reason, words) {
    for (const [pattern, key] of WHY_NOT) {
      const found = pattern.exec(reason);
      if (!found) continue;
      const parts = found.slice(1).filter((part) => part !== undefined);
      const tail = key === "why.spacing" ? parts[1] : parts[0];
      const head = words.t(key, { m: parts[0] });
      return tail === undefined ? head : `${head}${words.t("colon")}${tail}`;
    }
    return reason;
  }

  const metres = (m, words) => (m === null ? "–" : words.t("metres", { x: words.number(m) }));
  const plain = (m, words) => (m === null ? "–" : words.number(m));
  const total = (rows, column) => rows.reduce((sum, row) => sum + row[column], 0);
  const vehiclesText = (n, words) => words.number(n, Number.isInteger(Math.round(n * 100) / 100) ? 0 : 1);

  // ---------------------------------------------------------------- summary

  function shares(model, brand) {
    const rows = model.data.figures.brands.filter((_, b) => brand === siting.ALL || b === brand);
    const placed = total(rows, "vehicles_placed");
    const lost = total(rows, "unreachable_vehicles");
    return { read: total(rows, "vehicles_read"), placed, lost, reached: placed > 0 ? 1 - lost / placed : NaN };
  }

  function headline(model, state, words) {
    const s = shares(model, state.brand);
    return words.t("headline", { placed: vehiclesText(s.placed, words), share: words.percent(s.reached, 0) });
  }

  function summary(model, state, words) {
    const { t } = words;
    const { figures, study } = model.data;
    return [
      hero(model, state, words),
      ...verdicts(model, words),
      el("div", { class: "facts" }, [
        fact(t("fact.demand"), words.number(figures.demand_points)),
        fact(t("fact.stations"), words.number(figures.stations.standing)),
        fact(t("fact.candidates"), words.number(figures.candidates[0][1])),
        fact(t("fact.pairs", { minutes: words.minutes(study.cutoff_minutes) }), words.number(figures.pairs_within_cutoff)),
      ]),
      byBrand(model, words),
      outOfReach(model, words),
      stationFates(model, words),
      candidateFates(model, words),
      snaps(model, words),
      roads(model, words),
      datums(model, words),
      files(model, words),
    ];
  }

  function hero(model, state, words) {
    const { t } = words;
    const s = shares(model, state.brand);
    const brand = state.brand === siting.ALL ? null : words.name(model.data.study.brands[state.brand].name);
    return el("div", { class: "hero" }, [
      el("p", { class: "hero-shares" }, [
        el("span", { class: "hero-after" }, [
          el("b", { text: words.percent(s.reached, 0) }),
          el("small", { text: brand ? t("hero.reached.brand", { brand }) : t("hero.reached") }),
        ]),
      ]),
      el("p", { class: "hero-words", text: t(s.read === s.placed ? "hero.exact" : "hero.lost", { read: vehiclesText(s.read, words), placed: vehiclesText(s.placed, words) }) }),
    ]);
  }

  function verdicts(model, words) {
    const { t } = words;
    const { datums } = model.data.figures;
    const wrong = datums.filter((fit) => fit.suspected !== "");
    const said = wrong.map((fit) =>
      el("p", {
        class: "verdict open",
        text: t("datum.suspected", {
          file: fit.file,
          declared: t("datum." + fit.declared),
          suspected: t("datum." + fit.suspected),
          before: metres(fit["p90_m_" + fit.declared], words),
          after: metres(fit["p90_m_" + fit.suspected], words),
        }),
      })
    );
    if (datums.length && !wrong.length) said.push(el("p", { class: "verdict good", text: t("datum.fine", { n: datums.length }) }));
    return said;
  }

  function byBrand(model, words) {
    const { t } = words;
    const { brands } = model.data.figures;
    const row = (name, read, placed, lost) => [name, vehiclesText(read, words), vehiclesText(placed, words), vehiclesText(lost, words)];
    return section(t("by_brand"), [
      table(
        [t("brand"), t("brand.read"), t("brand.placed"), t("brand.lost")],
        brands.map((brand, b) =>
          row(words.name(model.data.study.brands[b].name), brand.vehicles_read, brand.vehicles_placed, brand.unreachable_vehicles)
        ),
        row(t("total"), total(brands, "vehicles_read"), total(brands, "vehicles_placed"), total(brands, "unreachable_vehicles"))
      ),
    ]);
  }

  function outOfReach(model, words) {
    const { t } = words;
    const { unreachable } = model.data.figures;
    if (!unreachable.length) return section(t("unreachable"), [el("p", { text: t("unreachable.none") })]);
    const row = (name, r) => [name, words.number(r.points), vehiclesText(r.vehicles, words), words.number(r.kwh_per_day)];
    const sum = { points: 0, vehicles: 0, kwh_per_day: 0 };
    for (const key of Object.keys(sum)) sum[key] = total(unreachable, key);
    return section(t("unreachable"), [
      table(
        [t("unreachable.reason"), t("points"), t("vehicles"), t("kwh")],
        unreachable.map((r) => row(words.known("reason", r.reason), r)),
        unreachable.length > 1 && row(t("total"), sum)
      ),
    ]);
  }

  function stationFates(model, words) {
    const { t } = words;
    const { stations, station_capacity_kwh_per_day: capacity } = model.data.figures;
    const less = (n) => (n ? "−" + words.number(n) : "0");
    return section(t("stations"), [
      pairs([
        [t("fate.read"), words.number(stations.read)],
        [t("fate.between"), less(stations.merged_between_files)],
        [t("fate.within"), less(stations.merged_within_a_file)],
        [t("fate.left"), less(stations.planned_or_closed)],
        [t("fate.standing"), words.number(stations.standing)],
        [t("fate.doubtful"), words.number(stations.doubtful_pairs_kept_apart)],
        [t("station.capacity"), words.energy(capacity)],
      ]),
    ]);
  }

  function candidateFates(model, words) {
    const { t } = words;
    const rows = model.data.figures.candidates;
    return section(t("candidates"), [
      pairs(rows.map(([why, n], k) => [k === 0 ? t("candidates.kept") : whyNot(why, words), words.number(n)])),
    ]);
  }

  function snaps(model, words) {
    const { t } = words;
    const { figures, study } = model.data;
    return section(t("snaps"), [
      table(
        [t("snaps.metres"), t("snaps.median"), t("snaps.p90"), t("snaps.max"), t("snaps.far", { m: study.far_m }), t("snaps.off")],
        figures.snaps.map((row) => [
          t("what." + row.what),
          ...[row.median_m, row.p90_m, row.max_m].map((m) => plain(m, words)),
          words.number(row.far),
          words.number(row.off_road),
        ])
      ),
      el("p", { class: "note", text: t("snaps.note", { m: study.max_snap_m }) }),
    ]);
  }

  function roads(model, words) {
    const { t } = words;
    const rows = model.data.figures.roads.filter((row) => row.streets > 0);
    return section(t("roads"), [
      table(
        [t("roads.state"), t("roads.streets"), t("roads.km"), t("roads.one_way")],
        rows.map((row) => [
          row.state === "other_component" ? t("state.other_component", { n: row.components }) : t("state." + row.state),
          words.number(row.streets),
          words.number(row.km, row.km < 10 ? 1 : 0),
          words.number(row.one_way_km, row.one_way_km > 0 && row.one_way_km < 10 ? 1 : 0),
        ])
      ),
    ]);
  }

  function datums(model, words) {
    const { t } = words;
    const fits = model.data.figures.datums;
    if (!fits.length) return null;
    const rows = fits.flatMap((fit) =>
      ["wgs84", "gcj02", "bd09"].map((datum) => {
        const note = datum === fit.declared ? t("datum.declared") : datum === fit.suspected ? t("datum.better") : "";
        return [`${fit.file} · ${t("datum." + datum)}${note}`, plain(fit["median_m_" + datum], words), plain(fit["p90_m_" + datum], words)];
      })
    );
    return section(t("datum"), [
      table([t("datum.file"), t("datum.median"), t("datum.p90")], rows),
      el("p", { class: "note", text: t("datum.note") }),
    ]);
  }

  function files(model, words) {
    const { t } = words;
    return section(t("files"), [
      table(
        [t("files.file"), t("files.datum"), t("files.entries")],
        model.data.figures.files.map((row) => [
          `${t("holds." + row.holds)} · ${row.file}${row.illustrative ? ` · ${t("files.made")}` : ""}`,
          t("datum." + row.datum),
          words.number(row.entries),
        ])
      ),
    ]);
  }

  // ---------------------------------------------------------------- about

  function about(model, words) {
    const { t } = words;
    const { study, figures } = model.data;
    const { sources } = study;
    const made = [
      study.illustrative_note && words.name(study.illustrative_note),
      !study.illustrative_note && figures.files.some((row) => row.illustrative) &&
        t("about.made.files", { files: figures.files.filter((row) => row.illustrative).map((row) => row.file).join(", ") }),
    ].filter(Boolean);
    return [
      made.length > 0 &&
        el("section", { class: "block made" }, [el("h2", { text: t("about.made") }), ...made.map((text) => el("p", { text }))]),
      section(t("about.method"), [
        el("p", { text: t("about.check") }),
        el("p", { text: t("about.reach", { minutes: words.minutes(study.cutoff_minutes), m: study.max_snap_m }) }),
        el("p", { text: t("about.merge") }),
        el("p", { text: t("about.datum") }),
      ]),
      section(t("about.data"), [
        pairs([
          [t("about.date"), study.data_date || ""],
          [t("about.roads"), sources.roads || ""],
          [t("about.vehicles"), sources.vehicles || ""],
          [t("about.stations"), sources.stations.join("; ")],
        ]),
      ]),
    ];
  }

  // ---------------------------------------------------------------- findings

  function tableOf(model, kind) {
    return { demand: model.demand, station: model.stations, candidate: model.candidates, doubtful: model.doubtful }[kind];
  }

  // A source's own id, without the name of its file.
  const bareId = (source) => source.split(";")[0].split(":").slice(1).join(":") || source;

  function titleOf(model, kind, n, words) {
    const rows = tableOf(model, kind);
    if (kind === "doubtful") return `${bareId(rows.kept[n])} · ${bareId(rows.merged[n])}`;
    return (rows.name && words.name(rows.name[n])) || rows.id[n];
  }

  // What deserves a look, the weightiest first.
  function findFindings(model) {
    const { demand, stations, candidates, doubtful, data } = model;
    const far = (m) => m > data.study.far_m;
    const list = (kind, rows, keep, weigh) =>
      Array.from({ length: rows.n }, (_, index) => ({ kind, index }))
        .filter(({ index }) => keep(index))
        .sort((a, b) => weigh(b.index) - weigh(a.index));
    return [
      ...list("demand", demand, (n) => demand.why(n) !== "", (n) => demand.kwh[n]),
      ...list("doubtful", doubtful, () => true, () => 0),
      ...list("candidate", candidates, (n) => candidates.why(n) === "" && (candidates.road(n) === null || far(candidates.to_road_m[n])), (n) => candidates.to_road_m[n]),
      ...list("demand", demand, (n) => demand.why(n) === "" && far(demand.to_road_m[n]), (n) => demand.to_road_m[n]),
      ...list("station", stations, (n) => far(stations.to_road_m[n]), (n) => stations.to_road_m[n]),
      ...list("station", stations, (n) => stations.stands[n] && stations.road(n) === null, () => 0),
    ];
  }

  function findHits(model, query) {
    const needle = query.toLocaleLowerCase();
    const hits = [];
    for (const kind of ["demand", "station", "candidate"]) {
      const rows = tableOf(model, kind);
      for (let index = 0; index < rows.n; index++) {
        const name = rows.name ? rows.name[index] : "";
        const sources = rows.source_ids ? rows.source_ids[index] : "";
        const texts = [rows.id[index], sources, ...(name !== null && typeof name === "object" ? [name.en, name.zh] : [name])];
        if (texts.some((text) => text && text.toLocaleLowerCase().includes(needle))) hits.push({ kind, index });
      }
    }
    return hits;
  }

  function noteOf(model, kind, n, words) {
    const { t } = words;
    if (kind === "doubtful") return `${t("kind.doubtful")} · ${metres(model.doubtful.distance_m[n], words)}`;
    const rows = tableOf(model, kind);
    if (kind === "demand" && rows.why(n) !== "") return words.known("reason", rows.why(n));
    if (kind === "candidate" && rows.why(n) !== "") return whyNot(rows.why(n), words);
    if (kind === "station" && !rows.stands[n]) return words.known("status", rows.status[n]);
    return `${t("kind." + kind)} · ${toRoad(rows, n, words)}`;
  }

  function toRoad(rows, n, words) {
    const m = rows.to_road_m[n];
    if (m === null) return "";
    return m < 0 ? words.t("to_road.none") : words.t("to_road", { m: metres(m, words) });
  }

  function hitList(model, state, words, select) {
    const { t } = words;
    const query = state.query.trim();
    const hits = query === "" ? model.findings : findHits(model, query);
    const items = hits.slice(0, MAX_HITS).map(({ kind, index }) => {
      const chosen = state.selection && state.selection.kind === kind && state.selection.index === index;
      return el("li", {}, [
        el("button", { type: "button", class: `hit hit-${kind === "demand" && model.demand.why(index) !== "" ? "unreachable" : kind}`, "data-spot": `${kind}:${index}`, "aria-current": chosen ? "true" : null, on: { click: () => select(kind, index) } }, [
          el("i", { class: "dot", "aria-hidden": "true" }),
          el("span", { class: "hit-name" }, [
            el("bdi", { text: titleOf(model, kind, index, words) }),
            el("small", { text: noteOf(model, kind, index, words) }),
          ]),
          kind === "demand" && el("span", { class: "hit-value", text: words.energy(model.demand.kwh[index]) }),
        ]),
      ]);
    });
    const more = hits.length - items.length;
    if (more > 0) items.push(el("li", { class: "note", text: t("search.more", { n: more }) }));
    if (query === "") items.unshift(...noticeRows(model, words));
    const found = query === "" ? t("findings.order") : hits.length ? t("search.found", { n: hits.length }) : t("search.none");
    if (query !== "" && !hits.length) items.push(el("li", { class: "note", text: found }));
    return { items, found };
  }

  function noticeRows(model, words) {
    const { notices } = model.data;
    if (!notices.length) return [];
    return [
      el("li", { class: "notices" }, [
        el("details", {}, [
          el("summary", { text: words.t("notices", { n: notices.length }) }),
          el("ul", { lang: "en" }, notices.map((text) => el("li", { text }))),
        ]),
      ]),
    ];
  }

  // ---------------------------------------------------------------- detail

  function detail(model, state, words, close) {
    const { kind, index } = state.selection;
    const built = { demand, station, candidate, doubtful }[kind](model, words, index);
    return card({
      kind: built.kind || kind,
      label: built.label || words.t("kind." + kind),
      badge: built.made && words.t("badge"),
      closeLabel: words.t("close"),
      close,
      ...built,
    });
  }

  function fileOf(model, holds) {
    const row = model.figure("files", "holds", holds);
    return row === undefined ? "" : row.file;
  }

  function rowText(rows, n, words) {
    return rows.row[n] > 0 ? words.number(rows.row[n]) : "";
  }

  function demand(model, words, n) {
    const { t } = words;
    const rows = model.demand;
    const { brands } = model.data.study;
    const lost = rows.why(n) !== "";
    const most = Math.max(...brands.map((_, b) => rows.vehicles(b)[n]), 1e-9);
    const d = rows.district[n];
    return {
      title: rows.id[n],
      kind: lost ? "unreachable" : "demand",
      label: t(lost ? "kind.unreachable" : "kind.demand"),
      made: model.figure("files", "holds", "vehicles").illustrative,
      body: [
        lost && el("p", { class: "verdict open", text: words.known("reason", rows.why(n)) }),
        el("div", { class: "facts" }, [
          fact(t("vehicles"), vehiclesText(rows.vehicles(siting.ALL)[n], words)),
          fact(t("energy"), words.energy(rows.kwh[n])),
        ]),
        section(t("by_brand"), brands.map((brand, b) =>
          el("div", { class: "bar-row" }, [
            el("span", { class: "bar-name", text: words.name(brand.name) }),
            el("span", { class: "bar plain", "aria-hidden": "true" }, [
              el("i", { class: "bar-today", width: `${(100 * rows.vehicles(b)[n]) / most}%` }),
            ]),
            el("span", { class: "bar-value", text: vehiclesText(rows.vehicles(b)[n], words) }),
          ])
        )),
        pairs([
          [t("files.file"), fileOf(model, "vehicles")],
          [t("row"), rowText(rows, n, words)],
          [t("zone"), rows.zone[n]],
          [t("kind.district"), d >= 0 && d < model.districts.n ? words.name(model.districts.name[d]) : ""],
          [t("road"), toRoad(rows, n, words)],
        ]),
      ],
    };
  }

  function station(model, words, n) {
    const { t } = words;
    const rows = model.stations;
    const merges = [];
    for (let k = 0; k < model.merges.n; k++) if (model.merges.id[k] === rows.id[n]) merges.push(k);
    return {
      title: titleOf(model, "station", n, words),
      label: t(rows.stands[n] ? "kind.station" : "kind.left"),
      made: rows.illustrative[n],
      body: [
        pairs([
          [t("status"), words.known("status", rows.status[n])],
          [t("station.operator"), rows.operator[n]],
          [t("station.network"), rows.network[n]],
          [t("station.connectors"), rows.connectors[n] === null ? "" : words.number(rows.connectors[n])],
          [t("station.power"), rows.power_kw[n] === null ? "" : words.power(rows.power_kw[n])],
          [t("road"), toRoad(rows, n, words)],
          [t("site.id"), rows.id[n]],
        ]),
        section(t("sources", { n: rows.sources[n].length }), rows.sources[n].map((id) => el("p", { class: "source", text: id }))),
        merges.length > 0 && section(t("merged_because"), merges.map((k) => evidence(model.merges, k, words))),
      ],
    };
  }

  // Why two sources are, or may be, one station; the reason stands as the merger wrote it.
  function evidence(rows, k, words) {
    const { t } = words;
    const likeness = (share) => (share === null ? "" : words.t("percent", { x: words.number(share) }));
    return el("div", { class: "evidence" }, [
      el("p", { class: "source", text: `${rows.kept[k]} + ${rows.merged[k]}` }),
      pairs([
        [t("evidence.distance"), metres(rows.distance_m[k], words)],
        [t("evidence.name"), likeness(rows.name_similarity[k])],
        [t("evidence.operator"), likeness(rows.operator_similarity[k])],
        [t("station.connectors"), `${words.number(rows.connectors_kept[k])} · ${words.number(rows.connectors_merged[k])}`],
      ]),
      el("p", { class: "note", lang: "en", text: rows.reason[k] }),
    ]);
  }

  function candidate(model, words, n) {
    const { t } = words;
    const rows = model.candidates;
    const out = rows.why(n) !== "";
    const made = model.figure("files", "holds", "candidates").illustrative;
    return {
      title: titleOf(model, "candidate", n, words),
      label: t(out ? "kind.excluded" : "kind.candidate"),
      made: made && !out,
      body: [
        el("p", { class: out ? "verdict open" : "verdict good", text: out ? whyNot(rows.why(n), words) : t(rows.forbidden[n] ? "candidate.forbidden" : "candidates.kept") }),
        pairs([
          [t("site.kind"), words.known("place", rows.kind[n])],
          [t("files.file"), fileOf(model, "candidates")],
          [t("row"), rowText(rows, n, words)],
          [t("road"), toRoad(rows, n, words)],
          [t("site.id"), rows.id[n]],
        ]),
      ],
    };
  }

  function doubtful(model, words, n) {
    return {
      title: titleOf(model, "doubtful", n, words),
      body: [el("p", { text: words.t("doubtful.words") }), evidence(model.doubtful, n, words)],
    };
  }

  // ---------------------------------------------------------------- legend

  function line(name) {
    return mark((pen) => siting.checkMarks.drawLine(pen, 2, 15, 20, 7, name));
  }

  function roadMark(name) {
    const { ink, width, dash } = siting.ROAD_FLAGS[name];
    return mark((pen) => {
      pen.strokeStyle = ink;
      pen.lineWidth = Math.max(1.6, width);
      pen.lineCap = name === "other_component" ? "round" : "butt";
      pen.setLineDash(dash);
      pen.beginPath();
      pen.moveTo(2, 11);
      pen.lineTo(20, 11);
      pen.stroke();
    });
  }

  function plainLine(ink, dash) {
    return mark((pen) => {
      pen.setLineDash(dash);
      pen.strokeStyle = ink;
      pen.lineWidth = 1.8;
      pen.strokeRect(1, 11, 20, 0);
    });
  }

  function layerRows(model, state, words, toggle) {
    const { t } = words;
    const marks = siting.checkMarks;
    const { demand, stations, candidates } = model;
    const { figures, study } = model.data;
    const count = (n, keep) => Array.from({ length: n }, (_, k) => k).filter(keep).length;
    const stationUses = ["single", "merged", "off"]
      .map((use) => [use, count(stations.n, (k) => siting.stationUse(stations, k) === use)])
      .filter(([, n]) => n > 0);
    const lost = figures.unreachable;
    const kept = count(candidates.n, (n) => candidates.why(n) === "");
    const roadN = (state) => model.figure("roads", "state", state).streets;
    const rows = [
      ["demand", demand.n - total(lost, "points"), mark((pen) => marks.drawDemand(pen, 11, 11, 5.5))],
      ["unreachable", total(lost, "points"), mark((pen) => marks.drawUnreached(pen, 11, 11, 5.5, lost.length ? lost[0].reason : "")),
        lost.map((row) => [mark((pen) => marks.drawUnreached(pen, 11, 11, 4.6, row.reason)), words.known("reason", row.reason), row.points])],
      ["snaps", total(figures.snaps, "far"), line("snaps")],
      ["stations", figures.stations.standing, mark((pen) => marks.drawCheckedStation(pen, 11, 11, 4.6, "single")),
        stationUses.map(([use, n]) => [mark((pen) => marks.drawCheckedStation(pen, 11, 11, 4.2, use)), t("use." + use), n])],
      ["merges", model.merges.n, line("merges")],
      ["doubtful", model.doubtful.n, mark((pen) => marks.drawQuestion(pen, 11, 11, 6))],
      ["left", figures.stations.planned_or_closed, mark((pen) => marks.drawCheckedStation(pen, 11, 11, 4.2, "left"))],
      ["candidates", kept, mark((pen) => marks.drawCheckedCandidate(pen, 11, 11, 4.4, true))],
      ["excluded", candidates.n - kept, mark((pen) => marks.drawCheckedCandidate(pen, 11, 11, 4.4, false))],
      ["exclusions", model.exclusions.n, mark(paintHatch)],
      ["districts", model.districts.n, plainLine("rgba(86,74,94,.8)", [7, 3, 1.5, 3])],
      ["roads", roadN("main"), plainLine("rgba(92,90,98,.6)", [])],
      ["one_way", model.flagged.one_way.n, roadMark("one_way"), null, ""],
      ["one_way_trap", roadN("one_way_trap"), roadMark("one_way_trap")],
      ["other_component", roadN("other_component"), roadMark("other_component")],
    ];
    return rows.filter(([, n]) => n > 0).flatMap(([name, n, picture, uses, shown]) => [
      layerRow({
        name,
        label: t("layer." + name, { m: study.far_m }),
        count: shown === undefined ? words.number(n) : undefined,
        checked: state.layers[name],
        picture,
        toggle,
      }),
      uses && uses.length > 1 && state.layers[name] &&
        el("ul", { class: "uses" }, uses.map(([use, text, many]) =>
          el("li", {}, [use, el("span", { text }), el("small", { text: words.number(many) })])
        )),
    ]).filter(Boolean);
  }

  function paintHatch(pen) {
    pen.fillStyle = pen.createPattern(siting.createHatch(), "repeat");
    pen.fillRect(2, 4, 18, 14);
    pen.strokeStyle = "#7a6a4f";
    pen.lineWidth = 1;
    pen.strokeRect(2, 4, 18, 14);
  }

  Object.assign(siting, { checkPanels: { headline, summary, about, findFindings, hitList, detail, layerRows, tableOf, titleOf, noteOf } });
})((window.siting = window.siting || {}));
