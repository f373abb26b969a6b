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
  const params = new URLSearchParams({ color: state.color, gene: state.gene, flow: state.flow });
  if (state.cell >= 0) params.set("cell", names[state.cell]);
  try { history.replaceState(null, "", `#${params}`); } catch { /* some viewers of files allow no change of the address */ }
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
$("evidence").textContent = data.evidence;
$("called").textContent = data.flow.called;
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

const params = new URLSearchParams(location.hash.slice(1));
const start = params.get("color");
setTheme(params.get("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
if (["lines", "grid", "none"].includes(params.get("flow"))) $("flow").value = state.flow = params.get("flow");
state.gene = genes.has(params.get("gene")) ? params.get("gene") : data.genes[0]?.name ?? "";
setColor(columns.has(start) || (PARTS[start] && genes.size) ? start : data.start);
tableHead(); tableBody();
setGene(state.gene);
pick(names.indexOf(params.get("cell")));
ready = true;
document.documentElement.dataset.ready = "yes";
