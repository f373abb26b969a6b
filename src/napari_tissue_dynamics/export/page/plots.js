/* Drawing ------------------------------------------------------------------------------------------------------ */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = Math.max(1, Math.round(w * ratio));
  canvas.height = Math.max(1, Math.round(h * ratio));
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [g, w, h, ratio];
}
/* How much of each pixel around the middle a disk covers: [dx, dy, share]. */
function disk(radius) {
  const found = [], most = Math.ceil(radius + 0.5);
  for (let dy = -most; dy <= most; dy++) for (let dx = -most; dx <= most; dx++) {
    const share = Math.min(1, radius + 0.5 - Math.hypot(dx, dy));
    if (share > 0.02) found.push([dx, dy, share]);
  }
  return found;
}
/* Paints the whole canvas: its ground, and the cells, pixel by pixel, which is fast without a graphics card too. Cells
   come in the order of the file, which is none: no color lies on top of the others by rule. */
function dots(g, x, y, radius, ratio, frame) {
  const image = g.createImageData(g.canvas.width, g.canvas.height), pixels = image.data, width = image.width;
  const [left, top, right, bottom] = frame ?? [0, 0, image.width, image.height], [r0, g0, b0] = hex(css("--card"));
  new Uint32Array(pixels.buffer).fill(new Uint32Array(new Uint8Array([r0, g0, b0, 255]).buffer)[0]);
  const pass = (color, size) => {
    const stamp = disk(Math.max(0.5, size * ratio));
    for (let i = 0; i < n; i++) {
      if (!shown.visible[i]) continue;
      const cx = Math.round(x[i] * ratio), cy = Math.round(y[i] * ratio);
      if (!(cx > left - 40 && cy > top - 40 && cx < right + 40 && cy < bottom + 40)) continue;
      const [red, green, blue] = color ?? shown.table[shown.index[i]];
      for (const [dx, dy, share] of stamp) {
        const px = cx + dx, py = cy + dy;
        if (px < left || py < top || px >= right || py >= bottom) continue;
        const at = 4 * (py * width + px);
        pixels[at] += share * (red - pixels[at]);
        pixels[at + 1] += share * (green - pixels[at + 1]);
        pixels[at + 2] += share * (blue - pixels[at + 2]);
      }
    }
  };
  const under = css("--under");
  if (under !== "transparent") pass(hex(under), radius + 0.6);
  pass(null, radius);
  g.putImageData(image, 0, 0);
}
function mark(g, x, y, radius) {
  if (state.cell < 0) return;
  for (const [color, line] of [[css("--halo"), 5], [css("--ink"), 2]]) {
    g.strokeStyle = color; g.lineWidth = line;
    g.beginPath(); g.arc(x, y, radius + 5, 0, 2 * Math.PI); g.stroke();
  }
}
const scaleOf = (v, w, h) => 0.94 * v.zoom * Math.min(w / (v.x_.w || 1), h / (v.x_.h || 1));
for (const v of views) {
  const range = (a) => a.reduce(([lo, hi], q) => [Math.min(lo, q), Math.max(hi, q)], [Infinity, -Infinity]);
  const [x0, x1] = range(v.x), [y0, y1] = range(v.y);
  v.x_ = { w: x1 - x0, h: y1 - y0, x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
  v.cx = v.x_.x; v.cy = v.x_.y;
}
const toScreen = (v, w, h) => {
  const k = scaleOf(v, w, h), s = v.y_down ? k : -k;
  return (x, y) => [w / 2 + k * (x - v.cx), h / 2 + s * (y - v.cy)];
};
function head(g, x, y, dx, dy, size) {
  const a = Math.atan2(dy, dx);
  for (const turn of [2.65, -2.65]) { g.moveTo(x, y); g.lineTo(x + size * Math.cos(a + turn), y + size * Math.sin(a + turn)); }
}
function flow(g, v, at, w, h) {
  const path = (draw) => {
    for (const [color, width] of [[css("--halo"), 3.6], [css("--ink"), 1.3]]) {
      g.strokeStyle = color; g.lineWidth = width; g.lineCap = g.lineJoin = "round";
      g.beginPath(); draw(); g.stroke();
    }
  };
  g.globalAlpha = data.flow.opacity; /* faint where the counts do not support the direction */
  if (state.flow === "lines" && v.lines) {
    const p = raw(v.lines.points), starts = raw(v.lines.starts);
    path(() => {
      for (let k = 0; k + 1 < starts.length; k++) {
        const first = starts[k], end = starts[k + 1], middle = (first + end) >> 1;
        for (let i = first; i < end; i++) {
          const [x, y] = at(p[2 * i], p[2 * i + 1]);
          if (i === first) g.moveTo(x, y); else g.lineTo(x, y);
          if (i === middle && i > first) {
            const [px, py] = at(p[2 * i - 2], p[2 * i - 1]);
            head(g, x, y, x - px, y - py, 6);
            g.moveTo(x, y);
          }
        }
      }
    });
  }
  if (state.flow === "grid" && v.grid) {
    const p = raw(v.grid.positions), a = raw(v.grid.arrows);
    path(() => {
      for (let i = 0; i < p.length; i += 2) {
        const [x, y] = at(p[i], p[i + 1]), [tx, ty] = at(p[i] + a[i], p[i + 1] + a[i + 1]);
        const length = Math.hypot(tx - x, ty - y);
        if (length < 1) continue;
        g.moveTo(x, y); g.lineTo(tx, ty); head(g, tx, ty, tx - x, ty - y, Math.min(6, 0.5 * length));
      }
    });
  }
}
function drawView(v) {
  const [g, w, h, ratio] = prepared(v.canvas), at = toScreen(v, w, h), radius = radiusOf(v, w, h);
  const [x0, y0] = at(0, 0), [x1, y1] = at(1, 1);
  dots(g, v.x.map((q) => x0 + (x1 - x0) * q), v.y.map((q) => y0 + (y1 - y0) * q), radius, ratio);
  flow(g, v, at, w, h);
  g.globalAlpha = 1;
  mark(g, ...at(v.x[state.cell], v.y[state.cell]), radius);
}
const radiusOf = (v, w, h) => Math.max(0.8, Math.min(12, 0.45 * v.spacing * scaleOf(v, w, h))) * state.size;

function ticks(low, high, count) {
  const step = 10 ** Math.floor(Math.log10((high - low) / count || 1)), m = (high - low) / count / step;
  const by = step * (m > 5 ? 10 : m > 2 ? 5 : m > 1 ? 2 : 1), found = [];
  for (let t = Math.ceil(low / by) * by; t <= high + by * 1e-6; t += by) found.push(+t.toPrecision(12));
  return found;
}
function drawPhase() {
  const gene = genes.get(state.gene);
  if (!gene) return;
  const [g, w, h, ratio] = prepared($("phase"));
  const s = geneValues(gene, "spliced"), u = geneValues(gene, "unspliced");
  const courses = gene.courses.map((c) => ({ ...c, s: raw(c.s), u: raw(c.u) }));
  const top = (a, q) => a.reduce((m, v) => (v > m ? v : m), q);
  const xs = 1.03 * courses.filter((c) => !c.straight).reduce((m, c) => top(c.s, m), gene.spliced.high) || 1;
  const us = 1.05 * courses.filter((c) => !c.straight).reduce((m, c) => top(c.u, m), gene.unspliced.high) || 1;
  const left = 46, bottom = 34, right = 8, up = 8;
  const X = (q) => left + ((w - left - right) * q) / xs, Y = (q) => h - bottom - ((h - bottom - up) * q) / us;
  const radius = Math.max(0.9, Math.min(2.6, 60 / Math.sqrt(n))) * state.size;
  const frame = [left, up, w - right, h - bottom].map((q) => Math.round(q * ratio));
  dots(g, s.map(X), u.map(Y), radius, ratio, frame);
  g.save(); g.beginPath(); g.rect(left, up, w - left - right, h - bottom - up); g.clip();
  for (const c of courses) for (const [color, width] of [[css("--halo"), 4.5], [css("--ink"), 1.8]]) {
    g.strokeStyle = color; g.lineWidth = width;
    g.setLineDash(c.straight ? [6, 4] : []);
    g.beginPath(); c.s.forEach((q, i) => (i ? g.lineTo(X(q), Y(c.u[i])) : g.moveTo(X(q), Y(c.u[i])))); g.stroke();
  }
  g.setLineDash([]);
  mark(g, X(s[state.cell]), Y(u[state.cell]), radius);
  g.restore();
  g.strokeStyle = css("--soft"); g.fillStyle = css("--ink"); g.lineWidth = 1;
  g.strokeRect(left, up, w - left - right, h - bottom - up);
  g.font = "11px system-ui, sans-serif"; g.textAlign = "center"; g.textBaseline = "top";
  for (const t of ticks(0, xs, 5)) g.fillText(digits(t), X(t), h - bottom + 3);
  g.textAlign = "right"; g.textBaseline = "middle";
  for (const t of ticks(0, us, 4)) g.fillText(digits(t), left - 4, Y(t));
  g.textAlign = "center"; g.textBaseline = "bottom"; g.fillText("spliced", (left + w - right) / 2, h - 2);
  g.save(); g.translate(10, (up + h - bottom) / 2); g.rotate(-Math.PI / 2); g.textBaseline = "middle";
  g.fillText("unspliced", 0, 0); g.restore();
  $("quality").textContent = gene.quality;
  $("courses").textContent = courses.map((c) => `${c.straight ? "- - -" : "——"} ${c.name}`).join("   ");
  $("phase").setAttribute("aria-label", `Phase portrait of ${gene.name}: unspliced over spliced RNA of ${n} cells. ${gene.quality}`);
}
let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    views.forEach(drawView);
    drawPhase();
  });
}
