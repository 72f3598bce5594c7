// Everything beside the map of a plan.
(function (siting) {
  "use strict";

  const BRAND_INK = [
    "#1b6ca8", "#d98c1f", "#2a8f6d", "#b05a94", "#6aaed6", "#8a6d3b",
    "#4b4e9e", "#c9b23a", "#7aa33c", "#8c8c8c", "#a3425d", "#3f8f9a",
  ];
  const MAX_HITS = 60;
  const MAX_PRINTED = 66;

  const { el, fill, section, fact, pairs, table, card, mark, layerRow } = siting.elements;

  // ---------------------------------------------------------------- summary

  function summary(model, state, words) {
    const { t } = words;
    const { study, solve } = model.data;
    const sites = model.sites;
    const total = (column) => column.reduce((sum, value) => sum + (value || 0), 0);
    return [
      hero(model, state, words),
      el("div", { class: "facts" }, [
        fact(t("fact.cost"), words.money(solve.cost_cny), budgetNote(study, solve, words)),
        fact(t("fact.sites"), words.number(sites.n)),
        fact(t("fact.connectors"), words.number(total(sites.connectors))),
        study.tiers[0].power_kw !== null && fact(t("fact.power"), words.power(total(sites.power_kw))),
      ]),
      byBrand(model, state, words),
      byTier(model, words),
      siting.time.summary(model, words),
      siting.trips.summary(model, words),
      siting.futures.summary(model, words),
      ledger(model, words),
      grid(model, words),
      siting.waits.summary(model, words),
      siting.reasons.summary(model, words),
      proof(model, words),
      basis(model, words),
    ];
  }

  // What the substation groups give, and what the plan takes of it.
  function grid(model, words) {
    if (!model.grid.name.length) return null;
    const rows = model.grid.name.map((name, g) =>
      el("div", { class: "bar-row" }, [
        el("span", { class: "bar-name" }, [el("bdi", { text: name })]),
        el("span", { class: "bar", "aria-hidden": "true" }, [
          el("i", { class: "bar-joint", width: `${100 * Math.min(1, model.grid.used_kw[g] / (model.grid.limit_kw[g] || 1))}%` }),
        ]),
        el("span", { class: "bar-value", text: gridUse(model.grid.used_kw[g], model.grid.limit_kw[g], words) }),
      ])
    );
    return section(words.t("grid"), rows);
  }

  function gridUse(used_kw, limit_kw, words) {
    return words.t("grid.use", { used: words.power(used_kw), limit: words.power(limit_kw) });
  }

  // Of what date the data are, and what of them is made.
  function basis(model, words) {
    const { t } = words;
    const made = madeWords(model, words);
    const { data_date } = model.data.study;
    if (!made.length && !data_date) return null;
    return section(
      t("basis"),
      [data_date && el("p", { text: t("basis.date", { date: data_date }) }), ...made.map((text) => el("p", { class: "note", text }))],
      "basis"
    );
  }

  function madeWords(model, words) {
    const { study } = model.data;
    return [
      study.illustrative_note && words.name(study.illustrative_note),
      !study.illustrative_note && study.illustrative_vehicles && words.t("about.made.vehicles"),
      !study.illustrative_note && study.illustrative_stations && words.t("about.made.stations"),
    ].filter(Boolean);
  }

  function hero(model, state, words) {
    const { t } = words;
    const { study, solve } = model.data;
    const s = model.service(state.brand);
    const points = (share) => {
      const tenths = Math.round(1000 * share) || 0;
      return (tenths >= 0 ? "+" : "−") + words.number(Math.abs(tenths) / 10, 1);
    };
    const sites = t("n_sites", { n: model.sites.n });
    const brand = state.brand === siting.ALL ? null : words.name(study.brands[state.brand].name);
    const key = study.budget_cny === null ? "hero.words.nolimit" : "hero.words";
    return el("div", { class: "hero" }, [
      el("p", { class: "hero-shares" }, [
        el("span", { class: "hero-before" }, [
          el("b", { text: words.percent(s.todayShare, 0) }),
          el("small", { text: t("hero.today") }),
        ]),
        el("span", { class: "hero-arrow", "aria-hidden": "true", text: "→" }),
        el("span", { class: "hero-after" }, [
          el("b", { text: words.percent(s.jointShare, 0) }),
          el("small", { text: t("hero.joint") }),
        ]),
      ]),
      el("p", { class: "hero-label", text: brand ? t("hero.label.brand", { brand }) : t("hero.label") }),
      el("p", {
        class: "hero-words",
        text: t(key, { sites, cost: words.money(solve.cost_cny), budget: words.money(study.budget_cny) }),
      }),
      brand && el("p", { class: "hero-words", text: brandWords(model, state.brand, words) }),
      el("ul", { class: "hero-steps" }, [
        el("li", { text: t("hero.step.unified", { x: points(s.unifiedShare - s.todayShare) }) }),
        el("li", { text: t("hero.step.joint", { x: points(s.jointShare - s.unifiedShare) }) }),
      ]),
    ]);
  }

  // What the filtered brand's drivers want, what they gain, and its bill, with the rule named.
  function brandWords(model, b, words) {
    const { t } = words;
    const { brands, pays_cny: pays, bill } = model.data.service;
    const gain = brands.joint_kwh_per_day[b] - brands.today_kwh_per_day[b];
    const energy = { wanted: words.energy(brands.wanted_kwh_per_day[b]), gain: words.energy(gain) };
    if (!bill) return t("hero.brand", { ...energy, pays: words.money(pays[b]) });
    return t(pays[b] < 0 ? "hero.brand.paid" : "hero.brand.alliance", {
      ...energy,
      pays: words.money(Math.abs(pays[b])),
      rule: words.name(bill.rule),
      more: words.money(bill.gain_cny[b]),
    });
  }

  function headline(model, state, words) {
    const s = model.service(state.brand);
    return words.t("headline", { today: words.percent(s.todayShare, 0), joint: words.percent(s.jointShare, 0) });
  }

  function budgetNote(study, solve, words) {
    if (study.budget_cny === null) return null;
    const share = study.budget_cny > 0 ? Math.min(1, solve.cost_cny / study.budget_cny) : 0;
    return el("div", {}, [
      el("div", { class: "meter", "aria-hidden": "true" }, [el("i", { width: `${100 * share}%` })]),
      el("small", { text: words.t("fact.of_budget", { budget: words.money(study.budget_cny) }) }),
    ]);
  }

  function byBrand(model, state, words) {
    const { t } = words;
    const rows = model.data.study.brands.map((brand, b) => {
      const s = model.service(b);
      const share = [s.todayShare, s.unifiedShare - s.todayShare, s.jointShare - s.unifiedShare];
      const dim = state.brand !== siting.ALL && state.brand !== b;
      return el("div", { class: dim ? "bar-row dim" : "bar-row" }, [
        el("span", { class: "bar-name", text: words.name(brand.name) }),
        el("span", { class: "bar", "aria-hidden": "true" }, [
          el("i", { class: "bar-today", width: `${100 * (share[0] || 0)}%` }),
          el("i", { class: "bar-unified", width: `${100 * Math.max(0, share[1] || 0)}%` }),
          el("i", { class: "bar-joint", width: `${100 * Math.max(0, share[2] || 0)}%` }),
        ]),
        el("span", {
          class: "bar-value",
          text: `${words.percent(s.todayShare, 0)} → ${words.percent(s.jointShare, 0)}`,
        }),
      ]);
    });
    const key = ["today", "unified", "joint", "wanted"].map((name) =>
      el("li", {}, [el("i", { class: "bar-" + name }), el("span", { text: t("key." + name) })])
    );
    return section(t("by_brand"), [...rows, el("ul", { class: "key" }, key)]);
  }

  function byTier(model, words) {
    const { t } = words;
    const count = model.data.study.tiers.map((_, k) => model.sites.tier.filter((tier) => tier === k).length);
    const most = Math.max(...count, 1);
    const rows = model.data.study.tiers.map((tier, k) =>
      el("div", { class: "bar-row" }, [
        el("span", { class: "bar-name" }, [
          el("span", { text: words.name(tier.name) }),
          el("small", {
            text: t("tier.line", { connectors: tier.connectors, power: words.power(tier.power_kw) }),
          }),
        ]),
        el("span", { class: "bar plain", "aria-hidden": "true" }, [
          el("i", { class: "bar-joint", width: `${(100 * count[k]) / most}%` }),
        ]),
        el("span", { class: "bar-value", text: words.number(count[k]) }),
      ])
    );
    return section(t("by_tier"), rows, "by-tier");
  }

  function ledger(model, words) {
    const { t } = words;
    const { service, study } = model.data;
    const gain = (b) => service.brands.joint_kwh_per_day[b] - service.brands.today_kwh_per_day[b];
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const gains = study.brands.map((_, b) => gain(b));
    const { bill } = service; // of `siting alliance`; a plan by itself has none
    return section(t("ledger"), [
      table(
        [t("ledger.brand"), t("ledger.gain"), t("ledger.pays")],
        study.brands.map((brand, b) => [words.name(brand.name), "+" + words.energy(gains[b]), words.money(service.pays_cny[b])]),
        [t("ledger.total"), "+" + words.energy(sum(gains)), words.money(sum(service.pays_cny))]
      ),
      el("p", {
        class: "note",
        text: bill ? t("ledger.note.alliance", { rule: words.name(bill.rule), why: words.name(bill.why) }) : t("ledger.note"),
      }),
    ]);
  }

  // What the solver proved, in plain words; "feasible" never reads as "optimal".
  function proofWords(solve, words) {
    const { t } = words;
    const above = (solve.bound_kwh_per_day - solve.objective_kwh_per_day) / solve.objective_kwh_per_day;
    const known = solve.bound_kwh_per_day !== null && solve.objective_kwh_per_day > 0;
    if (!solve.feasible) return t("proof.broken");
    if (solve.status !== "optimal") {
      return known ? t("proof.feasible", { gap: words.percentUp(Math.max(0, above)) }) : t("proof.unknown");
    }
    if (!known || above < 1e-7) return t("proof.exact");
    return t("proof.optimal", { gap: words.percentUp(above) });
  }

  function proof(model, words) {
    const { t } = words;
    const { solve, study } = model.data;
    const worth = study.worth === "plain" ? "" : ` (${t("unit.worth")})`;
    return section(t("proof"), [
      el("p", { class: solve.status === "optimal" ? "verdict good" : "verdict open", text: proofWords(solve, words) }),
      pairs([
        [t("proof.objective") + worth, words.energy(solve.objective_kwh_per_day)],
        [t("proof.bound"), words.energy(solve.bound_kwh_per_day)],
        [t("proof.gap", { asked: words.percent(solve.gap_asked, 1) }), words.percentUp(solve.gap === null ? NaN : solve.gap)],
        [t("proof.engine"), solve.engine],
      ]),
    ], "proof");
  }

  // ---------------------------------------------------------------- about

  function about(model, words) {
    const { t } = words;
    const { study } = model.data;
    const { sources } = study;
    const promise = {
      minutes: words.minutes(study.cutoff_minutes),
      wait: words.minutes(study.max_wait_minutes),
      share: words.percent(1 - study.wait_exceeded_share, 0),
    };
    const lost = model.unreachable.kwh_per_day.reduce((a, b) => a + b, 0);
    const made = madeWords(model, words);
    return [
      made.length > 0 &&
        el("section", { class: "block made" }, [
          el("h2", { text: t("about.made") }),
          ...made.map((text) => el("p", { text })),
        ]),
      section(t("about.method"), [
        el("p", { text: t("about.service", promise) }),
        el("p", { text: t("about.today") }),
        el("p", { text: t(study.accounts === "unified" ? "about.unified" : "about.separate") }),
        el("p", { text: t("about.joint") }),
        el("p", { text: t("about.areas") }),
        el("p", {
          text: model.unreachable.n
            ? t("about.unreachable", { n: model.unreachable.n, kwh: words.energy(lost) })
            : t("about.reachable"),
        }),
      ]),
      section(t("about.data"), [
        pairs([
          [t("about.date"), study.data_date || ""],
          [t("about.roads"), sources.roads || ""],
          [t("about.vehicles"), sources.vehicles || ""],
          [t("about.stations"), sources.stations.join("; ")],
          [t("trips"), sources.trips || ""],
        ]),
        el("p", { class: "note", text: t("about.files") }),
      ]),
    ];
  }

  // ---------------------------------------------------------------- search

  function nameOf(table, n, words) {
    return words.name(table.name[n]) || table.id[n];
  }

  const TABLES = ["site", "station", "candidate", "place", "trip", "unreachable", "district", "area"];
  const NOTHING = { n: 0, id: [] };

  function tableOf(model, kind) {
    return {
      site: model.sites,
      station: model.stations,
      candidate: model.candidates,
      unreachable: model.unreachable,
      district: model.districts,
      area: model.areas,
      place: model.trips ? model.trips.places : NOTHING,
      trip: model.trips ? model.trips.table : NOTHING,
      stretch: model.trips ? model.trips.stretchTable : NOTHING,
    }[kind];
  }

  // Without a query the sites, in the plan's own order; with one, whatever holds it.
  function findHits(model, query) {
    const needle = query.trim().toLocaleLowerCase();
    if (needle === "") return Array.from({ length: model.sites.n }, (_, index) => ({ kind: "site", index }));
    const hits = [];
    for (const kind of TABLES) {
      const table = tableOf(model, kind);
      for (let index = 0; index < table.n; index++) {
        const name = table.name ? table.name[index] : "";
        const texts = [table.id[index], ...(name !== null && typeof name === "object" ? [name.en, name.zh] : [name])];
        if (texts.some((text) => text && text.toLocaleLowerCase().includes(needle))) hits.push({ kind, index });
      }
    }
    return hits;
  }

  function hitList(model, state, words, select) {
    const { t } = words;
    const hits = findHits(model, state.query);
    const asked = state.query.trim() !== "";
    const shown = asked ? hits.slice(0, MAX_HITS) : hits;
    const items = shown.map(({ kind, index }) => {
      const chosen = state.selection && state.selection.kind === kind && state.selection.index === index;
      const table = tableOf(model, kind);
      const title = table.name ? nameOf(table, index, words) : table.id[index];
      const note =
        kind === "site"
          ? `${words.money(table.cost_cny[index])} · ${words.name(model.data.study.tiers[table.tier[index]].name)}`
          : `${t("kind." + kind)} · ${table.id[index]}`;
      return el("li", {}, [
        el("button", { type: "button", class: `hit hit-${kind}`, "data-spot": `${kind}:${index}`, "aria-current": chosen ? "true" : null, on: { click: () => select(kind, index) } }, [
          el("i", { class: "dot", "aria-hidden": "true" }),
          el("span", { class: "hit-name" }, [el("bdi", { text: title }), el("small", { text: note })]),
          kind === "site" && el("span", { class: "hit-value", text: words.energy(table.energy_kwh_per_day[index]) }),
        ]),
      ]);
    });
    const more = hits.length - shown.length;
    if (more > 0) items.push(el("li", { class: "note", text: t("search.more", { n: more }) }));
    const found = !asked ? t("sites.order") : hits.length ? t("search.found", { n: hits.length }) : t("search.none");
    return { items, found, none: asked && hits.length === 0 };
  }

  // ---------------------------------------------------------------- detail

  function detail(model, state, words, { close, select }) {
    const { kind, index } = state.selection;
    const { place, trip, stretch } = siting.trips;
    const builders = { site, station, candidate, unreachable, area, district, place, trip, stretch };
    const built = builders[kind](model, state, words, index, select);
    return card({
      kind,
      label: words.t("kind." + kind),
      badge: model.data.study.illustrative && words.t("badge"),
      closeLabel: words.t("close"),
      close,
      ...built,
    });
  }

  function site(model, state, words, n, select) {
    const { t } = words;
    const { sites } = model;
    const { study, service } = model.data;
    const tier = study.tiers[sites.tier[n]];
    const why = [
      t("why.reach", { minutes: words.minutes(study.cutoff_minutes), reach: words.energy(sites.reach_kwh_per_day[n]) }),
      sites.reach_unserved_kwh_per_day[n] > 0 &&
        t("why.unserved", { unserved: words.energy(sites.reach_unserved_kwh_per_day[n]) }),
      sites.only_here_kwh_per_day[n] > 0
        ? t("why.only", { only: words.energy(sites.only_here_kwh_per_day[n]) })
        : t("why.only.none"),
      sites.required[n] && t("why.required"),
    ].filter(Boolean);
    const paid = service.pays_cny.reduce((a, b) => a + b, 0);
    const at_site = service.bill
      ? service.bill.at_site_cny.map((row) => row[n])
      : service.pays_cny.map((cny) => (paid > 0 ? (cny / paid) * sites.cost_cny[n] : 0));
    return {
      title: nameOf(sites, n, words),
      body: [
        el("div", { class: "facts" }, [
          fact(t("site.cost"), words.money(sites.cost_cny[n])),
          tier.power_kw !== null && fact(t("site.power"), words.power(sites.power_kw[n])),
          fact(t("site.energy"), words.energy(sites.energy_kwh_per_day[n])),
          fact(t("site.utilisation"), words.percent(sites.utilisation[n], 0)),
        ]),
        section(t("why"), [el("p", { text: why.join(words.lang === "zh" ? "" : " ") })]),
        ...siting.reasons.siteSections(model, words, n, select),
        section(t("site.uses"), [brandBars(model, words, sites.energy_by_brand.map((row) => row[n]), words.energy)]),
        section(t("site.pays"), [
          brandBars(model, words, at_site, words.money),
          el("p", { class: "note", text: t(service.bill ? "site.pays.note.alliance" : "site.pays.note") }),
        ]),
        pairs([
          [t("site.tier"), words.name(tier.name)],
          ...siting.time.siteRows(model, words, n),
          ...siting.futures.siteRows(model, words, n),
          [t("fact.connectors"), t("tier.line", { connectors: tier.connectors, power: words.power(tier.power_kw) })],
          [t("site.capacity"), words.energy(sites.capacity_kwh_per_day[n])],
          [t("site.wait"), t("site.wait.promise", { minutes: words.minutes(study.max_wait_minutes), share: words.percent(1 - study.wait_exceeded_share, 0) })],
          [t("site.wait.mean"), words.minutes(sites.wait_min[n])],
          ...siting.waits.siteRows(model, words, n),
          [t("site.drive"), words.minutes(sites.mean_drive_min[n])],
          ...gridRows(model, words, sites, n, sites.power_kw[n]),
          [t("kind.district"), districtName(model, words, sites.district[n])],
          [t("site.kind"), words.known("place", sites.kind[n])],
          [t("site.id"), sites.id[n]],
          [t("site.place"), `${sites.latitude[n].toFixed(5)}, ${sites.longitude[n].toFixed(5)}`],
        ]),
      ],
    };
  }

  // The grid limit of a site, and of its substation group; used_kw is null for a site not chosen.
  function gridRows(model, words, table, n, used_kw) {
    const { t } = words;
    const own = table.grid_limit_kw[n];
    const g = table.grid_group[n];
    return [
      own !== null && [t("site.grid"), used_kw === null ? words.power(own) : gridUse(used_kw, own, words)],
      g >= 0 && [`${t("grid.group")} ${model.grid.name[g]}`, gridUse(model.grid.used_kw[g], model.grid.limit_kw[g], words)],
    ];
  }

  function districtName(model, words, d) {
    return d >= 0 && d < model.districts.n ? words.name(model.districts.name[d]) : "";
  }

  function brandBars(model, words, values, format) {
    const most = Math.max(...values, 1e-9);
    return el("div", {}, model.data.study.brands.map((brand, b) =>
      el("div", { class: "bar-row" }, [
        el("span", { class: "bar-name", text: words.name(brand.name) }),
        el("span", { class: "bar plain", "aria-hidden": "true" }, [
          el("i", { ink: BRAND_INK[b % BRAND_INK.length], width: `${(100 * values[b]) / most}%` }),
        ]),
        el("span", { class: "bar-value", text: format(values[b]) }),
      ])
    ));
  }

  function station(model, state, words, n) {
    const { t } = words;
    const { stations } = model;
    const bits = stations.usable[state.moment][n];
    const users = model.data.study.brands.filter((_, b) => (bits >> b) & 1).map((brand) => words.name(brand.name));
    return {
      title: nameOf(stations, n, words),
      body: [
        stations.illustrative[n] && el("p", { class: "note", text: t("station.made") }),
        section(`${t("station.uses")} · ${t("moment." + state.moment)}`, [
          el("p", { text: users.join(words.lang === "zh" ? "、" : ", ") || t("nobody") }),
        ]),
        pairs([
          [t("station.network"), stations.network[n]],
          [t("station.operator"), stations.operator[n]],
          [t("station.connectors"), stations.connectors[n] === null ? "" : words.number(stations.connectors[n])],
          [t("station.power"), stations.power_kw[n] === null ? "" : words.power(stations.power_kw[n])],
          [t("station.capacity"), words.energy(stations.capacity_kwh_per_day[n])],
          ...["today", "unified", "joint"].map((moment) => [
            `${t("station.energy")} · ${t("moment." + moment)}`,
            words.energy(stations.energy_kwh_per_day[moment][n]),
          ]),
          [t("site.id"), stations.id[n]],
        ]),
      ],
    };
  }

  function candidate(model, state, words, n, select) {
    const { t } = words;
    const { candidates } = model;
    return {
      title: nameOf(candidates, n, words),
      body: [
        el("p", { text: t(candidates.forbidden[n] ? "candidate.forbidden" : "candidate.words") }),
        ...siting.reasons.candidateSections(model, words, n, select),
        pairs([
          [t("site.kind"), words.known("place", candidates.kind[n])],
          ...gridRows(model, words, candidates, n, null),
          [t("site.id"), candidates.id[n]],
        ]),
      ],
    };
  }

  function unreachable(model, state, words, n) {
    const { t } = words;
    const table = model.unreachable;
    return {
      title: table.id[n],
      body: [
        el("p", { text: t("unreachable.words") }),
        pairs([[t("area.wanted"), words.energy(table.kwh_per_day[n])], [t("unreachable.reason"), words.known("reason", table.reason[n])]]),
      ],
    };
  }

  function servedRows(words, wanted, servedAt) {
    const { t } = words;
    return ["today", "unified", "joint"].map((moment) => {
      const kwh = servedAt(moment);
      return [t("moment." + moment), `${words.percent(wanted > 0 ? kwh / wanted : NaN, 0)} · ${words.energy(kwh)}`];
    });
  }

  function area(model, state, words, n) {
    const { t } = words;
    const { areas } = model;
    const wanted = areas.wanted(state.brand)[n];
    return {
      title: areas.id[n],
      body: [
        el("div", { class: "facts" }, [fact(t("area.wanted"), words.energy(wanted))]),
        section(t("area.served"), [pairs(servedRows(words, wanted, (moment) => areas.served(state.brand, moment)[n]))]),
        section(t("area.by_brand"), [
          brandBars(model, words, model.data.study.brands.map((_, b) => areas.wanted(b)[n]), words.energy),
        ]),
        pairs([[t("kind.district"), districtName(model, words, areas.district[n])]]),
      ],
    };
  }

  function district(model, state, words, n) {
    const { t } = words;
    const { districts } = model;
    const of = (name) => (districts[name + "_kwh_per_day"] || [])[n] || 0;
    return {
      title: words.name(districts.name[n]) || districts.id[n],
      body: [
        el("div", { class: "facts" }, [fact(t("area.wanted"), words.energy(of("wanted")))]),
        section(t("area.served"), [pairs(servedRows(words, of("wanted"), of))]),
        pairs([[t("site.id"), districts.id[n]]]),
      ],
    };
  }

  // ---------------------------------------------------------------- legend

  function scale(theme, words) {
    const { t } = words;
    const label = (c) => {
      if (theme.name === "coverage") {
        if (c.from === 0) return t("scale.zero");
        return c.to === null ? `≥ ${words.number(100 * c.from)}` : `< ${words.number(100 * c.to)}`;
      }
      if (theme.name === "reach") return `≤ ${words.number(c.to, Number.isInteger(c.to) ? 0 : 1)}`;
      if (c.to === 0) return t("scale.zero");
      return c.to === null ? `≥ ${words.short(c.from)}` : `< ${words.short(c.to)}`;
    };
    if (theme.name === "none") return [el("p", { class: "note", text: t("scale.none") })];
    return [
      el("p", { class: "scale-title", text: t("scale." + theme.name) }),
      el("ol", { class: "scale" }, theme.classes.map((c) =>
        el("li", {}, [el("i", { ink: c.fill }), el("span", { text: label(c) })])
      )),
    ];
  }

  function layerRows(model, state, words, toggle) {
    const { t } = words;
    const plain = {};
    const brand = state.brand === siting.ALL ? null : words.name(model.data.study.brands[state.brand].name);
    const marks = {
      sites: mark((pen) => siting.drawSite(pen, 11, 11, 8, plain)),
      grid: mark((pen) => {
        siting.drawSite(pen, 11, 11, 4, plain);
        siting.drawGridShare(pen, 11, 11, 4, 0.7);
      }),
      regret: mark((pen) => {
        siting.drawSite(pen, 11, 11, 4.5, plain);
        siting.futures.drawRing(pen, 11, 11, 4.5);
      }),
      stations: mark((pen) => siting.drawStation(pen, 11, 11, 4, "open", plain)),
      candidates: mark((pen) => siting.drawCandidate(pen, 11, 11, 3.2, plain)),
      unreachable: mark((pen) => siting.drawUnreachable(pen, 11, 11, 3.6, plain)),
      trips: mark(siting.trips.drawKey),
      districts: mark((pen) => {
        pen.setLineDash([7, 3, 1.5, 3]);
        pen.strokeStyle = "rgba(86,74,94,.8)";
        pen.strokeRect(1, 11, 20, 0);
      }),
      roads: mark((pen) => {
        pen.strokeStyle = "rgba(92,90,98,.6)";
        pen.lineWidth = 1.8;
        pen.strokeRect(1, 11, 20, 0);
      }),
    };
    if (!model.districts.n) delete marks.districts;
    if (!model.grid.n) delete marks.grid;
    if (!model.trips) delete marks.trips;
    if (!model.data.robust) delete marks.regret;
    if (model.data.tiles) {
      marks.tiles = mark((pen) => {
        pen.fillStyle = "#dfe5dc";
        pen.fillRect(2, 4, 18, 14);
        pen.strokeStyle = "#fff";
        pen.lineWidth = 2;
        pen.strokeRect(8, 0, 30, 11);
      });
    }
    const uses = brand === null ? ["open", "some", "closed"] : ["open", "closed"];
    const rows = [];
    for (const name of Object.keys(marks)) {
      const count = { sites: model.sites.n, stations: model.stations.n, grid: model.grid.n, regret: model.data.robust && model.data.robust.no_regret.filter(Boolean).length, candidates: model.candidates.n, unreachable: model.unreachable.n }[name];
      rows.push(
        layerRow({
          name,
          label: t("layer." + name),
          count: count === undefined ? undefined : words.number(count),
          checked: state.layers[name],
          picture: marks[name],
          toggle,
        })
      );
      if (name !== "stations" || !state.layers.stations) continue;
      rows.push(el("ul", { class: "uses" }, uses.map((use) =>
        el("li", {}, [
          mark((pen) => siting.drawStation(pen, 11, 11, 4, use, plain)),
          el("span", { text: brand === null ? t("use." + use) : t(`use.${use}.brand`, { brand }) }),
        ])
      )));
    }
    return rows;
  }

  // ---------------------------------------------------------------- the printed sheet

  function sheet(model, words) {
    const { t } = words;
    const { sites } = model;
    const { study } = model.data;
    const shown = Math.min(sites.n, MAX_PRINTED);
    const rows = Array.from({ length: shown }, (_, n) =>
      el("li", {}, [
        el("b", { text: String(n + 1) }),
        el("bdi", { text: nameOf(sites, n, words) }),
        el("span", { text: words.name(model.data.study.tiers[sites.tier[n]].name) }),
        el("span", { text: words.money(sites.cost_cny[n]) }),
        el("span", { text: words.energy(sites.energy_kwh_per_day[n]) }),
      ])
    );
    return [
      el("h2", { text: `${t("layer.sites")} · ${t("sites.order")}` }),
      study.data_date && el("p", { class: "sheet-date", text: `${t("about.date")} ${study.data_date}` }),
      el("ol", { class: "sheet-sites" }, rows),
      sites.n > shown && el("p", { class: "note", text: t("print.more", { n: sites.n - shown }) }),
      study.illustrative_note && el("p", { class: "note", text: words.name(study.illustrative_note) }),
    ].filter(Boolean);
  }

  Object.assign(siting, { panels: { headline, summary, about, hitList, detail, scale, layerRows, sheet, tableOf, nameOf } });
})((window.siting = window.siting || {}));
