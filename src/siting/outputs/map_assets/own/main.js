// The page: one state, one function for each change of it, and what follows from the change.
(function (siting) {
  "use strict";

  const { panels, shell } = siting;
  const { el, fill } = siting.elements;
  const { $, PHONE } = shell;
  const MOMENTS = ["today", "unified", "joint"];
  const THEMES = ["wanted", "coverage", "gain", "none"];
  const MIN_TARGET_PX = 10;

  function start(map) {
    const texts = shell.readJson("siting-texts");
    const model = siting.createModel(shell.readJson("siting-data"));
    const state = {
      lang: shell.readersLanguage(),
      brand: siting.ALL,
      moment: "joint",
      period: siting.time.lastPeriod(model),
      theme: "coverage",
      layers: {
        sites: true,
        stations: true,
        candidates: false,
        unreachable: true,
        trips: true,
        regret: true,
        grid: true,
        districts: true,
        roads: true,
        tiles: false,
      },
      network: "",
      selection: null,
      hovered: null,
      printing: false,
      query: "",
      tab: "summary",
    };
    let words = siting.createWords(texts, state.lang);
    let theme = null;

    // ------------------------------------------------------------ the map

    shell.addPanes(map);
    const areaLayer = siting.createAreaLayer(model.areas, model.origin, (a) => theme.fillOf(a));
    const roadLayer = siting.createRoadLayer(model, state);
    const pointLayer = siting.createPointLayer(model, state, () => words);

    // Street pictures, if the study names any: our own roads stand in where they do not come.
    const tileLayer = model.data.tiles && createTileLayer(model.data.tiles);
    function createTileLayer(tiles) {
      const layer = L.tileLayer(tiles.url, { maxNativeZoom: tiles.max_zoom, maxZoom: 19, className: "street" });
      layer.on("tileerror", () => {
        if (state.layers.tiles && !state.layers.roads) setLayer("roads", true);
      });
      return layer;
    }

    function setLayer(name, on) {
      state.layers[name] = on;
      if (name === "tiles") {
        if (on) tileLayer.addTo(map);
        else tileLayer.remove();
        state.layers.roads = !on;
      }
      if (name === "districts" || name === "roads" || name === "tiles") roadLayer.repaint();
      showLegend();
      pointLayer.repaint();
    }

    function fitAll(animate) {
      shell.fitAll(map, model, { animate, top: state.printing ? 12 : undefined });
    }

    function setTheme() {
      const chosen = siting.createTheme(model, state);
      const { selection } = state;
      theme = selection && selection.kind === "site" ? siting.createReachTheme(model, chosen, selection.index) : chosen;
    }

    // ------------------------------------------------------------ drawing what changed

    function showMap() {
      setTheme();
      areaLayer.repaint();
      pointLayer.repaint();
      fill($("scale"), panels.scale(theme, words));
    }

    function showSummary() {
      $("headline").textContent = panels.headline(model, state, words);
      fill($("panel-summary"), panels.summary(model, state, words));
    }

    function showHits() {
      const { items, found, none } = panels.hitList(model, state, words, select);
      fill($("hits"), none ? [el("li", { class: "note", text: found })] : items);
      $("found").textContent = found;
    }

    function showDetail() {
      shell.showDetail(state, () => panels.detail(model, state, words, { close: () => unselect(true), select }));
    }

    function showLegend() {
      shell.showLayerRows(panels.layerRows(model, state, words, setLayer));
    }

    function showLanguage() {
      words = siting.createWords(texts, state.lang);
      const { t } = words;
      const { study } = model.data;
      shell.showWords(words, study);
      shell.showCredit(study.illustrative && t("badge"), model.data.tiles && model.data.tiles.attribution);
      $("tab-list").textContent = t("tab.sites", { n: model.sites.n });
      showPeriods();
      choices("moments", MOMENTS.map((id) => [id, t("moment." + id)]), "moment");
      choices("themes", THEMES.map((id) => [id, t("theme." + id)]), "theme");
      const brands = study.brands.map((brand, b) => [b, words.name(brand.name)]);
      choices("brands", [[siting.ALL, t("brand.all")], ...brands], "brand");
      showNetworks();
      showSummary();
      showHits();
      fill($("panel-about"), panels.about(model, words));
      fill($("sheet"), panels.sheet(model, words));
      showDetail();
      showLegend();
      showMap();
    }

    function choices(id, options, key) {
      shell.showChoices(id, options, {
        name: key,
        chosen: state[key],
        choose: (value) => {
          state[key] = value;
          if (key === "brand") showSummary();
          showDetail();
          showLegend();
          showMap();
        },
      });
    }

    // Choosing a period shows the plan as it stands then.
    function showPeriods() {
      const periods = siting.time.choices(model, words);
      $("periods").hidden = periods.length === 0;
      shell.showChoices("periods", periods, {
        name: "period",
        chosen: state.period,
        choose: (period) => {
          Object.assign(state, { period, moment: "joint" });
          document.querySelector('input[name="moment"][value="joint"]').checked = true;
          showDetail();
          showLegend();
          showMap();
        },
      });
    }

    function showNetworks() {
      const networks = Array.from(new Set(model.stations.network)).filter(Boolean).sort();
      $("network-row").hidden = networks.length < 2;
      fill($("network"), [
        el("option", { value: "", text: words.t("network.all") }),
        ...networks.map((name) => {
          const n = model.stations.network.filter((other) => other === name).length;
          return el("option", { value: name, text: `${name} (${words.number(n)})` });
        }),
      ]);
      $("network").value = state.network;
    }

    // ------------------------------------------------------------ choosing a thing

    const { select, unselect } = shell.createSelection(state, {
      words: () => words,
      show: () => {
        showDetail();
        showMap();
        showHits();
      },
      lookAt,
    });

    function lookAt(kind, index) {
      const table = panels.tableOf(model, kind);
      if (table.bounds) {
        const bounds = table.bounds.slice(4 * index, 4 * index + 4);
        map.fitBounds(shell.latLngBounds(model.origin, bounds), { maxZoom: 13, padding: [60, 60] });
        return;
      }
      shell.centreOn(map, model, table.xy[2 * index], table.xy[2 * index + 1], 12);
    }

    function markAt(event) {
      return pointLayer.find(event.layerPoint, event.originalEvent.pointerType === "touch" ? MIN_TARGET_PX : 3);
    }

    function areaAt(event) {
      if (theme.name === "none") return null;
      const [x, y] = siting.fromLatLng(model.origin, event.latlng);
      const index = siting.areaAt(model.areas, x, y);
      return index >= 0 && theme.fillOf(index) !== null ? { kind: "area", index } : null;
    }

    function hoverWords(spot) {
      const { t } = words;
      if (spot.kind === "area") {
        const areas = siting.time.areasOf(model, state);
        const wanted = areas.wanted(state.brand)[spot.index];
        const served = areas.served(state.brand, state.moment)[spot.index];
        return `${words.energy(wanted)} · ${t("area.served")} ${words.percent(served / wanted, 0)}`;
      }
      const table = panels.tableOf(model, spot.kind);
      const name = table.name ? panels.nameOf(table, spot.index, words) : table.id[spot.index];
      return `${t("kind." + spot.kind)} · ${name}`;
    }

    // ------------------------------------------------------------ events

    function listen() {
      shell.followPointer(map, state, {
        find: markAt,
        text: (mark, event) => {
          const spot = mark || areaAt(event);
          return spot && hoverWords(spot);
        },
        repaint: () => pointLayer.repaint(),
      });
      map.on("click", (event) => {
        const spot = markAt(event) || areaAt(event);
        if (spot) select(spot.kind, spot.index, true);
        else unselect(false);
      });
      shell.listen(map, state, () => words, {
        fit: () => fitAll(true),
        switchLanguage: () => {
          state.lang = state.lang === "zh" ? "en" : "zh";
          showLanguage();
        },
        search: showHits,
        unselect,
      });
      $("print").addEventListener("click", () => window.print());
      $("network").addEventListener("change", () => {
        state.network = $("network").value;
        pointLayer.repaint();
      });
      window.addEventListener("beforeprint", () => printing(true));
      window.addEventListener("afterprint", () => printing(false));
    }

    // The sheet has another size than the screen: the map is drawn for it, and put back after.
    let onScreen = null;
    function printing(on) {
      if (on === (onScreen !== null)) return;
      if (on) onScreen = { center: map.getCenter(), zoom: map.getZoom(), bounds: map.getBounds() };
      state.printing = on;
      document.body.classList.toggle("printing", on);
      document.body.style.setProperty("--sheet-height", $("sheet").offsetHeight + "px");
      // Chromium prints a canvas that was ever cleared as a white sheet: draw on a fresh one.
      pointLayer.remove();
      map.invalidateSize({ animate: false, pan: false });
      if (on && onScreen.bounds.contains(shell.latLngBounds(model.origin, model.extent))) fitAll(false);
      else if (on) map.fitBounds(onScreen.bounds, { animate: false });
      else map.setView(onScreen.center, onScreen.zoom, { animate: false });
      pointLayer.addTo(map);
      if (!on) onScreen = null;
    }

    map.options.minZoom = 4;
    map.options.maxZoom = 19;
    setTheme();
    fitAll(false);
    areaLayer.addTo(map);
    roadLayer.addTo(map);
    pointLayer.addTo(map);
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    if (PHONE.matches) $("legend").open = false;
    shell.showTabs(state);
    showLanguage();
    listen();
    if (tileLayer && navigator.onLine) setLayer("tiles", true);
    siting.page = { map, model, state };
    document.body.dataset.ready = "true";
  }

  Object.assign(siting, { start });
})((window.siting = window.siting || {}));
