// Areas and roads, drawn tile by tile on canvas so that panning only draws what comes into view.
(function (siting) {
  "use strict";

  const ROAD_STYLE = {
    //           from zoom, width at zoom 10, growth a zoom, ink
    motorway: { from: 0, width: 1.5, growth: 1.3, ink: "rgba(92,90,98,.50)" },
    primary: { from: 8.5, width: 1.05, growth: 1.33, ink: "rgba(92,90,98,.40)" },
    secondary: { from: 10, width: 0.7, growth: 1.36, ink: "rgba(92,90,98,.34)" },
    tertiary: { from: 11.5, width: 0.5, growth: 1.4, ink: "rgba(92,90,98,.28)" },
    link: { from: 12, width: 0.5, growth: 1.35, ink: "rgba(92,90,98,.32)" },
    minor: { from: 12.5, width: 0.36, growth: 1.42, ink: "rgba(92,90,98,.24)" },
  };

  const { CanvasTiles, viewOf, isApart, trace } = siting.canvas;

  // drawOver(pen, view, zoom) may draw more upon a tile's roads.
  function createRoadLayer(model, state, drawOver) {
    return new CanvasTiles(
      (pen, coords, size) => {
        const view = viewOf(model.origin, coords, size, 8);
        if (state.layers.districts) drawDistricts(pen, model.districts, view);
        if (state.layers.roads) drawRoads(pen, model.roads, view, coords.z);
        if (drawOver) drawOver(pen, view, coords.z);
      },
      { pane: "roads" }
    );
  }

  function drawRoads(pen, roads, view, zoom) {
    pen.lineJoin = pen.lineCap = "round";
    for (const road of roads.slice().reverse()) {
      const style = ROAD_STYLE[road.rank];
      if (zoom < style.from) continue;
      drawLines(pen, road, view);
      pen.strokeStyle = style.ink;
      pen.lineWidth = Math.min(9, style.width * style.growth ** (zoom - 10));
      pen.stroke();
    }
  }

  // Puts the lines of a road table on the pen's path.
  function drawLines(pen, road, view) {
    pen.beginPath();
    for (let line = 0; line < road.n; line++) {
      if (!isApart(road.bounds, line, view)) trace(pen, road.shape, line, view);
    }
  }

  function drawDistricts(pen, districts, view) {
    pen.beginPath();
    for (let d = 0; d < districts.n; d++) {
      if (isApart(districts.bounds, d, view)) continue;
      for (let r = districts.rings[d]; r < districts.rings[d + 1]; r++) {
        trace(pen, districts.shape, r, view);
        pen.closePath();
      }
    }
    pen.lineJoin = "round";
    pen.setLineDash([7, 3, 1.5, 3]);
    pen.strokeStyle = "rgba(86,74,94,.55)";
    pen.lineWidth = 1.1;
    pen.stroke();
    pen.setLineDash([]);
  }

  // fillOf(a) gives an area's colour, or null for none.
  function createAreaLayer(areas, origin, fillOf) {
    return new CanvasTiles(
      (pen, coords, size) => {
        const view = viewOf(origin, coords, size, 2);
        const byFill = new Map();
        for (let a = 0; a < areas.n; a++) {
          if (isApart(areas.bounds, a, view)) continue;
          const fill = fillOf(a);
          if (fill === null) continue;
          if (!byFill.has(fill)) byFill.set(fill, []);
          byFill.get(fill).push(a);
        }
        // A thin paper-coloured edge keeps neighbours of one colour apart once there is room.
        const edge = coords.z >= 11.5 ? 1 : coords.z >= 10 ? 0.6 : 0;
        for (const [fill, members] of byFill) {
          pen.beginPath();
          for (const a of members) {
            for (let r = areas.rings[a]; r < areas.rings[a + 1]; r++) {
              trace(pen, areas.shape, r, view);
              pen.closePath();
            }
          }
          pen.fillStyle = fill;
          pen.fill("evenodd");
          pen.lineWidth = edge || 0.5;
          pen.strokeStyle = edge ? "rgba(250,249,246,.85)" : fill;
          pen.stroke();
        }
      },
      { pane: "areas" }
    );
  }

  Object.assign(siting, { createRoadLayer, createAreaLayer, drawLines });
})((window.siting = window.siting || {}));
