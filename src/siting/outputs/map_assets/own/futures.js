// A plan for several futures: which sites all of them would choose, and what it serves in each.
(function (siting) {
  "use strict";

  const { el, section, table } = siting.elements;

  const isNoRegret = ({ data }, n) => Boolean(data.robust && data.robust.no_regret[n]);

  function summary({ data }, words) {
    const { robust } = data;
    if (!robust) return null;
    const { t } = words;
    const percent = (share) => words.percent(share, 1);
    const { draws } = robust;
    return section(t("futures"), [
      el("p", { text: t("futures.words", { rule: t("rule." + robust.rule), n: robust.futures.length, sites: words.number(robust.n_no_regret), k: words.number(robust.no_regret.filter(Boolean).length) }) }),
      table(
        [t("futures.future"), t("futures.plain"), t("futures.robust"), t("futures.best")],
        robust.futures.map((row) => [
          robust.future_names[row.future] ? words.name(robust.future_names[row.future]) : t("futures.own"),
          percent(row.plain_share),
          percent(row[robust.rule + "_share"]),
          percent(row.best_share),
        ])
      ),
      el("p", { text: t("futures.draws", { n: draws.n, robust: percent(draws.robust_mean), worst: percent(draws.robust_min), plain: percent(draws.plain_mean), plain_worst: percent(draws.plain_min) }) }),
      el("p", { class: "note", text: t("futures.note") }),
    ]);
  }

  function siteRows({ data }, words, n) {
    const { robust } = data;
    if (!robust) return [];
    const parts = { k: robust.n_chosen_alone[n], n: robust.futures.length };
    return [[words.t("futures.site"), words.t(robust.no_regret[n] ? "futures.chosen.all" : "futures.chosen", parts)]];
  }

  // A thin second ring.
  function drawRing(pen, x, y, radius) {
    pen.beginPath();
    pen.arc(x, y, radius + 3.6, 0, 2 * Math.PI);
    pen.lineWidth = 1.5;
    pen.strokeStyle = siting.MARK_INK.site;
    pen.stroke();
  }

  Object.assign(siting, { futures: { isNoRegret, summary, siteRows, drawRing } });
})((window.siting = window.siting || {}));
