// Sites, stations, candidates, unreachable demand and names, on one canvas over the map.
(function (siting) {
  "use strict";

  const INK = {
    site: "#c8400f",
    siteRing: "#ffffff",
    open: "#17497d",
    some: "#5f93c4",
    closed: "#8a8892",
    candidate: "#6f6a62",
    unreachable: "#7a0f3c",
    paper: siting.canvas.PAPER,
    text: "#2e2a33",
  };
  const { FONT, PointLayer, drawText, nearest, createEye, drawDistrictNames } = siting.canvas;
  const MIN_LABEL_RADIUS = 7.5;

  // Shapes differ as well as colours, so that no reader depends on colour alone.
  function drawSite(pen, x, y, radius, { ghost, chosen, hovered, label }) {
    if (chosen || hovered) {
      pen.beginPath();
      pen.arc(x, y, radius + (chosen ? 6 : 4), 0, 2 * Math.PI);
      pen.fillStyle = "rgba(200,64,15,.22)";
      pen.fill();
    }
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    if (ghost) {
      pen.fillStyle = "rgba(255,255,255,.55)";
      pen.fill();
      pen.lineWidth = 1.4;
      pen.setLineDash([2.5, 2.5]);
      pen.strokeStyle = INK.site;
      pen.stroke();
      pen.setLineDash([]);
      return;
    }
    pen.lineWidth = 3.4;
    pen.strokeStyle = INK.siteRing;
    pen.stroke();
    pen.fillStyle = INK.site;
    pen.fill();
    if (label) drawLabel(pen, x, y, radius, label);
    else if (radius >= 7.5) drawBolt(pen, x, y, radius * 0.62);
  }

  // A ring around a site, filled clockwise by how much of its grid limit it takes.
  function drawGridShare(pen, x, y, radius, share) {
    const arc = (ink, width, part) => {
      pen.beginPath();
      pen.arc(x, y, radius + 4.2, -Math.PI / 2, (2 * part - 0.5) * Math.PI);
      pen.lineWidth = width;
      pen.strokeStyle = ink;
      pen.stroke();
    };
    arc(INK.paper, 4.4, 1);
    arc("rgba(46,42,51,.25)", 2.4, 1);
    arc(INK.text, 2.4, share);
  }

  function drawLabel(pen, x, y, radius, label) {
    pen.font = `700 ${label.length > 2 ? radius : 1.2 * radius}px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = INK.siteRing;
    pen.fillText(label, x, y + 0.5);
  }

  function drawBolt(pen, x, y, size) {
    pen.beginPath();
    pen.moveTo(x + 0.18 * size, y - size);
    pen.lineTo(x - 0.55 * size, y + 0.16 * size);
    pen.lineTo(x - 0.04 * size, y + 0.16 * size);
    pen.lineTo(x - 0.18 * size, y + size);
    pen.lineTo(x + 0.55 * size, y - 0.18 * size);
    pen.lineTo(x + 0.04 * size, y - 0.18 * size);
    pen.closePath();
    pen.fillStyle = INK.siteRing;
    pen.fill();
  }

  function drawStation(pen, x, y, half, use, { chosen, hovered }) {
    if (chosen || hovered) {
      pen.fillStyle = "rgba(23,73,125,.22)";
      pen.fillRect(x - half - 4, y - half - 4, 2 * half + 8, 2 * half + 8);
    }
    if (use === "closed") {
      pen.fillStyle = INK.paper;
      pen.fillRect(x - half, y - half, 2 * half, 2 * half);
      pen.lineWidth = 1.1;
      pen.strokeStyle = INK.closed;
      pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
      return;
    }
    pen.lineWidth = half < 2 ? 0.8 : 1.6;
    pen.strokeStyle = INK.siteRing;
    pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
    pen.fillStyle = use === "open" ? INK.open : INK.some;
    pen.fillRect(x - half, y - half, 2 * half, 2 * half);
    if (use !== "some") return;
    pen.beginPath();
    pen.moveTo(x - half, y + half);
    pen.lineTo(x + half, y + half);
    pen.lineTo(x + half, y - half);
    pen.closePath();
    pen.fillStyle = INK.paper;
    pen.fill();
    pen.lineWidth = 0.9;
    pen.strokeStyle = INK.some;
    pen.strokeRect(x - half, y - half, 2 * half, 2 * half);
  }

  function drawCandidate(pen, x, y, radius, { chosen, hovered }) {
    pen.beginPath();
    pen.arc(x, y, radius + (chosen || hovered ? 3 : 0), 0, 2 * Math.PI);
    pen.fillStyle = INK.paper;
    pen.fill();
    pen.lineWidth = chosen || hovered ? 2 : 1;
    pen.strokeStyle = INK.candidate;
    pen.stroke();
  }

  function drawUnreachable(pen, x, y, arm, { chosen, hovered }) {
    const reach = arm + (chosen || hovered ? 2 : 0);
    pen.beginPath();
    pen.moveTo(x - reach, y - reach);
    pen.lineTo(x + reach, y + reach);
    pen.moveTo(x - reach, y + reach);
    pen.lineTo(x + reach, y - reach);
    pen.lineCap = "round";
    pen.lineWidth = 1.4 * reach;
    pen.strokeStyle = INK.paper;
    pen.stroke();
    pen.lineWidth = 0.62 * reach;
    pen.strokeStyle = INK.unreachable;
    pen.stroke();
    pen.lineCap = "butt";
  }

  // Many marks are drawn smaller while the whole city is in view, so that they stay apart.
  function crowding(n, few, zoom) {
    return zoom < 12 ? Math.min(1, Math.max(0.6, Math.sqrt(few / n))) : 1;
  }

  function siteRadius(tier, nTier, zoom, nSite) {
    const step = nTier > 1 ? tier / (nTier - 1) : 0.5;
    return (4.6 + 4.4 * step) * crowding(nSite, 60, zoom) * Math.min(1.7, 1.13 ** (zoom - 11));
  }

  // Who may charge at a station at a moment: every brand, some, or none; with a brand chosen,
  // that brand or not.
  function useOf(stations, k, state, nBrand) {
    const bits = stations.usable[state.moment][k];
    if (state.brand !== siting.ALL) return (bits >> state.brand) & 1 ? "open" : "closed";
    return bits === 2 ** nBrand - 1 ? "open" : bits === 0 ? "closed" : "some";
  }

  // Draws everything and keeps where it stands, so that a pointer can find it again.
  function createPointLayer(model, state, words) {
    let placed = [];

    function draw(pen, map, bounds) {
      const eye = createEye(map, bounds, model.origin);
      const { zoom, screen, visible } = eye;
      const mark = (kind, n) => ({
        chosen: same(state.selection, kind, n),
        hovered: same(state.hovered, kind, n),
      });
      placed = [];
      const place = (kind, table, radius, paint, keep) => {
        for (let n = table.n - 1; n >= 0; n--) {
          if (keep && !keep(n)) continue;
          const [x, y] = screen(table.xy, n);
          if (!visible(x, y)) continue;
          const r = radius(n);
          paint(x, y, r, n, mark(kind, n));
          placed.push({ kind, index: n, x, y, r });
        }
      };
      const small = Math.min(2.2, Math.max(0.6, 1.14 ** (zoom - 11)));
      const taken = [];

      siting.trips.draw(pen, eye, model, state, placed);

      // A candidate that was asked for is seen whether or not its layer is on.
      if (state.layers.candidates || (state.selection && state.selection.kind === "candidate")) {
        place(
          "candidate",
          model.candidates,
          () => 2.1 * small,
          (x, y, r, n, m) => drawCandidate(pen, x, y, r, m),
          (n) => state.layers.candidates || same(state.selection, "candidate", n)
        );
      }
      if (state.layers.unreachable) {
        place("unreachable", model.unreachable, () => 2.6 * small ** 1.5, (x, y, r, n, m) => drawUnreachable(pen, x, y, r, m));
      }
      if (state.layers.stations) {
        const { stations } = model;
        place(
          "station",
          stations,
          () => 2.7 * small * crowding(stations.n, 300, zoom),
          (x, y, r, n, m) => drawStation(pen, x, y, r, useOf(stations, n, state, model.nBrand), m),
          (n) => state.network === "" || stations.network[n] === state.network
        );
      }
      if (state.layers.districts) drawDistrictNames(pen, model.districts, words(), eye, taken);
      if (state.layers.sites) {
        if (state.selection && state.selection.kind === "site") drawFlows(pen, screen, state.selection.index);
        const nTier = model.data.study.tiers.length;
        place(
          "site",
          model.sites,
          (n) => Math.max(siteRadius(Math.max(0, siting.time.tierAt(model, state, n)), nTier, zoom, model.sites.n), state.printing ? MIN_LABEL_RADIUS : 0),
          (x, y, r, n, m) =>
            drawSite(pen, x, y, r, {
              ...m,
              ghost: state.moment !== "joint" || siting.time.tierAt(model, state, n) < 0,
              label: state.printing ? String(n + 1) : "",
            })
        );
        if (state.layers.regret) drawNoRegret(pen);
        if (state.layers.grid) drawGridShares(pen);
      }
      siting.trips.drawNames(pen, eye, model, state, words(), taken);
      if (zoom >= 13) drawSiteNames(pen, taken);
    }

    function drawNoRegret(pen) {
      for (const { kind, index, x, y, r } of placed) {
        if (kind === "site" && siting.futures.isNoRegret(model, index)) siting.futures.drawRing(pen, x, y, r);
      }
    }

    function drawGridShares(pen) {
      if (state.moment !== "joint") return;
      for (const { kind, index, x, y, r } of placed) {
        if (kind !== "site" || model.grid.shares[index] === null) continue;
        drawGridShare(pen, x, y, r, model.grid.shares[index]);
      }
    }

    function drawFlows(pen, screen, site) {
      const [sx, sy] = screen(model.sites.xy, site);
      const flows = model.reach(site).filter((pair) => pair.kwh > 0);
      const most = Math.max(...flows.map((pair) => pair.kwh), 1);
      pen.lineCap = "round";
      for (const pair of flows) {
        const [west, south, east, north] = model.areas.bounds.slice(4 * pair.area, 4 * pair.area + 4);
        const [x, y] = screen([(west + east) / 2, (south + north) / 2], 0);
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(sx, sy);
        pen.lineWidth = 0.7 + 2.3 * Math.sqrt(pair.kwh / most);
        pen.strokeStyle = "rgba(120,38,8,.42)";
        pen.stroke();
      }
      pen.lineCap = "butt";
    }

    function drawSiteNames(pen, taken) {
      pen.font = `500 11.5px ${FONT}`;
      pen.textAlign = "center";
      pen.textBaseline = "top";
      for (const { kind, index, x, y, r } of placed) {
        if (kind !== "site") continue;
        const name = words().name(model.sites.name[index]) || model.sites.id[index];
        drawText(pen, name.slice(0, 40), x, y + r + 4, INK.text, taken);
      }
    }

    const layer = new PointLayer(draw);
    const order = { site: 0, station: 1, place: 1, unreachable: 2, candidate: 3 };
    layer.find = (point, slack) => {
      const marks = placed.filter((spot) => spot.kind in order);
      return nearest(marks, point, slack, order) || siting.trips.find(placed, point, slack);
    };
    return layer;
  }

  function same(spot, kind, index) {
    return Boolean(spot) && spot.kind === kind && spot.index === index;
  }

  Object.assign(siting, {
    createPointLayer,
    drawSite,
    drawGridShare,
    drawStation,
    drawCandidate,
    drawUnreachable,
    useOf,
    MARK_INK: INK,
  });
})((window.siting = window.siting || {}));
