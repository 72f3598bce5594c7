// Roads that need a look: one-way streets, traps, and what is cut off from the rest.
(function (siting) {
  "use strict";

  const FLAGS = {
    one_way: { ink: "#4f86b8", width: 0.9, dash: [], from: 10.5 },
    one_way_trap: { ink: "#c06a00", width: 2.2, dash: [6, 3], from: 0 },
    other_component: { ink: "#7a0f3c", width: 3.2, dash: [1.5, 3.5], from: 0 },
  };
  const ARROWS_FROM = 14;
  const ARROW_EVERY_PX = 90;

  function drawFlagged(pen, roads, name, view, zoom) {
    const { ink, width, dash, from } = FLAGS[name];
    if (zoom < from) return;
    siting.drawLines(pen, roads, view);
    pen.lineWidth = width * Math.min(2.5, 1.25 ** Math.max(0, zoom - 11));
    pen.lineCap = name === "other_component" ? "round" : "butt";
    pen.setLineDash(dash.map((px) => px * Math.max(1, width * 0.6)));
    pen.strokeStyle = ink;
    pen.stroke();
    pen.setLineDash([]);
    if (name !== "other_component" && zoom >= ARROWS_FROM) drawArrows(pen, roads, view, ink);
  }

  // A small arrow head every so often along a line, in the direction of its traffic.
  function drawArrows(pen, roads, view, ink) {
    const { shape, bounds } = roads;
    pen.fillStyle = ink;
    for (let line = 0; line < roads.n; line++) {
      if (siting.canvas.isApart(bounds, line, view)) continue;
      let along = ARROW_EVERY_PX / 2;
      for (let p = shape.start[line] + 1; p < shape.start[line + 1]; p++) {
        const dx = (shape.xy[2 * p] - shape.xy[2 * p - 2]) * view.k;
        const dy = -(shape.xy[2 * p + 1] - shape.xy[2 * p - 1]) * view.k;
        const length = Math.hypot(dx, dy);
        along += length;
        if (along < ARROW_EVERY_PX || length < 8) continue;
        along = 0;
        const x = shape.xy[2 * p] * view.k + view.dx - dx / 2;
        const y = view.dy - shape.xy[2 * p + 1] * view.k - dy / 2;
        const [ux, uy] = [dx / length, dy / length];
        pen.beginPath();
        pen.moveTo(x + 5 * ux, y + 5 * uy);
        pen.lineTo(x - 4 * ux - 3.6 * uy, y - 4 * uy + 3.6 * ux);
        pen.lineTo(x - 4 * ux + 3.6 * uy, y - 4 * uy - 3.6 * ux);
        pen.fill();
      }
    }
  }

  function createCheckRoads(model, state) {
    return siting.createRoadLayer(model, state, (pen, view, zoom) => {
      for (const name of Object.keys(FLAGS)) {
        if (state.layers[name]) drawFlagged(pen, model.flagged[name], name, view, zoom);
      }
    });
  }

  Object.assign(siting, { createCheckRoads, ROAD_FLAGS: FLAGS });
})((window.siting = window.siting || {}));
