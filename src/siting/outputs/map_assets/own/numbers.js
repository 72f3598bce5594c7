// Words and numbers in the reader's language.
(function (siting) {
  "use strict";

  const LOCALES = { en: "en-GB", zh: "zh-CN" };

  function createWords(texts, lang) {
    const locale = LOCALES[lang];
    const formats = new Map();

    function number(value, digits) {
      const key = digits || 0;
      if (!formats.has(key)) {
        formats.set(
          key,
          new Intl.NumberFormat(locale, { minimumFractionDigits: key, maximumFractionDigits: key })
        );
      }
      return formats.get(key).format(value);
    }

    // Three significant digits are what a reader can use; whole units are never rounded away.
    const significant = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
    function short(value) {
      return Math.abs(value) >= 100 ? number(value) : significant.format(value);
    }

    function t(key, parts) {
      const chosen = parts && parts.n === 1 && texts[lang][key + ".one"] ? key + ".one" : key;
      const text = texts[lang][chosen];
      if (text === undefined) return key;
      return text.replace(/\{(\w+)\}/g, (whole, name) =>
        parts && name in parts
          ? typeof parts[name] === "number"
            ? number(parts[name])
            : String(parts[name])
          : whole
      );
    }

    // A word of siting's own in the reader's language; any other stands as the data has it.
    function known(group, word) {
      return texts[lang][`${group}.${word}`] || word;
    }

    function name(value) {
      return value !== null && typeof value === "object" ? value[lang] : value;
    }

    function scaled(value, unit, steps) {
      const [size, key] = steps.find((step) => Math.abs(value) >= step[0]) || steps.at(-1);
      return t(unit + key, { x: short(value / (size || 1)) });
    }

    const ENERGY = {
      en: [[1e6, ".gwh"], [1e3, ".mwh"], [0, ".kwh"]],
      zh: [[1e4, ".wan"], [0, ".kwh"]],
    };
    const MONEY = {
      en: [[1e9, ".billion"], [1e6, ".million"], [0, ""]],
      zh: [[1e8, ".yi"], [1e4, ".wan"], [0, ""]],
    };

    // Almost all must not read as all, nor almost nothing as nothing.
    function percent(share, digits) {
      if (!Number.isFinite(share)) return "–";
      if (share < 1 && share >= 0.995) return t("percent", { x: number(Math.floor(1000 * share) / 10, 1) });
      if (share > 0 && share < 0.005) return t("percent", { x: number(Math.ceil(1000 * share) / 10, 1) });
      return t("percent", { x: number(100 * share, digits) });
    }

    // A gap is never shown smaller than it is: 0.04 % must not read as 0 %.
    function percentUp(share) {
      if (!Number.isFinite(share)) return "–";
      const digits = share < 0.001 ? 3 : share < 0.1 ? 2 : 1;
      const up = Math.ceil(100 * share * 10 ** digits - 1e-9) / 10 ** digits;
      return t("percent", { x: number(up, digits) });
    }

    return {
      lang,
      t,
      known,
      name,
      number,
      short,
      percent,
      percentUp,
      energy: (kwh) => (kwh === null ? "–" : scaled(kwh, "energy", ENERGY[lang])),
      money: (cny) => (cny === null ? t("unlimited") : scaled(cny, "money", MONEY[lang])),
      power: (kw) => (kw === null ? "–" : kw >= 1e3 ? t("mw", { x: short(kw / 1e3) }) : t("kw", { x: short(kw) })),
      minutes: (min) => (min === null ? "–" : t("minutes", { x: number(min, min < 10 && !Number.isInteger(min) ? 1 : 0) })),
    };
  }

  Object.assign(siting, { createWords });
})((window.siting = window.siting || {}));
