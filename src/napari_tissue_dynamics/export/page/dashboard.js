"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const bytes = Uint8Array.from(atob($("arrays").textContent.trim()), (c) => c.charCodeAt(0));
  const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };
  const raw = (a) => new TYPES[a.type](bytes.buffer, a.at, a.n);
  /* Quantised numbers: the largest code is a missing value, the others lie evenly from low to high. */
  const numbers = (a) => {
    const codes = raw(a);
    if (a.type === "f4") return codes;
    const most = (a.type === "u1" ? 255 : 65535) - 1;
    return Float32Array.from(codes, (c) => (c > most ? NaN : a.low + ((a.high - a.low) * c) / most));
  };
  const el = (tag, attributes = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };
  const digits = (v) => (v === null || Number.isNaN(v) ? "–" : v === 0 ? "0" :
    Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3 ? v.toExponential(2) : String(+v.toPrecision(4)));

  const n = data.n_shown, names = data.cells, shade = data.maps, GRAY = [128, 128, 128];
  const state = { color: "", gene: "", flow: "lines", size: 1, cell: -1, hidden: new Set(), sort: null, down: true };
  const views = data.views.map((v) => ({ ...v, x: numbers(v.x), y: numbers(v.y), zoom: 1, cx: 0, cy: 0,
    speed: v.lines ? raw(v.lines.speed) : null }));
  const columns = new Map(data.columns.map((c) => [c.key, c]));
  const genes = new Map(data.genes.map((g) => [g.name, g]));
  const columnValues = (c) => (c.values_ ??= c.codes ? raw(c.codes) : numbers(c.values));
  const geneValues = (g, part) => ((g.cache ??= {})[part] ??= numbers(g[part]));

  /* What the cells are colored by: title, note, values, index of every cell into a table of [red, green, blue]. */
  let shown = null;
  const rgb = (c) => `rgb(${c[0]},${c[1]},${c[2]})`;
  const hex = (c) => [1, 3, 5].map((k) => parseInt(c.slice(k, k + 2), 16));
  const PARTS = { "gene:spliced": "spliced", "gene:unspliced": "unspliced", "gene:velocity": "velocity" };
  function chosen() {
    const part = PARTS[state.color];
    if (part) {
      const g = genes.get(state.gene), values = geneValues(g, part), limit = g.velocity.high;
      return part === "velocity"
        ? { title: `${g.name}, velocity`, values, low: -limit, high: limit, map: "balance", note: "above 0: rising" }
        : { title: `${g.name}, ${part} RNA`, values, low: 0, high: g[part].high, map: "dusk", note: "moments" };
    }
    const c = columns.get(state.color) ?? data.columns[0];
    return { ...c, values: columnValues(c) };
  }
  function recolor() {
    const c = chosen(), index = new Uint16Array(n), visible = new Uint8Array(n).fill(1);
    let table;
    if (c.codes) {
      table = [...c.colors.map(hex), GRAY];
      const none = c.categories.length;
      for (let i = 0; i < n; i++) {
        index[i] = c.values[i] >= none ? none : c.values[i];
        if (state.hidden.has(index[i])) visible[i] = 0;
      }
    } else {
      const map = shade[c.map];
      table = [...map, GRAY];
      const last = map.length - 1, span = c.high - c.low || 1;
      for (let i = 0; i < n; i++) {
        const v = c.values[i];
        index[i] = Number.isNaN(v) ? last + 1 : Math.max(0, Math.min(last, Math.round((last * (v - c.low)) / span)));
      }
    }
    shown = { ...c, index, visible, table };
  }

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

  /* Legend ------------------------------------------------------------------------------------------------------- */
  function legend() {
    const box = $("legend");
    box.replaceChildren(el("h2", { textContent: shown.title }));
    if (shown.codes) {
      const counts = new Uint32Array(shown.table.length);
      for (const k of shown.index) counts[k]++;
      const list = el("div", { id: "entries", role: "group" });
      list.setAttribute("aria-label", "Categories; press to hide or show");
      [...shown.categories, "unassigned"].forEach((name, k) => {
        if (!counts[k]) return;
        const swatch = el("i");
        swatch.style.background = rgb(shown.table[k]);
        const button = el("button", { type: "button", title: "Hide or show these cells; double click shows only them" },
          swatch, el("span", { textContent: name }), el("b", { textContent: counts[k] }));
        button.setAttribute("aria-pressed", String(!state.hidden.has(k)));
        const change = (act) => { act(); recolor(); legend(); draw(); $("entries").querySelectorAll("button")[at].focus(); };
        const at = list.children.length;
        button.addEventListener("click", () => change(() => (state.hidden.has(k) ? state.hidden.delete(k) : state.hidden.add(k))));
        button.addEventListener("dblclick", () => change(() => {
          const others = shown.table.map((_, q) => q).filter((q) => q !== k && counts[q]);
          const alone = others.every((q) => state.hidden.has(q));
          state.hidden = new Set(alone ? [] : others);
        }));
        list.append(button);
      });
      box.append(list);
    } else {
      const bar = el("div", { id: "bar" });
      bar.style.background = `linear-gradient(to right, ${shade[shown.map].filter((_, i) => i % 16 === 0 || i === 255).map(rgb).join(",")})`;
      const ends = el("div", { className: "ends" }, el("span", { textContent: digits(shown.low) }));
      if (shown.map === "balance") ends.append(el("span", { textContent: "0" }));
      ends.append(el("span", { textContent: digits(shown.high) }));
      box.append(bar, ends);
    }
    const gray = !shown.codes && shown.index.includes(shown.table.length - 1) ? "gray: not known" : "";
    const note = [shown.note, gray].filter(Boolean).join("; ");
    if (note) box.append(el("p", { className: "note", textContent: note }));
  }

  /* One cell ------------------------------------------------------------------------------------------------------ */
  const valueOf = (c, i) => {
    const v = columnValues(c)[i];
    return c.codes ? c.categories[v] ?? "unassigned" : digits(v);
  };
  function pick(i) {
    state.cell = i;
    const box = $("cell");
    if (i < 0) {
      box.replaceChildren(el("p", { className: "note", textContent: "Click a cell, or type its name above, to see its values here." }));
    } else {
      const list = el("dl");
      for (const c of data.columns) list.append(el("dt", { textContent: c.title }), el("dd", { textContent: valueOf(c, i) }));
      box.replaceChildren(el("h2", { textContent: names[i] }), list);
    }
    remember(); draw();
  }
  function nearest(v, event) {
    const box = v.canvas.getBoundingClientRect(), w = v.canvas.clientWidth, h = v.canvas.clientHeight;
    const at = toScreen(v, w, h), mx = event.clientX - box.left, my = event.clientY - box.top;
    let best = -1, least = Math.max(8, 2 * radiusOf(v, w, h)) ** 2;
    for (let i = 0; i < n; i++) {
      if (!shown.visible[i]) continue;
      const [x, y] = at(v.x[i], v.y[i]), d = (x - mx) ** 2 + (y - my) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }
  function tip(v, event) {
    const i = event.buttons ? -1 : nearest(v, event), box = $("tip");
    box.hidden = i < 0;
    if (i < 0) return;
    const value = shown.codes ? shown.categories[shown.values[i]] ?? "unassigned" : digits(shown.values[i]);
    box.textContent = `${names[i]} · ${shown.title}: ${value}`;
    box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 4)}px`;
    box.style.top = `${Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 4)}px`;
  }

  /* Moving about in a view ------------------------------------------------------------------------------------------ */
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function zoomed(v, factor, mx, my) {
    const w = v.canvas.clientWidth, h = v.canvas.clientHeight, k = scaleOf(v, w, h), zoom = Math.max(0.5, Math.min(60, v.zoom * factor));
    const dx = ((mx ?? w / 2) - w / 2) / k, dy = ((my ?? h / 2) - h / 2) / k, share = 1 - v.zoom / zoom;
    v.cx += dx * share; v.cy += (v.y_down ? 1 : -1) * dy * share; v.zoom = zoom;
    draw();
  }
  function moved(v, dx, dy) {
    const k = scaleOf(v, v.canvas.clientWidth, v.canvas.clientHeight);
    v.cx += dx / k; v.cy += (v.y_down ? 1 : -1) * (dy / k);
    draw();
  }
  const resetView = (v) => { v.zoom = 1; v.cx = v.x_.x; v.cy = v.x_.y; draw(); };
  for (const v of views) {
    v.canvas = el("canvas", { tabIndex: 0 });
    v.canvas.setAttribute("role", "img");
    v.canvas.setAttribute("aria-label", `${v.title}: ${n} cells. Arrow keys move, plus and minus zoom, 0 shows all.`);
    $("views").append(el("figure", {}, el("figcaption", { textContent: v.title, title: v.note }), v.canvas));
    let from = null, far = 0;
    v.canvas.addEventListener("pointerdown", (e) => { from = [e.clientX, e.clientY]; far = 0; v.canvas.setPointerCapture(e.pointerId); });
    v.canvas.addEventListener("pointermove", (e) => {
      if (from && e.buttons) {
        moved(v, from[0] - e.clientX, from[1] - e.clientY);
        far += Math.abs(from[0] - e.clientX) + Math.abs(from[1] - e.clientY);
        from = [e.clientX, e.clientY];
      }
      tip(v, e);
    });
    v.canvas.addEventListener("pointerup", (e) => { if (from && far < 5) pick(nearest(v, e)); from = null; });
    v.canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
    v.canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const box = v.canvas.getBoundingClientRect();
      zoomed(v, Math.exp(-0.0015 * e.deltaY), e.clientX - box.left, e.clientY - box.top);
    }, { passive: false });
    v.canvas.addEventListener("keydown", (e) => {
      if (KEYS[e.key]) moved(v, 40 * KEYS[e.key][0], 40 * KEYS[e.key][1]);
      else if (e.key === "+" || e.key === "=") zoomed(v, 1.25);
      else if (e.key === "-") zoomed(v, 0.8);
      else if (e.key === "0") resetView(v);
      else if (e.key === "Escape") pick(-1);
      else return;
      e.preventDefault();
    });
  }

  /* Table ----------------------------------------------------------------------------------------------------------- */
  const table = data.table, MOST_ROWS = 300;
  const order = () => {
    const wanted = $("search").value.trim().toLowerCase(), c = table.columns[state.sort ?? 0];
    const rows = table.columns[0].values.map((_, i) => i).filter((i) => table.columns[0].values[i].toLowerCase().includes(wanted));
    if (state.sort === null) return rows;
    const sign = state.down ? -1 : 1;
    return rows.sort((a, b) => {
      const p = c.values[a], q = c.values[b];
      if (p === null || q === null) return (p === null) - (q === null); /* what is not known comes last */
      return sign * (typeof p === "string" ? p.localeCompare(q) : p - q) || a - b;
    });
  };
  function tableHead() {
    $("table").querySelector("thead").replaceChildren(el("tr", {}, ...table.columns.map((c, k) => {
      const arrow = state.sort === k ? (state.down ? " ▼" : " ▲") : "";
      const button = el("button", { type: "button", textContent: c.title + arrow, title: `Sort by ${c.note || c.title}` });
      button.addEventListener("click", () => {
        state.down = state.sort === k ? !state.down : k > 0;
        state.sort = k;
        tableHead(); tableBody();
        $("table").querySelectorAll("th button")[k].focus();
      });
      const th = el("th", { scope: "col" }, button);
      th.setAttribute("aria-sort", state.sort === k ? (state.down ? "descending" : "ascending") : "none");
      return th;
    })));
  }
  function tableBody() {
    const rows = order();
    const text = (v) => (v === null ? "–" : typeof v === "boolean" ? (v ? "yes" : "no") : typeof v === "number" ? digits(v) : v);
    $("table").querySelector("tbody").replaceChildren(...rows.slice(0, MOST_ROWS).map((i) => {
      const name = table.columns[0].values[i], cells = table.columns.map((c) => el("td", { textContent: text(c.values[i]) }));
      if (genes.has(name)) {
        const button = el("button", { type: "button", textContent: name, title: "Show the phase portrait" });
        button.addEventListener("click", () => setGene(name));
        cells[0].replaceChildren(button);
      } else cells[0].title = "Not among the genes whose portraits are on this page";
      const row = el("tr", {}, ...cells);
      row.dataset.gene = name;
      row.setAttribute("aria-selected", String(name === state.gene));
      return row;
    }));
    const more = rows.length > MOST_ROWS ? `, the first ${MOST_ROWS} are listed: search or sort to see others` : "";
    $("count").textContent = `${rows.length} of ${table.columns[0].values.length} genes${more}`;
  }

  /* Controls -------------------------------------------------------------------------------------------------------- */
  function setGene(name) {
    if (!genes.has(name)) return;
    state.gene = name;
    $("gene").value = name;
    for (const row of $("table").querySelectorAll("tbody tr")) row.setAttribute("aria-selected", String(row.dataset.gene === name));
    if (PARTS[state.color]) { recolor(); legend(); }
    remember(); draw();
  }
  function setColor(key) {
    state.color = key;
    state.hidden = new Set();
    $("color").value = key;
    recolor(); legend(); remember(); draw();
    $("status").textContent = `Colored by ${shown.title}`;
  }
  function setTheme(name) { document.documentElement.dataset.theme = name; draw(); }
  /* What is shown stands in the address, so that a view can be kept and passed on. */
  let ready = false;
  function remember() {
    if (!ready) return;
    const said = new URLSearchParams({ color: state.color, gene: state.gene, flow: state.flow });
    if (state.cell >= 0) said.set("cell", names[state.cell]);
    try { history.replaceState(null, "", `#${said}`); } catch { /* some viewers of files allow no change of the address */ }
  }
  const groups = new Map();
  const option = (group, value, text) => {
    if (!groups.has(group)) { groups.set(group, el("optgroup", { label: group })); $("color").append(groups.get(group)); }
    groups.get(group).append(el("option", { value, textContent: text }));
  };
  data.columns.forEach((c) => option(c.group, c.key, c.title));
  if (genes.size) for (const [key, part] of Object.entries(PARTS)) option("Selected gene", key, part === "velocity" ? "velocity" : `${part} RNA`);
  for (const name of genes.keys()) $("genes").append(el("option", { value: name }));
  if (!genes.size) $("portrait").hidden = true;

  $("title").textContent = document.title = data.title;
  $("summary").textContent = data.summary;
  $("foot").textContent = data.foot;
  $("controls").addEventListener("submit", (e) => e.preventDefault());
  $("color").addEventListener("change", (e) => setColor(e.target.value));
  $("flow").addEventListener("change", (e) => { state.flow = e.target.value; remember(); draw(); });
  $("size").addEventListener("input", (e) => { state.size = +e.target.value; draw(); });
  $("reset").addEventListener("click", () => views.forEach(resetView));
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("gene").addEventListener("change", (e) => {
    const typed = e.target.value.trim().toLowerCase();
    const found = [...genes.keys()].find((g) => g.toLowerCase() === typed) ?? [...genes.keys()].find((g) => g.toLowerCase().startsWith(typed));
    if (found) setGene(found); else { e.target.value = state.gene; $("status").textContent = "No such gene on this page"; }
  });
  $("find").addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    const i = names.indexOf(e.target.value.trim());
    e.target.setCustomValidity(i < 0 ? "There is no cell of this name on the page." : "");
    e.target.reportValidity();
    if (i >= 0) pick(i);
  });
  $("find").addEventListener("input", (e) => e.target.setCustomValidity(""));
  $("search").addEventListener("input", tableBody);
  const resized = new ResizeObserver(draw);
  document.querySelectorAll("canvas").forEach((canvas) => resized.observe(canvas));
  addEventListener("resize", draw);

  const said = new URLSearchParams(location.hash.slice(1));
  const start = said.get("color");
  setTheme(said.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  if (["lines", "grid", "none"].includes(said.get("flow"))) $("flow").value = state.flow = said.get("flow");
  state.gene = genes.has(said.get("gene")) ? said.get("gene") : data.genes[0]?.name ?? "";
  setColor(columns.has(start) || (PARTS[start] && genes.size) ? start : data.start);
  tableHead(); tableBody();
  setGene(state.gene);
  pick(names.indexOf(said.get("cell")));
  ready = true;
  document.documentElement.dataset.ready = "yes";
})();
