// Reads what siting.outputs.map_payload packs: base64 of zigzag LEB128 varints.
(function (siting) {
  "use strict";

  function unpackIntegers(text) {
    const octets = atob(text);
    const values = new Int32Array(octets.length);
    let count = 0;
    let value = 0;
    let shift = 0;
    for (let k = 0; k < octets.length; k++) {
      const octet = octets.charCodeAt(k);
      value |= (octet & 127) << shift;
      if (octet & 128) {
        shift += 7;
      } else {
        values[count++] = (value >>> 1) ^ -(value & 1);
        value = 0;
        shift = 0;
      }
    }
    return values.slice(0, count);
  }

  // Points in metres from the origin, x and y in turn; start[k] is where line k begins.
  function unpackLines(packed) {
    const counts = unpackIntegers(packed.counts);
    const xy = unpackIntegers(packed.steps);
    for (let k = 2; k < xy.length; k++) xy[k] += xy[k - 2];
    return { xy, start: startsOf(counts) };
  }

  function startsOf(counts) {
    const start = new Int32Array(counts.length + 1);
    for (let k = 0; k < counts.length; k++) start[k + 1] = start[k] + counts[k];
    return start;
  }

  // (n, 4) west, south, east, north of each group of lines.
  function boundsOf(shape, groupStart) {
    const n = groupStart.length - 1;
    const bounds = new Int32Array(4 * n);
    for (let g = 0; g < n; g++) {
      let [west, south, east, north] = [2 ** 31 - 1, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31)];
      const last = shape.start[groupStart[g + 1]];
      for (let p = shape.start[groupStart[g]]; p < last; p++) {
        const x = shape.xy[2 * p];
        const y = shape.xy[2 * p + 1];
        if (x < west) west = x;
        if (x > east) east = x;
        if (y < south) south = y;
        if (y > north) north = y;
      }
      bounds.set([west, south, east, north], 4 * g);
    }
    return bounds;
  }

  Object.assign(siting, { unpackIntegers, unpackLines, startsOf, boundsOf });
})((window.siting = window.siting || {}));
