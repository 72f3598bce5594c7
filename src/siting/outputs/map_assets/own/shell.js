// What every page of siting has around its map, and how it answers to the reader.
(function (siting) {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const readJson = (id) => JSON.parse($(id).textContent);
  const PHONE = window.matchMedia("(max-width: 760px)");
  const SHEET_PX = 118;
  const readersLanguage = () => ((navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en");

  function addPanes(map) {
    for (const [name, z] of [["areas", 250], ["roads", 300], ["points", 450]]) {
      map.createPane(name).style.zIndex = z;
      map.getPane(name).style.pointerEvents = "none";
    }
  }

  function latLngBounds(origin, [west, south, east, north]) {
    return L.latLngBounds(siting.toLatLng(origin, west, south), siting.toLatLng(origin, east, north));
  }

  function fitAll(map, model, { animate, top, right }) {
    const room = top === undefined ? (PHONE.matches ? 90 : 64) : top;
    map.fitBounds(latLngBounds(model.origin, model.extent), {
      animate,
      paddingTopLeft: [16, room],
      paddingBottomRight: [right || 16, 30],
      maxZoom: 15,
    });
  }

  // The detail card covers a part of the map: the place goes to the middle of the rest.
  function centreOn(map, model, x, y, leastZoom) {
    const zoom = Math.max(map.getZoom(), leastZoom);
    const place = map.project(siting.toLatLng(model.origin, x, y), zoom);
    const box = $("detail").getBoundingClientRect();
    const covered = PHONE.matches ? [0, box.height / 2 - SHEET_PX / 2] : [box.width / 2, 0];
    map.setView(map.unproject(place.add(covered), zoom), zoom);
  }

  // All that the page itself says, in the reader's language.
  function showWords(words, study) {
    const { t } = words;
    document.documentElement.lang = words.lang === "zh" ? "zh-CN" : "en";
    document.title = words.name(study.title);
    for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
    $("title").textContent = words.name(study.title);
    $("badge").hidden = !study.illustrative;
    $("search").placeholder = t("search.hint");
    $("language").textContent = t("language.other");
    $("language").title = t("language.switch");
    $("language").lang = words.lang === "zh" ? "en" : "zh-CN";
    $("map_siting").setAttribute("role", "application");
    $("map_siting").setAttribute("aria-label", t("map.label"));
    for (const [id, key] of [["zoom-in", "zoom.in"], ["zoom-out", "zoom.out"], ["zoom-all", "zoom.all"]]) {
      $(id).setAttribute("aria-label", t(key));
      $(id).title = t(key);
    }
    showGrip(words);
  }

  function showCredit(...parts) {
    $("credit-more").textContent = parts.filter(Boolean).map((text) => text + " · ").join("");
  }

  // A row of native radio buttons: arrow keys work by themselves.
  function showChoices(id, options, { name, chosen, choose }) {
    const { el, fill } = siting.elements;
    const legend = $(id).querySelector("legend");
    const buttons = options.map(([value, label]) =>
      el("label", { class: "choice" }, [
        el("input", { type: "radio", name, value, checked: chosen === value, on: { change: () => choose(value) } }),
        el("span", { text: label }),
      ])
    );
    fill($(id), [legend, ...buttons]);
  }

  const TABS = ["summary", "list", "about"];

  function showTabs(state) {
    for (const name of TABS) {
      const on = name === state.tab;
      $("tab-" + name).setAttribute("aria-selected", String(on));
      $("tab-" + name).tabIndex = on ? 0 : -1;
      $("panel-" + name).hidden = !on;
    }
  }

  function showGrip(words) {
    const open = document.body.classList.contains("sheet-open");
    $("grip").setAttribute("aria-expanded", String(open));
    $("grip").setAttribute("aria-label", words.t(open ? "panel.close" : "panel.open"));
  }

  function showTip(map, event, text) {
    const tip = $("hover");
    tip.hidden = text === null;
    if (text === null) return;
    tip.textContent = text;
    const room = map.getSize();
    const { x, y } = event.containerPoint;
    tip.style.left = Math.min(x + 14, room.x - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(y + 16, room.y - tip.offsetHeight - 8) + "px";
  }

  // Draws the legend's rows anew and leaves the keyboard where it was.
  function showLayerRows(rows) {
    const focused = document.activeElement && document.activeElement.name;
    const legend = $("layers").querySelector("legend");
    siting.elements.fill($("layers"), [legend, ...rows]);
    if (focused && focused.startsWith("layer-")) document.getElementsByName(focused)[0].focus();
  }

  // words() gives the words of now; the acts are what this page does.
  function listen(map, state, words, { fit, switchLanguage, search, unselect }) {
    $("language").addEventListener("click", switchLanguage);
    $("zoom-in").addEventListener("click", () => map.zoomIn(1));
    $("zoom-out").addEventListener("click", () => map.zoomOut(1));
    $("zoom-all").addEventListener("click", fit);
    $("search").addEventListener("input", () => {
      state.query = $("search").value;
      search();
    });
    $("grip").addEventListener("click", () => {
      document.body.classList.toggle("sheet-open");
      showGrip(words());
    });
    $("tabs").addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (!tab) return;
      state.tab = tab.id.slice(4);
      if (PHONE.matches) document.body.classList.add("sheet-open");
      showTabs(state);
      showGrip(words());
    });
    $("tabs").addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      state.tab = TABS[(TABS.indexOf(state.tab) + step + TABS.length) % TABS.length];
      showTabs(state);
      $("tab-" + state.tab).focus();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") unselect(true);
      if (event.key === "/" && !/input|select/i.test(document.activeElement.tagName)) {
        event.preventDefault();
        state.tab = "list";
        showTabs(state);
        $("search").focus();
      }
    });
  }

  // The card of what is selected, beside the map.
  function showDetail(state, build) {
    const box = $("detail");
    box.hidden = state.selection === null;
    document.body.classList.toggle("has-detail", !box.hidden);
    if (box.hidden) box.replaceChildren();
    else siting.elements.fill(box, build());
  }

  // Choosing a thing and letting it go; show() draws what follows, and the keyboard goes along.
  function createSelection(state, { words, show, lookAt }) {
    function select(kind, index, stay) {
      state.selection = { kind, index };
      show();
      closeSheet(words());
      if (stay) return;
      lookAt(kind, index);
      $("close").focus();
    }

    function unselect(focus) {
      const was = state.selection;
      if (was === null) return;
      state.selection = null;
      show();
      if (focus) (document.querySelector(`[data-spot="${was.kind}:${was.index}"]`) || $("map_siting")).focus();
    }

    return { select, unselect };
  }

  // Keeps the mark under the pointer, find(event), in state.hovered and says what text(mark, event) says.
  function followPointer(map, state, { find, text, repaint }) {
    const hover = (mark) => {
      const changed = (mark && mark.kind + mark.index) !== (state.hovered && state.hovered.kind + state.hovered.index);
      state.hovered = mark;
      if (changed) repaint();
    };
    map.on("mousemove", (event) => {
      const mark = find(event);
      hover(mark);
      showTip(map, event, text(mark, event));
      map.getContainer().classList.toggle("pointing", mark !== null);
    });
    map.on("mouseout movestart", () => {
      $("hover").hidden = true;
      hover(null);
    });
  }

  function closeSheet(words) {
    if (!PHONE.matches) return;
    document.body.classList.remove("sheet-open");
    showGrip(words);
  }

  Object.assign(siting, {
    shell: {
      $,
      PHONE,
      readJson,
      readersLanguage,
      addPanes,
      latLngBounds,
      fitAll,
      centreOn,
      showWords,
      showCredit,
      showChoices,
      showTabs,
      showDetail,
      createSelection,
      followPointer,
      showLayerRows,
      listen,
    },
  });
})((window.siting = window.siting || {}));
