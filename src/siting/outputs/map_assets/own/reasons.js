// The reasons that `siting explain` found: why each site, why not the others, what else would do.
(function (siting) {
  "use strict";

  const { el, section, table } = siting.elements;

  const MAX_NAMED = 4;

  const joined = (words, sentences) => sentences.filter(Boolean).join(words.lang === "zh" ? "" : " ");

  // Where a site of the plan, or a candidate, stands in the tables of the map, by its id.
  function find(model, id) {
    for (const [kind, spots] of [["site", model.sites], ["candidate", model.candidates]]) {
      const index = spots.id.indexOf(id);
      if (index >= 0) return { kind, index };
    }
    return null;
  }

  function nameOf(model, words, id) {
    const spot = find(model, id);
    return (spot && words.name((spot.kind === "site" ? model.sites : model.candidates).name[spot.index])) || id;
  }

  // In a row of names an id is enough where the name holds it.
  function shortNameOf(model, words, id) {
    const name = nameOf(model, words, id);
    return name.includes(id) ? id : name;
  }

  function namesOf(model, words, ids) {
    const named = ids.slice(0, ids.length > MAX_NAMED + 1 ? MAX_NAMED : ids.length);
    const names = named.map((id) => shortNameOf(model, words, id)).join(words.lang === "zh" ? "、" : ", ");
    const n = ids.length - named.length;
    return n > 0 ? words.t("names.more", { names, n }) : names;
  }

  function tierOf(model, words, id) {
    const tier = model.data.study.tiers.find((other) => other.id === id);
    return tier ? words.name(tier.name) : id;
  }

  // A loss is known within bounds. `least` is null where no plan is left, `most` where none was found.
  function lossWords(prefix, [least, most], unproven, words) {
    const { t } = words;
    const is = (key, parts) => t(prefix + key, parts);
    if (least === null) return is("impossible");
    if (most === null) return least > 0 ? is("least", { least: words.energy(least) }) : is("unknown");
    const parts = { least: words.energy(least), most: words.energy(most), unproven: words.energy(unproven) };
    if (most < 0) return is("gain", { ...parts, gain: words.energy(-most) });
    if (most === 0) return is("none");
    if (least <= 0) return is("open", parts);
    return parts.least === parts.most ? is("exact", parts) : is("proven", parts);
  }

  function exchange(model, words, { enters, leaves }) {
    const parts = { enters: namesOf(model, words, enters), leaves: namesOf(model, words, leaves) };
    if (enters.length && leaves.length) return words.t("exchange.both", parts);
    if (enters.length) return words.t("exchange.enters", parts);
    return leaves.length ? words.t("exchange.leaves", parts) : null;
  }

  // What is lost without a proposed site, what came next, and whether other plans keep it.
  function siteSections(model, words, n, select) {
    const { reasons } = model.data;
    const id = model.sites.id[n];
    const reason = reasons && reasons.sites[id];
    if (!reason) return [];
    const { t } = words;
    const without = [
      struckWords(reason.struck_out, words),
      reason.loss && lossWords("without.", reason.loss, reasons.unproven_kwh_per_day, words),
      reason.loss && exchange(model, words, reason),
    ];
    return [
      section(t("without"), [
        ...without.filter(Boolean).map((text) => el("p", { text })),
        !reason.loss && el("p", { class: "note", text: t("without.unasked") }),
      ], "without"),
      section(t("next"), nextBest(model, words, reason.next, select), "next"),
      reasons.alternatives.length > 0 && section(t("others"), [el("p", { text: keptWords(reasons, id, words) })]),
    ];
  }

  function struckWords(struck, words) {
    if (struck === null) return words.t("without.struck.breaks");
    return struck > 0 ? words.t("without.struck", { struck: words.energy(struck) }) : words.t("without.struck.none");
  }

  function keptWords({ alternatives, loss_allowed }, id, words) {
    const keep = alternatives.filter((other) => !other.leaves.includes(id)).length;
    return words.t("others.keep", { keep, n: alternatives.length, loss: shareWords(loss_allowed, words) });
  }

  const shareWords = (share, words) => words.percent(share, Math.round(1000 * share) % 10 ? 1 : 0);

  function nextBest(model, words, next, select) {
    const { t } = words;
    if (next === null) return [el("p", { text: t("next.none") })];
    const parts = {
      tier: next.tier === null ? "" : tierOf(model, words, next.tier),
      loss: next.loss === null ? "" : words.energy(Math.abs(next.loss)),
    };
    return [
      el("p", {}, [goTo(model, words, next.id, select)]),
      el("p", { text: t("next." + next.why, parts) }),
    ];
  }

  // A site's name that leads to it on the map.
  function goTo(model, words, id, select) {
    const spot = find(model, id);
    const name = el("bdi", { text: nameOf(model, words, id) });
    if (!spot) return name;
    return el("button", { type: "button", class: "go", on: { click: () => select(spot.kind, spot.index) } }, [name]);
  }

  // Why a candidate is not in the plan.
  function candidateSections(model, words, n, select) {
    const { t } = words;
    const { reasons } = model.data;
    const reason = reasons && reasons.candidates[model.candidates.id[n]];
    if (!reason) return [el("p", { class: "note", text: t("whynot.unasked") })];
    const adds = reason.adds > 0 && {
      adds: words.energy(reason.adds),
      tier: tierOf(model, words, reason.tier),
      cost: words.money(reason.cost_cny),
    };
    const says = [
      t("whynot." + reason.why, { sites: namesOf(model, words, reason.too_close_to) }),
      reason.detail,
      reason.reach > 0 && t("whynot.reach", { reach: words.energy(reason.reach), unserved: words.energy(reason.unserved) }),
      adds && t("whynot.adds", adds),
    ];
    const { forced } = reason;
    return [
      section(t("whynot"), [el("p", { text: joined(words, says) })], "whynot"),
      reason.too_close_to.length > 0 && el("p", {}, reason.too_close_to.map((id) => goTo(model, words, id, select))),
      forced && section(t("forced"), [el("p", { text: forcedWords(model, words, forced, reasons.unproven_kwh_per_day) })], "forced"),
    ];
  }

  function forcedWords(model, words, forced, unproven) {
    const size = forced.tier && words.t("forced.tier", { tier: tierOf(model, words, forced.tier) });
    return joined(words, [lossWords("forced.", forced.loss, unproven, words), size, exchange(model, words, forced)]);
  }

  // What the reasons come to, and the other plans that serve nearly as much.
  function summary(model, words) {
    const { reasons } = model.data;
    if (!reasons) return null;
    const { t } = words;
    return section(t("reasons"), [el("p", { text: tally(reasons, words) }), ...otherPlans(model, words)], "reasons");
  }

  function tally(reasons, words) {
    const losses = Object.values(reasons.sites).map((reason) => reason.loss);
    if (losses.includes(null)) return words.t("reasons.glance");
    const proven = losses.filter(([least]) => least === null || least > 0).length;
    const parts = { proven, all: losses.length, unproven: words.energy(reasons.unproven_kwh_per_day) };
    return words.t(proven === losses.length ? "reasons.words.all" : proven ? "reasons.words" : "reasons.words.none", parts);
  }

  function otherPlans(model, words) {
    const { t } = words;
    const { alternatives: others, loss_allowed } = model.data.reasons;
    if (!others.length) return [];
    const kept = model.sites.id.filter((id) => others.every((other) => !other.leaves.includes(id)));
    const allowed = { n: others.length, loss: shareWords(loss_allowed, words), kept: kept.length, all: model.sites.n };
    return [
      el("h3", { text: t("others") }),
      el("p", { text: t("others.words", allowed) }),
      table(
        [t("others.plan"), t("others.new"), t("others.served"), t("fact.cost")],
        others.map((other, k) => [
          t("others.nth", { k: k + 1 }),
          words.number(other.enters.length),
          // Below zero it serves more: rounded up, it is never made less of.
          other.loss_share > 0 ? "−" + words.percentUp(other.loss_share) : "+" + words.percent(-other.loss_share, 2),
          words.money(other.cost_cny),
        ])
      ),
    ];
  }

  Object.assign(siting, { reasons: { siteSections, candidateSections, summary } });
})((window.siting = window.siting || {}));
