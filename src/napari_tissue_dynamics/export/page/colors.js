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
  return c.blend ? c : { ...c, values: columnValues(c) };
}
/* One color per cell: those of the fates, mixed as light by their probabilities; gray where these are not known. */
function blended(c) {
  const parts = c.blend.map((key) => columnValues(columns.get(key))), light = c.colors.map((q) => hex(q).map((v) => (v / 255) ** 2.2));
  return Array.from({ length: n }, (_, i) => {
    if (parts.some((p) => Number.isNaN(p[i]))) return GRAY;
    return [0, 1, 2].map((k) => Math.round(255 * Math.min(1, parts.reduce((sum, p, f) => sum + p[i] * light[f][k], 0)) ** (1 / 2.2)));
  });
}
function recolor() {
  const c = chosen(), index = new Uint32Array(n), visible = new Uint8Array(n).fill(1);
  let table;
  if (c.blend) {
    table = blended(c);
    index.forEach((_, i) => { index[i] = i; });
  } else if (c.codes) {
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
