/* Uses the page as a person would and notes what it shows; NAME and GENE are a cell and a gene. */
addEventListener("error", (e) => { document.title = "ERROR " + e.message; });
addEventListener("load", () => setTimeout(() => {
  const $ = (id) => document.getElementById(id), said = {};
  const key = (el, k) => { el.focus(); el.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true })); };
  const inked = (c) => { const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
    for (let i = 0; i < p.length; i += 4) seen.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]); return seen.size; };
  const frame = () => new Promise((r) => setTimeout(r, 120));
  (async () => {
    const [umap] = document.querySelectorAll("#views canvas");
    said.first = [...document.querySelectorAll("canvas")].map(inked);
    said.legend = $("legend").textContent;
    $("color").value = "Cells:state"; $("color").dispatchEvent(new Event("change"));
    said.entries = [...document.querySelectorAll("#entries button span")].map((e) => e.textContent);
    document.querySelector("#entries button").click();
    said.pressed = document.querySelector("#entries button").getAttribute("aria-pressed");
    const before = umap.toDataURL(); key(umap, "+"); await frame(); said.zoomed = umap.toDataURL() !== before;
    key(umap, "0");
    $("find").value = NAME; key($("find"), "Enter"); said.cell = $("cell").querySelector("h2").textContent;
    $("gene").value = GENE; $("gene").dispatchEvent(new Event("change"));
    said.selected = document.querySelector("tr[aria-selected=true]").dataset.gene;
    const image = document.querySelectorAll("#views canvas")[1], unblended = image.toDataURL();
    $("color").value = "Fates:fates, blended"; $("color").dispatchEvent(new Event("change")); await frame();
    said.blended = [$("legend").textContent, inked(image), image.toDataURL() !== unblended];
    $("color").value = "gene:velocity"; $("color").dispatchEvent(new Event("change")); said.velocity = $("legend").textContent;
    const gamma = [...document.querySelectorAll("th button")].find((b) => b.textContent === "gamma"); gamma.click();
    const column = [...document.querySelectorAll("th")].findIndex((t) => t.getAttribute("aria-sort") === "descending");
    said.sorted = [...document.querySelectorAll("tbody tr")].map((r) => +r.children[column].textContent);
    $("search").value = "gene_000"; $("search").dispatchEvent(new Event("input"));
    said.found = [...document.querySelectorAll("tbody tr")].map((r) => r.dataset.gene);
    const light = getComputedStyle(document.body).backgroundColor; $("theme").click(); await frame();
    said.theme = getComputedStyle(document.body).backgroundColor !== light;
    said.hash = location.hash;
    said.unnamed = [...document.querySelectorAll("button, select, input, canvas")].filter((e) =>
      !(e.textContent.trim() || e.getAttribute("aria-label") || e.closest("label"))).length;
    said.wide = document.documentElement.scrollWidth - innerWidth;
    document.body.append(Object.assign(document.createElement("pre"), { id: "said", textContent: JSON.stringify(said) }));
  })();
}, 300));
