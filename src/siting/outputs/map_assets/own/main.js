// The page: one state, one function for each change of it, and what follows from the change.
(function (siting) {
  "use strict";

  const { panels } = siting;
  const $ = (id) => document.getElementById(id);
  const read = (id) => JSON.parse($(id).textContent);
  const MOMENTS = ["today", "unified", "joint"];
  const THEMES = ["wanted", "coverage", "gain", "none"];
  const PHONE = window.matchMedia("(max-width: 760px)");
  const MIN_TARGET_PX = 10;
  const SHEET_PX = 118;

  function start(map) {
    const texts = read("siting-texts");
    const model = siting.createModel(read("siting-data"));
    const state = {
      lang: (navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en",
      brand: siting.ALL,
      moment: "joint",
      theme: "coverage",
      layers: {
        sites: true,
        stations: true,
        candidates: false,
        unreachable: true,
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

    for (const [name, z] of [["areas", 250], ["roads", 300], ["points", 450]]) {
      map.createPane(name).style.zIndex = z;
      map.getPane(name).style.pointerEvents = "none";
    }
    const areaLayer = siting.createAreaLayer(model, (a) => theme.fillOf(a));
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

    function wholeBounds() {
      const [west, south, east, north] = model.extent;
      return L.latLngBounds(
        siting.toLatLng(model.origin, west, south),
        siting.toLatLng(model.origin, east, north)
      );
    }

    function fitAll(animate) {
      const top = state.printing ? 12 : PHONE.matches ? 90 : 64;
      map.fitBounds(wholeBounds(), { animate, paddingTopLeft: [16, top], paddingBottomRight: [16, 30], maxZoom: 15 });
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
      panels.fill($("scale"), panels.scale(theme, words));
    }

    function showSummary() {
      $("headline").textContent = panels.headline(model, state, words);
      panels.fill($("panel-summary"), panels.summary(model, state, words));
    }

    function showHits() {
      const { items, found, none } = panels.hitList(model, state, words, select);
      panels.fill($("hits"), none ? [panels.el("li", { class: "note", text: found })] : items);
      $("found").textContent = found;
    }

    function showDetail() {
      const box = $("detail");
      box.hidden = state.selection === null;
      document.body.classList.toggle("has-detail", !box.hidden);
      if (box.hidden) box.replaceChildren();
      else panels.fill(box, panels.detail(model, state, words, () => unselect(true)));
    }

    function showLegend() {
      const focused = document.activeElement && document.activeElement.name;
      const rows = panels.layerRows(model, state, words, setLayer);
      const legend = $("layers").querySelector("legend");
      panels.fill($("layers"), [legend, ...rows]);
      if (focused && focused.startsWith("layer-")) document.getElementsByName(focused)[0].focus();
    }

    function showTabs() {
      for (const name of ["summary", "sites", "about"]) {
        const on = name === state.tab;
        $("tab-" + name).setAttribute("aria-selected", String(on));
        $("tab-" + name).tabIndex = on ? 0 : -1;
        $("panel-" + name).hidden = !on;
      }
    }

    function showLanguage() {
      words = siting.createWords(texts, state.lang);
      const { t } = words;
      const { study } = model.data;
      document.documentElement.lang = state.lang === "zh" ? "zh-CN" : "en";
      document.title = words.name(study.title);
      for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
      $("title").textContent = words.name(study.title);
      $("badge").hidden = !study.illustrative;
      const credits = [study.illustrative && t("badge"), model.data.tiles && model.data.tiles.attribution];
      $("credit-more").textContent = credits.filter(Boolean).map((text) => text + " · ").join("");
      $("tab-sites").textContent = t("tab.sites", { n: model.sites.n });
      $("search").placeholder = t("search.hint");
      $("language").textContent = t("language.other");
      $("language").title = t("language.switch");
      $("language").lang = state.lang === "zh" ? "en" : "zh-CN";
      $("map_siting").setAttribute("role", "application");
      $("map_siting").setAttribute("aria-label", t("map.label"));
      for (const [id, key] of [["zoom-in", "zoom.in"], ["zoom-out", "zoom.out"], ["zoom-all", "zoom.all"]]) {
        $(id).setAttribute("aria-label", t(key));
        $(id).title = t(key);
      }
      choices("moments", MOMENTS.map((id) => [id, t("moment." + id)]), "moment");
      choices("themes", THEMES.map((id) => [id, t("theme." + id)]), "theme");
      const brands = study.brands.map((brand, b) => [b, words.name(brand.name)]);
      choices("brands", [[siting.ALL, t("brand.all")], ...brands], "brand");
      showNetworks();
      showGrip();
      showSummary();
      showHits();
      panels.fill($("panel-about"), panels.about(model, words));
      panels.fill($("sheet"), panels.sheet(model, words));
      showDetail();
      showLegend();
      showMap();
    }

    // A row of native radio buttons: arrow keys work by themselves.
    function choices(id, options, key) {
      const legend = $(id).querySelector("legend");
      const buttons = options.map(([value, label]) =>
        panels.el("label", { class: "choice" }, [
          panels.el("input", {
            type: "radio",
            name: key,
            value,
            checked: state[key] === value,
            on: {
              change: () => {
                state[key] = value;
                if (key === "brand") showSummary();
                showDetail();
                showLegend();
                showMap();
              },
            },
          }),
          panels.el("span", { text: label }),
        ])
      );
      panels.fill($(id), [legend, ...buttons]);
    }

    function showNetworks() {
      const networks = Array.from(new Set(model.stations.network)).filter(Boolean).sort();
      $("network-row").hidden = networks.length < 2;
      panels.fill($("network"), [
        panels.el("option", { value: "", text: words.t("network.all") }),
        ...networks.map((name) => panels.el("option", { value: name, text: name })),
      ]);
      $("network").value = state.network;
    }

    function showGrip() {
      const open = document.body.classList.contains("sheet-open");
      $("grip").setAttribute("aria-expanded", String(open));
      $("grip").setAttribute("aria-label", words.t(open ? "panel.close" : "panel.open"));
    }

    // ------------------------------------------------------------ choosing a thing

    function select(kind, index, options) {
      state.selection = { kind, index };
      showDetail();
      showMap();
      showHits();
      if (PHONE.matches) {
        document.body.classList.remove("sheet-open");
        showGrip();
      }
      if (!options || !options.stay) lookAt(kind, index);
      if (options && options.stay) return;
      $("close").focus();
    }

    function unselect(focus) {
      const was = state.selection;
      if (was === null) return;
      state.selection = null;
      showDetail();
      showMap();
      showHits();
      if (focus) (document.querySelector(`[data-spot="${was.kind}:${was.index}"]`) || $("map_siting")).focus();
    }

    function lookAt(kind, index) {
      const table = panels.tableOf(model, kind);
      if (kind === "area" || kind === "district") {
        const [west, south, east, north] = table.bounds.slice(4 * index, 4 * index + 4);
        map.fitBounds(
          L.latLngBounds(siting.toLatLng(model.origin, west, south), siting.toLatLng(model.origin, east, north)),
          { maxZoom: 13, padding: [60, 60] }
        );
        return;
      }
      const zoom = Math.max(map.getZoom(), 12);
      const place = map.project(siting.toLatLng(model.origin, table.xy[2 * index], table.xy[2 * index + 1]), zoom);
      // The detail card covers a part of the map: the place goes to the middle of the rest.
      const box = $("detail").getBoundingClientRect();
      const covered = PHONE.matches ? [0, box.height / 2 - SHEET_PX / 2] : [box.width / 2, 0];
      map.setView(map.unproject(place.add(covered), zoom), zoom);
    }

    function spotAt(event) {
      const found = pointLayer.find(event.layerPoint, event.originalEvent.pointerType === "touch" ? MIN_TARGET_PX : 3);
      if (found) return found;
      if (theme.name === "none") return null;
      const [x, y] = siting.fromLatLng(model.origin, event.latlng);
      const index = siting.areaAt(model.areas, x, y);
      return index >= 0 && theme.fillOf(index) !== null ? { kind: "area", index } : null;
    }

    function hoverWords(spot) {
      const { t } = words;
      if (spot.kind === "area") {
        const wanted = model.areas.wanted(state.brand)[spot.index];
        const served = model.areas.served(state.brand, state.moment)[spot.index];
        return `${words.energy(wanted)} · ${t("area.served")} ${words.percent(served / wanted, 0)}`;
      }
      const table = panels.tableOf(model, spot.kind);
      const name = table.name ? panels.nameOf(table, spot.index, words) : table.id[spot.index];
      return `${t("kind." + spot.kind)} · ${name}`;
    }

    function onMove(event) {
      const spot = spotAt(event);
      const tip = $("hover");
      const mark = spot && spot.kind !== "area" ? spot : null;
      const changed = (mark && mark.kind + mark.index) !== (state.hovered && state.hovered.kind + state.hovered.index);
      state.hovered = mark;
      if (changed) pointLayer.repaint();
      tip.hidden = spot === null;
      map.getContainer().classList.toggle("pointing", mark !== null);
      if (spot === null) return;
      tip.textContent = hoverWords(spot);
      const room = map.getSize();
      const { x, y } = event.containerPoint;
      tip.style.left = Math.min(x + 14, room.x - tip.offsetWidth - 8) + "px";
      tip.style.top = Math.min(y + 16, room.y - tip.offsetHeight - 8) + "px";
    }

    // ------------------------------------------------------------ events

    function listen() {
      map.on("mousemove", onMove);
      map.on("mouseout movestart", () => {
        $("hover").hidden = true;
        if (state.hovered) {
          state.hovered = null;
          pointLayer.repaint();
        }
      });
      map.on("click", (event) => {
        const spot = spotAt(event);
        if (spot) select(spot.kind, spot.index, { stay: true });
        else unselect(false);
      });
      $("language").addEventListener("click", () => {
        state.lang = state.lang === "zh" ? "en" : "zh";
        showLanguage();
      });
      $("print").addEventListener("click", () => window.print());
      $("zoom-in").addEventListener("click", () => map.zoomIn(1));
      $("zoom-out").addEventListener("click", () => map.zoomOut(1));
      $("zoom-all").addEventListener("click", () => fitAll(true));
      $("search").addEventListener("input", () => {
        state.query = $("search").value;
        showHits();
      });
      $("network").addEventListener("change", () => {
        state.network = $("network").value;
        pointLayer.repaint();
      });
      $("grip").addEventListener("click", () => {
        document.body.classList.toggle("sheet-open");
        showGrip();
      });
      $("tabs").addEventListener("click", (event) => {
        const tab = event.target.closest("[role=tab]");
        if (!tab) return;
        state.tab = tab.id.slice(4);
        if (PHONE.matches) document.body.classList.add("sheet-open");
        showTabs();
        showGrip();
      });
      $("tabs").addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const names = ["summary", "sites", "about"];
        state.tab = names[(names.indexOf(state.tab) + step + names.length) % names.length];
        showTabs();
        $("tab-" + state.tab).focus();
      });
      document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") unselect(true);
        if (event.key === "/" && !/input|select/i.test(document.activeElement.tagName)) {
          event.preventDefault();
          state.tab = "sites";
          showTabs();
          $("search").focus();
        }
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
      if (on && onScreen.bounds.contains(wholeBounds())) fitAll(false);
      else if (on) map.fitBounds(onScreen.bounds, { animate: false });
      else map.setView(onScreen.center, onScreen.zoom, { animate: false });
      pointLayer.addTo(map);
      if (!on) onScreen = null;
    }

    map.options.minZoom = 5;
    map.options.maxZoom = 19;
    setTheme();
    fitAll(false);
    areaLayer.addTo(map);
    roadLayer.addTo(map);
    pointLayer.addTo(map);
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    if (PHONE.matches) $("legend").open = false;
    showTabs();
    showLanguage();
    listen();
    if (tileLayer && navigator.onLine) setLayer("tiles", true);
    siting.page = { map, model, state };
    document.body.dataset.ready = "true";
  }

  Object.assign(siting, { start });
})((window.siting = window.siting || {}));
