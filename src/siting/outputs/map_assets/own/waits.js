// The promised wait, as it was simulated car by car at every site.
(function (siting) {
  "use strict";

  const { el, section } = siting.elements;

  function promiseOf({ study }, words) {
    return {
      minutes: words.minutes(study.max_wait_minutes),
      share: words.percent(study.wait_exceeded_share, 0),
    };
  }

  function summary({ data, sites }, words) {
    const { waits } = data;
    if (!sites.n) return null;
    const { t } = words;
    const list = (kept) =>
      kept.flatMap((holds, n) => (holds ? [] : [words.name(sites.name[n]) || sites.id[n]])).join(words.lang === "zh" ? "、" : ", ");
    const told = [waits.promised, waits.own].map((way) => list(way.kept));
    const promise = promiseOf(data, words);
    return section(t("waits"), [
      el("p", { text: told[0] ? t("waits.broken", { ...promise, sites: told[0] }) : t("waits.kept", promise) }),
      el("p", {
        text: told[1] ? t("waits.own.broken", { most: words.percent(Math.max(...waits.own.late_share_mean), 1), sites: told[1] }) : t("waits.own.kept"),
      }),
      el("p", { class: "note", text: t("waits.note", { confidence: words.percent(waits.confidence, 0) }) }),
    ], "waits");
  }

  function siteRows({ data }, words, n) {
    const { t } = words;
    const share = (way) =>
      t(way.kept[n] ? "waits.share" : "waits.share.broken", {
        share: words.percent(way.late_share_mean[n], 1),
        least: words.percent(way.late_share_least[n], 1),
        most: words.percent(way.late_share_most[n], 1),
      });
    const minutes = words.minutes(data.study.max_wait_minutes);
    return [
      [t("waits.site", { minutes }), share(data.waits.promised)],
      [t("waits.site.own"), share(data.waits.own)],
    ];
  }

  Object.assign(siting, { waits: { summary, siteRows } });
})((window.siting = window.siting || {}));
