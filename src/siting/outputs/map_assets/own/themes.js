// What an area's colour says: demand, coverage, gain, or the drive to a selected site.
(function (siting) {
  "use strict";

  // Light to dark within one hue each, so that order survives any colour blindness and a grey print.
  const PALETTES = {
    wanted: ["#ebe7f2", "#d4cbe4", "#b7a9d1", "#9583b9", "#705b9c"],
    coverage: ["#ead7c0", "#dfe9e2", "#bedcd4", "#9bcbc2", "#7abbb0", "#589f95"],
    gain: ["#e3ecf4", "#c0d6e8", "#94bad9", "#649bc4", "#3b79a9"],
  };
  const REACH = ["#8c2d04", "#d9662b", "#f0a062", "#f9d3ae"];
  const NOTHING = "#ece8df";
  const COVERAGE_BREAKS = [0.005, 0.25, 0.5, 0.75, 0.95];
  const FAINT = 0.28;

  // Class limits that hold equally many areas, rounded to two digits that a reader can keep.
  function quantileBreaks(values, n) {
    const sorted = Array.from(values).filter((v) => v > 0).sort((a, b) => a - b);
    const breaks = [];
    for (let k = 1; k < n && sorted.length; k++) {
      const value = sorted[Math.floor((k * sorted.length) / n)];
      const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
      const nice = Number((Math.round(value / unit) * unit).toPrecision(2));
      if (nice > (breaks.at(-1) || 0)) breaks.push(nice);
    }
    return breaks;
  }

  function classOf(value, breaks) {
    let k = 0;
    while (k < breaks.length && value >= breaks[k]) k++;
    return k;
  }

  // A theme: the value of an area, its colour, and the classes for the legend.
  function createTheme(model, state) {
    if (state.theme === "none") return { name: "none", classes: [], fillOf: () => null, values: null };
    // The gain is that of the end: what stands today serves the end's demand, or no other.
    const areas = state.theme === "gain" ? model.areas : siting.time.areasOf(model, state);
    const wanted = areas.wanted(state.brand);
    const palette = PALETTES[state.theme];
    let values = wanted;
    let breaks;
    if (state.theme === "coverage") {
      const served = areas.served(state.brand, state.moment);
      values = served.map((kwh, a) => (wanted[a] > 0 ? kwh / wanted[a] : NaN));
      breaks = COVERAGE_BREAKS;
    } else {
      if (state.theme === "gain") {
        const before = areas.served(state.brand, "today");
        const after = areas.served(state.brand, "joint");
        values = after.map((kwh, a) => (wanted[a] > 0 ? Math.max(0, kwh - before[a]) : NaN));
      }
      breaks = quantileBreaks(values, palette.length);
    }
    const positive = state.theme !== "coverage";
    const fillOf = (a) => {
      if (!(wanted[a] > 0)) return null;
      if (positive && !(values[a] > 0)) return NOTHING;
      return palette[classOf(values[a], breaks)];
    };
    return { name: state.theme, classes: classesOf(palette, breaks, positive), fillOf, values };
  }

  function classesOf(palette, breaks, positive) {
    const classes = [];
    for (let k = 0; k <= breaks.length; k++) {
      classes.push({ fill: palette[k], from: k > 0 ? breaks[k - 1] : 0, to: k < breaks.length ? breaks[k] : null });
    }
    if (positive) classes.unshift({ fill: NOTHING, from: 0, to: 0 });
    return classes;
  }

  // Four equal bands of the cutoff over the areas that a selected site reaches; the rest is faint.
  function createReachTheme(model, theme, site) {
    const cutoff = model.data.study.cutoff_minutes;
    const breaks = [0.25, 0.5, 0.75].map((part) => part * cutoff);
    const minutes = new Map(model.reach(site).map((pair) => [pair.area, pair.minutes]));
    const faint = new Map();
    const fillOf = (a) => {
      if (minutes.has(a)) return REACH[classOf(minutes.get(a), breaks)];
      const fill = theme.fillOf(a);
      if (fill === null) return null;
      if (!faint.has(fill)) faint.set(fill, mixWithPaper(fill, FAINT));
      return faint.get(fill);
    };
    const limits = [0, ...breaks, cutoff];
    const classes = REACH.map((fill, k) => ({ fill, from: limits[k], to: limits[k + 1] }));
    return { name: "reach", classes, fillOf, values: minutes };
  }

  function mixWithPaper(hex, share) {
    const paper = [246, 244, 239];
    const mixed = paper.map((p, k) => Math.round(p + share * (parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16) - p)));
    return `rgb(${mixed.join(",")})`;
  }

  Object.assign(siting, { createTheme, createReachTheme, PALETTES, REACH });
})((window.siting = window.siting || {}));
