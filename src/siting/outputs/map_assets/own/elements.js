// Elements of the page. Text from the data only ever enters by textContent.
(function (siting) {
  "use strict";

  // el("p", {class: "x", text: "…"}, children): an element, its text never read as markup.
  function el(tag, options, children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(options || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "text") node.textContent = value;
      else if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
      else if (key === "ink") node.style.backgroundColor = value;
      else if (key === "width") node.style.width = value;
      else node.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children || []) if (child) node.append(child);
    return node;
  }

  function fill(node, children) {
    node.replaceChildren(...children.filter(Boolean));
  }

  function section(title, children, kind) {
    return el("section", { class: kind ? `block ${kind}` : "block" }, [el("h2", { text: title }), ...children]);
  }

  function fact(label, value, note) {
    return el("div", { class: "fact" }, [el("small", { text: label }), el("b", { text: value }), note]);
  }

  // Names and values; what has no value is left out.
  function pairs(rows) {
    return el("dl", { class: "pairs" }, rows.filter((row) => row && row[1] !== "").flatMap(([name, value]) => [
      el("dt", { text: name }),
      el("dd", { text: value }),
    ]));
  }

  // A table; rows are lists of texts, the first of each a heading.
  function table(head, rows, foot) {
    const row = (cells, tag) =>
      el("tr", {}, [
        el("th", { scope: tag === "th" ? "col" : "row", text: cells[0] }),
        ...cells.slice(1).map((text) => el(tag, tag === "th" ? { scope: "col", text } : { text })),
      ]);
    return el("table", { class: "table" }, [
      el("thead", {}, [row(head, "th")]),
      el("tbody", {}, rows.map((cells) => row(cells, "td"))),
      foot && el("tfoot", {}, [row(foot, "td")]),
    ]);
  }

  // The head of a detail card, its kind, a mark for made data, and its body.
  function card({ kind, label, badge, close, title, body, closeLabel }) {
    return [
      el("header", { class: "detail-head" }, [
        el("div", {}, [
          el("p", { class: `eyebrow kind-${kind}`, text: label }),
          badge && el("p", { class: "badge", text: badge }),
          el("h2", {}, [el("bdi", { text: title })]),
        ]),
        el("button", { type: "button", class: "close", id: "close", "aria-label": closeLabel, text: "×", on: { click: close } }),
      ]),
      el("div", { class: "detail-body", tabindex: "0", role: "region", "aria-label": title }, body),
    ];
  }

  // A picture of a mark, drawn by the very function that draws it on the map.
  function mark(paint) {
    const canvas = el("canvas", { class: "mark", "aria-hidden": "true" });
    canvas.width = canvas.height = 44;
    const pen = canvas.getContext("2d");
    pen.scale(2, 2);
    paint(pen);
    return canvas;
  }

  function layerRow({ name, label, count, checked, picture, toggle }) {
    return el("label", { class: "layer" }, [
      el("input", {
        type: "checkbox",
        name: "layer-" + name,
        checked,
        on: { change: (event) => toggle(name, event.target.checked) },
      }),
      picture,
      el("span", { text: label }),
      count !== undefined && el("small", { text: count }),
    ]);
  }

  Object.assign(siting, { elements: { el, fill, section, fact, pairs, table, card, mark, layerRow } });
})((window.siting = window.siting || {}));
