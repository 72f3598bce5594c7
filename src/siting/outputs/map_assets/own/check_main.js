// The diagnostic page: one state, one function for each change of it.
(function (siting) {
  "use strict";

  const { checkPanels: panels, checkSummary: figures, shell } = siting;
  const { fill } = siting.elements;
  const { $, PHONE } = shell;
  const FINGER_PX = 10;
  const POINT_ZOOM = 14;
  const PAIR_ZOOM = 16.5;

  // Diagonal lines, to be seen over any colour.
  function createHatch() {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 7;
    const pen = tile.getContext("2d");
    pen.strokeStyle = "rgba(122,106,79,.75)";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const x of [-7, 0, 7]) {
      pen.moveTo(x, 7);
      pen.lineTo(x + 7, 0);
    }
    pen.stroke();
    return tile;
  }

  function start(map) {
    const texts = shell.readJson("siting-texts");
    const model = siting.createCheckModel(shell.readJson("siting-data"));
    model.findings = panels.findFindings(model);
    const { study } = model.data;
    const state = {
      lang: shell.readersLanguage(),
      brand: siting.ALL,
      layers: {
        demand: true,
        unreachable: true,
        snaps: true,
        stations: true,
        merges: true,
        doubtful: true,
        left: true,
        candidates: true,
        excluded: false,
        exclusions: true,
        districts: true,
        roads: true,
        one_way: false,
        one_way_trap: true,
        other_component: true,
      },
      selection: null,
      hovered: null,
      query: "",
      tab: "summary",
    };
    let words = siting.createWords(texts, state.lang);

    shell.addPanes(map);
    const hatch = document.createElement("canvas").getContext("2d").createPattern(createHatch(), "repeat");
    const areaLayer = siting.createAreaLayer(model.exclusions, model.origin, () => (state.layers.exclusions ? hatch : null));
    const roadLayer = siting.createCheckRoads(model, state);
    const pointLayer = siting.createCheckLayer(model, state, () => words);

    function setLayer(name, on) {
      state.layers[name] = on;
      if (name === "exclusions") areaLayer.repaint();
      roadLayer.repaint();
      pointLayer.repaint();
      showLegend();
    }

    // The legend is tall here: the study's area goes beside it where there is room.
    function fitAll(animate) {
      const beside = $("legend").open && map.getSize().x > 900;
      shell.fitAll(map, model, { animate, right: beside ? 318 : undefined });
    }

    function showSummary() {
      $("headline").textContent = figures.headline(model, state, words);
      fill($("panel-summary"), figures.summary(model, state, words));
    }

    function showHits() {
      const { items, found } = panels.hitList(model, state, words, select);
      fill($("hits"), items);
      $("found").textContent = found;
    }

    function showDetail() {
      shell.showDetail(state, () => panels.detail(model, state, words, () => unselect(true)));
    }

    function showLegend() {
      shell.showLayerRows(panels.layerRows(model, state, words, setLayer));
    }

    function showLanguage() {
      words = siting.createWords(texts, state.lang);
      const { t } = words;
      shell.showWords(words, study);
      shell.showCredit(study.illustrative && t("badge"));
      $("tab-list").textContent = t("tab.findings", { n: model.findings.length + model.data.notices.length });
      const brands = study.brands.map((brand, b) => [b, words.name(brand.name)]);
      shell.showChoices("brands", [[siting.ALL, t("brand.all")], ...brands], {
        name: "brand",
        chosen: state.brand,
        choose: (brand) => {
          state.brand = brand;
          showSummary();
          pointLayer.repaint();
        },
      });
      showSummary();
      showHits();
      fill($("panel-about"), figures.about(model, words));
      showDetail();
      showLegend();
      pointLayer.repaint();
    }

    const { select, unselect } = shell.createSelection(state, {
      words: () => words,
      show: () => {
        showDetail();
        pointLayer.repaint();
        showHits();
      },
      lookAt: (kind, index) => {
        const { xy } = panels.tableOf(model, kind);
        shell.centreOn(map, model, xy[2 * index], xy[2 * index + 1], kind === "doubtful" ? PAIR_ZOOM : POINT_ZOOM);
      },
    });

    function areaAt(event) {
      if (!state.layers.exclusions) return -1;
      return siting.areaAt(model.exclusions, ...siting.fromLatLng(model.origin, event.latlng));
    }

    function hoverText(spot, event) {
      if (spot) {
        const { kind, index } = spot;
        return `${panels.titleOf(model, kind, index, words)} · ${panels.noteOf(model, kind, index, words)}`;
      }
      const area = areaAt(event);
      return area < 0 ? null : `${words.t("kind.exclusion")} · ${model.exclusions.id[area]}`;
    }

    function listen() {
      shell.followPointer(map, state, {
        find: (event) => pointLayer.find(event.layerPoint, 3),
        text: hoverText,
        repaint: () => pointLayer.repaint(),
      });
      map.on("click", (event) => {
        const touch = event.originalEvent.pointerType === "touch";
        const spot = pointLayer.find(event.layerPoint, touch ? FINGER_PX : 3);
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
    }

    map.options.minZoom = 4;
    map.options.maxZoom = 19;
    // The body is the plan's; what this page has no use for stays away.
    for (const id of ["moments", "themes", "print", "network-row", "scale", "sheet"]) $(id).hidden = true;
    document.body.classList.add("bare");
    if (PHONE.matches) $("legend").open = false;
    fitAll(false);
    areaLayer.addTo(map);
    roadLayer.addTo(map);
    pointLayer.addTo(map);
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    shell.showTabs(state);
    showLanguage();
    listen();
    siting.page = { map, model, state };
    document.body.dataset.ready = "true";
  }

  Object.assign(siting, { start, createHatch });
})((window.siting = window.siting || {}));
