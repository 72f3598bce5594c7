// A plan over several periods: what stands in each, and what the page says of it.
(function (siting) {
  "use strict";

  const { el, section, table } = siting.elements;

  // The tier of a site in the chosen period, -1 before it opens; the plan's own without periods.
  function tierAt(model, state, n) {
    const { phases } = model.data;
    return phases ? phases.tier[state.period][n] : model.sites.tier[n];
  }

  function lastPeriod(model) {
    const { phases } = model.data;
    return phases ? phases.name.length - 1 : 0;
  }

  // Areas as they are in the chosen period; those of the end at other moments and without periods.
  function areasOf(model, state) {
    return state.moment === "joint" && state.period < lastPeriod(model) ? model.areasIn(state.period) : model.areas;
  }

  function choices({ data }, words) {
    return data.phases ? data.phases.name.map((name, t) => [t, words.name(name)]) : [];
  }

  function summary({ data }, words) {
    const { phases } = data;
    if (!phases) return null;
    const { t } = words;
    const head = ["period", "sites", "opened", "grown", "spent", "served"].map((key) => t("phases." + key));
    const rows = phases.name.map((name, k) => [
      words.name(name),
      words.number(phases.n_sites[k]),
      words.number(phases.n_opened[k]),
      words.number(phases.n_grown[k]),
      words.money(phases.spent_cny[k]),
      words.percent(phases.served_share[k], 0),
    ]);
    const gap = words.percent(phases.gap, 2);
    const least = phases.myopic_loss_least;
    const myopic =
      least === null
        ? t("phases.myopic.none")
        : t("phases.myopic", { least: words.percent(least, 2), most: words.percent(phases.myopic_loss_most, 2) });
    return section(t("phases"), [
      table(head, rows),
      el("p", { text: t(phases.proven ? "phases.proven" : "phases.open", { gap }) }),
      el("p", { text: myopic }),
      el("p", { class: "note", text: t("phases.note") }),
    ]);
  }

  // When a site opens, and when it grows.
  function siteRows({ data }, words, n) {
    const { phases } = data;
    if (!phases) return [];
    const tiers = phases.tier.map((row) => row[n]);
    const opens = tiers.findIndex((tier) => tier >= 0);
    const grows = tiers
      .map((tier, k) => [tier, k])
      .filter(([tier, k]) => k > opens && tier !== tiers[k - 1])
      .map(([tier, k]) => `${words.name(phases.name[k])}: ${words.name(data.study.tiers[tier].name)}`);
    return [
      [words.t("site.opens"), words.name(phases.name[opens])],
      grows.length > 0 && [words.t("site.grows"), grows.join(words.lang === "zh" ? "；" : "; ")],
    ];
  }

  Object.assign(siting, { time: { tierAt, lastPeriod, areasOf, choices, summary, siteRows } });
})((window.siting = window.siting || {}));
