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
  } else if (shown.blend) {
    const list = el("div", { id: "entries" });
    shown.categories.forEach((name, k) => {
      const swatch = el("i");
      swatch.style.background = shown.colors[k];
      list.append(el("p", {}, swatch, el("span", { textContent: name })));
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
  const gray = !shown.codes && !shown.blend && shown.index.includes(shown.table.length - 1) ? "gray: not known" : "";
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
    for (const c of data.columns) if (!c.blend) list.append(el("dt", { textContent: c.title }), el("dd", { textContent: valueOf(c, i) }));
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
  const value = shown.blend ? valueOf(columns.get("Fates:most likely fate"), i) : shown.codes ? shown.categories[shown.values[i]] ?? "unassigned" : digits(shown.values[i]);
  box.textContent = `${names[i]} · ${shown.title}: ${value}`;
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 4)}px`;
  box.style.top = `${Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 4)}px`;
}
