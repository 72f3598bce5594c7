// Findings, details and the legend beside the diagnostic map.
(function (siting) {
  "use strict";

  const { el, section, fact, pairs, card, mark, layerRow } = siting.elements;
  const MAX_HITS = 60;
  const { whyNot, metres, total, vehiclesText } = siting.checkSummary;

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

  Object.assign(siting, { checkPanels: { findFindings, hitList, detail, layerRows, tableOf, titleOf, noteOf } });
})((window.siting = window.siting || {}));
