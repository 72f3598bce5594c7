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

  const CanvasTiles = L.GridLayer.extend({
    options: { tileSize: 512, keepBuffer: 1, updateWhenZooming: false, updateWhenIdle: false, maxZoom: 19 },

    initialize: function (draw, options) {
      L.setOptions(this, options);
      this._draw = draw;
    },

    // Leaflet rounds a tile's zoom and stretches the picture; drawn lines can have the exact zoom.
    _setView: function (center, zoom, noPrune, noUpdate) {
      this._exactZoom = zoom;
      L.GridLayer.prototype._setView.call(this, center, zoom, noPrune, noUpdate);
    },

    _clampZoom: function () {
      return this._exactZoom;
    },

    createTile: function (coords) {
      const tile = L.DomUtil.create("canvas", "leaflet-tile");
      this._paint(tile, coords);
      return tile;
    },

    // Draws again in place: no tile disappears while another theme is chosen.
    repaint: function () {
      for (const key of Object.keys(this._tiles || {})) {
        const tile = this._tiles[key];
        this._paint(tile.el, tile.coords);
      }
    },

    _paint: function (canvas, coords) {
      const size = this.options.tileSize;
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      // Setting the size clears.
      canvas.width = canvas.height = size * ratio;
      const pen = canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      this._draw(pen, coords, size);
    },
  });

  // What part of the model a tile shows: its scale, and its bounds in metres from the origin.
  function viewOf(origin, coords, size, marginPx) {
    const { k, dx, dy } = siting.scaleOf(origin, coords.z);
    const left = coords.x * size;
    const top = coords.y * size;
    return {
      k,
      dx: dx - left,
      dy: dy - top,
      west: (left - marginPx - dx) / k,
      east: (left + size + marginPx - dx) / k,
      north: (dy - top + marginPx) / k,
      south: (dy - top - size - marginPx) / k,
    };
  }

  function isApart(bounds, k, view) {
    return (
      bounds[4 * k] > view.east ||
      bounds[4 * k + 2] < view.west ||
      bounds[4 * k + 1] > view.north ||
      bounds[4 * k + 3] < view.south
    );
  }

  // Adds a line to the pen's path; points less than a pixel apart are skipped.
  function trace(pen, shape, line, view) {
    const last = shape.start[line + 1] - 1;
    let [px, py] = [0, 0];
    for (let p = shape.start[line]; p <= last; p++) {
      const x = shape.xy[2 * p] * view.k + view.dx;
      const y = view.dy - shape.xy[2 * p + 1] * view.k;
      if (p === shape.start[line]) pen.moveTo(x, y);
      else if (p === last || Math.abs(x - px) + Math.abs(y - py) >= 1) pen.lineTo(x, y);
      else continue;
      px = x;
      py = y;
    }
  }

  function createRoadLayer(model, state) {
    return new CanvasTiles(
      (pen, coords, size) => {
        const view = viewOf(model.origin, coords, size, 8);
        if (state.layers.districts) drawDistricts(pen, model.districts, view);
        if (!state.layers.roads) return;
        pen.lineJoin = pen.lineCap = "round";
        for (const road of model.roads.slice().reverse()) {
          const style = ROAD_STYLE[road.rank];
          if (coords.z < style.from) continue;
          pen.beginPath();
          for (let line = 0; line < road.n; line++) {
            if (!isApart(road.bounds, line, view)) trace(pen, road.shape, line, view);
          }
          pen.strokeStyle = style.ink;
          pen.lineWidth = Math.min(9, style.width * style.growth ** (coords.z - 10));
          pen.stroke();
        }
      },
      { pane: "roads" }
    );
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
  function createAreaLayer(model, fillOf) {
    const { areas } = model;
    return new CanvasTiles(
      (pen, coords, size) => {
        const view = viewOf(model.origin, coords, size, 2);
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

  Object.assign(siting, { createRoadLayer, createAreaLayer });
})((window.siting = window.siting || {}));
