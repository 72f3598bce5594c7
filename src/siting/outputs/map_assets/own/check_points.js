// Demand, stations, candidates and what is odd about them, on one canvas over the map.
(function (siting) {
  "use strict";

  const { PAPER, PointLayer, createEye, drawDistrictNames, nearest } = siting.canvas;
  const INK = {
    demand: "#1f7d72",
    unreachable: "#7a0f3c",
    station: "#17497d",
    left: "#8a8892",
    candidate: "#c8400f",
    excluded: "#6f6a62",
    snap: "#2a2630",
    doubtful: "#9a5b00",
  };
  const REASONS = ["no road near", "on a one-way trap", "on roads cut off from the network"];

  // Each reason has its own shape, so that no reader depends on colour.
  function drawUnreached(pen, x, y, size, reason) {
    pen.lineJoin = "round";
    pen.strokeStyle = PAPER;
    pen.fillStyle = INK.unreachable;
    pen.lineWidth = 2;
    pen.beginPath();
    const kind = REASONS.indexOf(reason);
    if (kind === 0) {
      const arm = 0.85 * size;
      pen.moveTo(x - arm, y - arm);
      pen.lineTo(x + arm, y + arm);
      pen.moveTo(x - arm, y + arm);
      pen.lineTo(x + arm, y - arm);
      pen.lineWidth = 0.95 * size;
      pen.stroke();
      pen.lineWidth = 0.5 * size;
      pen.strokeStyle = INK.unreachable;
      pen.stroke();
      return;
    }
    if (kind === 1) {
      pen.moveTo(x, y - 1.15 * size);
      pen.lineTo(x + 1.1 * size, y + 0.85 * size);
      pen.lineTo(x - 1.1 * size, y + 0.85 * size);
    } else if (kind === 2) {
      pen.moveTo(x, y - 1.2 * size);
      pen.lineTo(x + 1.2 * size, y);
      pen.lineTo(x, y + 1.2 * size);
      pen.lineTo(x - 1.2 * size, y);
    } else {
      pen.arc(x, y, 0.9 * size, 0, 2 * Math.PI);
      pen.fillStyle = PAPER;
      pen.fill();
      pen.lineWidth = 0.5 * size;
      pen.strokeStyle = INK.unreachable;
      pen.stroke();
      return;
    }
    pen.closePath();
    pen.stroke();
    pen.fill();
  }

  function drawDemand(pen, x, y, r) {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fillStyle = "rgba(31,125,114,.62)";
    pen.fill();
    if (r < 2.5) return;
    pen.lineWidth = 0.8;
    pen.strokeStyle = PAPER;
    pen.stroke();
  }

  // A filled square stands beside a road; a white middle was merged; a hollow one has no road near.
  function drawCheckedStation(pen, x, y, half, use) {
    pen.lineWidth = 1.4;
    pen.strokeStyle = PAPER;
    pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
    if (use === "left" || use === "off") {
      pen.fillStyle = PAPER;
      pen.fillRect(x - half, y - half, 2 * half, 2 * half);
      pen.lineWidth = 1.2;
      pen.strokeStyle = use === "left" ? INK.left : INK.station;
      pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
      if (use === "off") return;
      pen.beginPath();
      pen.moveTo(x - half, y + half);
      pen.lineTo(x + half, y - half);
      pen.stroke();
      return;
    }
    pen.fillStyle = INK.station;
    pen.fillRect(x - half, y - half, 2 * half, 2 * half);
    if (use !== "merged") return;
    pen.fillStyle = "#fff";
    pen.fillRect(x - 0.42 * half, y - 0.42 * half, 0.84 * half, 0.84 * half);
  }

  function drawCheckedCandidate(pen, x, y, r, kept) {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fillStyle = PAPER;
    pen.fill();
    pen.lineWidth = kept ? 0.5 * r : 1;
    pen.strokeStyle = kept ? INK.candidate : INK.excluded;
    pen.stroke();
    if (kept) return;
    pen.beginPath();
    pen.moveTo(x - 0.71 * r, y + 0.71 * r);
    pen.lineTo(x + 0.71 * r, y - 0.71 * r);
    pen.stroke();
  }

  const LINES = {
    snaps: { ink: INK.snap, dash: [], width: 1.5 },
    merges: { ink: INK.station, dash: [], width: 1.2 },
    doubtful: { ink: INK.doubtful, dash: [3, 2.5], width: 2 },
  };

  function drawLine(pen, x0, y0, x1, y1, name) {
    const { ink, dash, width } = LINES[name];
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.lineWidth = width + 2;
    pen.strokeStyle = PAPER;
    pen.stroke();
    pen.setLineDash(dash);
    pen.lineWidth = width;
    pen.strokeStyle = ink;
    pen.stroke();
    pen.setLineDash([]);
  }

  function drawQuestion(pen, x, y, r) {
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fillStyle = INK.doubtful;
    pen.fill();
    pen.lineWidth = 1.2;
    pen.strokeStyle = PAPER;
    pen.stroke();
    pen.font = `700 ${1.5 * r}px ${siting.canvas.FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = "#fff";
    pen.fillText("?", x, y + 0.08 * r);
  }

  function drawHalo(pen, x, y, r) {
    pen.beginPath();
    pen.arc(x, y, r + 5, 0, 2 * Math.PI);
    pen.fillStyle = "rgba(42,38,48,.18)";
    pen.fill();
  }

  // What a station is to this map: planned or closed, far from roads, merged, or of one source.
  function stationUse(stations, n) {
    if (!stations.stands[n]) return "left";
    if (stations.road(n) === null) return "off";
    return stations.sources[n].length > 1 ? "merged" : "single";
  }

  function createCheckLayer(model, state, words) {
    let placed = [];
    const { demand, stations, candidates } = model;
    const farM = model.data.study.far_m;

    // Area for vehicles: the largest twentieth of the points share the greatest size.
    function radiusOf(brand, zoom) {
      const vehicles = demand.vehicles(brand);
      const positive = Array.from(vehicles).filter((v) => v > 0).sort((a, b) => a - b);
      const most = positive[Math.floor(0.95 * (positive.length - 1))] || 1;
      const widest = 4.6 * Math.min(2.4, Math.max(0.7, 1.2 ** (zoom - 11)));
      return (n) => widest * Math.max(0.28, Math.sqrt(Math.min(1, vehicles[n] / most)));
    }

    function draw(pen, map, bounds) {
      const eye = createEye(map, bounds, model.origin);
      const { zoom, screen, visible } = eye;
      const small = Math.min(2.2, Math.max(0.75, 1.16 ** (zoom - 11)));
      const on = state.layers;
      placed = [];
      const place = (kind, table, radius, paint, keep) => {
        for (let n = table.n - 1; n >= 0; n--) {
          if (!keep(n)) continue;
          const [x, y] = screen(table.xy, n);
          if (!visible(x, y)) continue;
          const r = radius(n);
          const spot = { kind, index: n, x, y, r };
          if (isSame(state.selection, spot) || isSame(state.hovered, spot)) drawHalo(pen, x, y, r);
          paint(x, y, r, n);
          placed.push(spot);
        }
      };
      const far = (table) => {
        for (let n = 0; n < table.n; n++) {
          if (!(table.to_road_m[n] > farM) || !isShown(table, n)) continue;
          const [x0, y0] = screen(table.xy, n);
          const [x1, y1] = screen(table.road(n), 0);
          if (visible(x0, y0) || visible(x1, y1)) drawLine(pen, x0, y0, x1, y1, "snaps");
        }
      };

      const vehicles = demand.vehicles(state.brand);
      const radius = radiusOf(state.brand, zoom);
      if (on.excluded) {
        place("candidate", candidates, () => 2.2 * small, (x, y, r) => drawCheckedCandidate(pen, x, y, r, false), (n) => candidates.why(n) !== "");
      }
      if (on.demand) {
        place("demand", demand, radius, (x, y, r) => drawDemand(pen, x, y, r), (n) => vehicles[n] > 0 && demand.why(n) === "");
      }
      if (on.left) {
        place("station", stations, () => 2.8 * small, (x, y, r) => drawCheckedStation(pen, x, y, r, "left"), (n) => !stations.stands[n]);
      }
      if (on.merges) pairLines(model.merges, "merges");
      if (on.stations) {
        place("station", stations, () => 2.8 * small, (x, y, r, n) => drawCheckedStation(pen, x, y, r, stationUse(stations, n)), (n) => stations.stands[n]);
      }
      if (on.candidates) {
        place("candidate", candidates, () => 2.9 * small, (x, y, r) => drawCheckedCandidate(pen, x, y, r, true), (n) => candidates.why(n) === "");
      }
      if (on.unreachable) {
        const least = zoom < 10.5 ? 2.4 : 3.4;
        place("demand", demand, (n) => Math.max(radius(n), least), (x, y, r, n) => drawUnreached(pen, x, y, r, demand.why(n)), (n) => vehicles[n] > 0 && demand.why(n) !== "");
      }
      if (on.snaps) for (const table of [demand, stations, candidates]) far(table);
      if (on.doubtful) {
        pairLines(model.doubtful, "doubtful");
        place("doubtful", model.doubtful, () => 5.5, (x, y, r) => drawQuestion(pen, x, y, r), () => true);
      }
      if (on.districts) drawDistrictNames(pen, model.districts, words(), eye, []);

      function pairLines(pairs, name) {
        if (zoom < 12) return;
        for (let n = 0; n < pairs.n; n++) {
          const [x0, y0] = screen(pairs.xy, n);
          const [x1, y1] = screen(pairs.other, n);
          if (visible(x0, y0) || visible(x1, y1)) drawLine(pen, x0, y0, x1, y1, name);
        }
      }

      function isShown(table, n) {
        if (table === demand) return vehicles[n] > 0 && (demand.why(n) === "" ? on.demand : on.unreachable);
        return table === stations ? on.stations : on.candidates;
      }
    }

    const layer = new PointLayer(draw);
    const order = { doubtful: 0, station: 1, candidate: 1, demand: 2 };
    layer.find = (point, slack) => nearest(placed, point, slack, order);
    return layer;
  }

  function isSame(spot, other) {
    return Boolean(spot) && spot.kind === other.kind && spot.index === other.index;
  }

  Object.assign(siting, {
    createCheckLayer,
    checkMarks: { drawDemand, drawUnreached, drawCheckedStation, drawCheckedCandidate, drawLine, drawQuestion },
    stationUse,
  });
})((window.siting = window.siting || {}));
