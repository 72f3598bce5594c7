// The diagnosis' figures beside the map: the very ones of the printed summary.
(function (siting) {
  "use strict";

  const { el, section, fact, pairs, table } = siting.elements;
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
    const row = (fit, datum) => {
      const note = datum === fit.declared ? t("datum.declared") : datum === fit.suspected ? t("datum.better") : "";
      return [t("datum." + datum) + note, plain(fit["median_m_" + datum], words), plain(fit["p90_m_" + datum], words)];
    };
    return section(t("datum"), [
      ...fits.flatMap((fit) => [
        el("p", { class: "source", text: `${fit.file} · ${t("datum.compared", { n: fit.compared })}` }),
        table([t("datum.read_as"), t("datum.median"), t("datum.p90")], ["wgs84", "gcj02", "bd09"].map((datum) => row(fit, datum))),
      ]),
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

  Object.assign(siting, { checkSummary: { headline, summary, about, whyNot, metres, total, vehiclesText } });
})((window.siting = window.siting || {}));
