// What every map of siting is drawn on: canvas tiles below, one canvas of points above.
(function (siting) {
  "use strict";

  const FONT = '"Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif';
  const PAPER = "rgba(252,251,248,.92)";

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

  const PointLayer = L.Renderer.extend({
    options: { padding: 0.15, pane: "points" },

    initialize: function (draw) {
      L.Renderer.prototype.initialize.call(this, {});
      this._draw = draw;
    },

    onAdd: function (map) {
      L.Renderer.prototype.onAdd.call(this, map);
      map.on("move", this._followMove, this);
    },

    onRemove: function (map) {
      map.off("move", this._followMove, this);
      L.Renderer.prototype.onRemove.call(this, map);
    },

    _initContainer: function () {
      this._container = document.createElement("canvas");
      this._container.setAttribute("aria-hidden", "true");
    },

    _destroyContainer: function () {
      this._container.remove();
      this._container = null;
    },

    // The renderer's own vector paths do not exist here.
    _updatePaths: function () {},
    _onZoomEnd: function () {},

    // A long drag can leave the drawn margin: draw again before an edge shows.
    _followMove: function () {
      if (!this._bounds || this._waiting || this._map._animatingZoom) return;
      const origin = this._map.containerPointToLayerPoint([0, 0]);
      const view = L.bounds(origin, origin.add(this._map.getSize()));
      if (this._bounds.contains(view)) return;
      this._waiting = L.Util.requestAnimFrame(() => {
        this._waiting = null;
        if (this._map) this._update();
      });
    },

    _update: function () {
      if (this._map._animatingZoom && this._bounds) return;
      L.Renderer.prototype._update.call(this);
      this._paint();
    },

    repaint: function () {
      if (this._map && !this._map._animatingZoom) this._paint();
    },

    _paint: function () {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const { min } = this._bounds;
      const size = this._bounds.getSize();
      const canvas = this._container;
      L.DomUtil.setPosition(canvas, min);
      // Setting the size clears.
      canvas.width = Math.ceil(ratio * size.x);
      canvas.height = Math.ceil(ratio * size.y);
      canvas.style.width = size.x + "px";
      canvas.style.height = size.y + "px";
      const pen = canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, -ratio * min.x, -ratio * min.y);
      this._draw(pen, this._map, this._bounds);
    },
  });

  // A name with a paper-coloured rim, unless another stands there; taken keeps where names stand.
  function drawText(pen, text, x, y, ink, taken) {
    const half = pen.measureText(text).width / 2 + 3;
    const box = [x - half, y - 9, x + half, y + 14];
    if (taken.some((b) => box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) return;
    taken.push(box);
    pen.lineJoin = "round";
    pen.lineWidth = 3.5;
    pen.strokeStyle = PAPER;
    pen.strokeText(text, x, y);
    pen.fillStyle = ink;
    pen.fillText(text, x, y);
  }

  // What stands nearest a layer point; slack is larger for a finger, order says what wins a tie.
  function nearest(placed, point, slack, order) {
    let best = null;
    let least = Infinity;
    for (const spot of placed) {
      const distance = Math.hypot(spot.x - point.x, spot.y - point.y) - spot.r;
      if (distance > slack) continue;
      const score = Math.max(0, distance) + 3 * order[spot.kind];
      if (score < least) [best, least] = [spot, score];
    }
    return best && { kind: best.kind, index: best.index };
  }

  // How a point layer sees the map: metres from the origin to pixels, and whether they show.
  function createEye(map, bounds, origin) {
    const zoom = map.getZoom();
    const { k, dx, dy } = siting.scaleOf(origin, zoom);
    const corner = map.getPixelOrigin();
    const margin = 30;
    return {
      zoom,
      screen: (xy, n) => [xy[2 * n] * k + dx - corner.x, dy - xy[2 * n + 1] * k - corner.y],
      visible: (x, y) =>
        x > bounds.min.x - margin && x < bounds.max.x + margin && y > bounds.min.y - margin && y < bounds.max.y + margin,
    };
  }

  function drawDistrictNames(pen, districts, words, { screen, visible, zoom }, taken) {
    if (zoom > 13.5) return;
    pen.font = `600 ${zoom < 10 ? 11 : 12.5}px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let d = 0; d < districts.n; d++) {
      const [x, y] = screen(districts.xy, d);
      if (visible(x, y)) drawText(pen, words.name(districts.name[d]), x, y, "rgba(70,60,80,.78)", taken);
    }
  }

  Object.assign(siting, {
    canvas: { FONT, PAPER, CanvasTiles, PointLayer, viewOf, isApart, trace, drawText, nearest, createEye, drawDistrictNames },
  });
})((window.siting = window.siting || {}));
