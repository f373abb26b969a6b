"""The page holds the numbers of the result, loads nothing, and works in a browser."""

import asyncio
import base64
import json
import re
import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows.projection import on_grid
from napari_tissue_dynamics.data.velocity_evidence import VelocityEvidence
from napari_tissue_dynamics.errors import FitError
from napari_tissue_dynamics.export import ExportConfig, export, export_steps
from napari_tissue_dynamics.export.blob import Blob
from napari_tissue_dynamics.layers.evidence import FAINT
from napari_tissue_dynamics.progress import run_to_end
from napari_tissue_dynamics.workflow.results import VelocityResult

PAGE = ExportConfig(tables=False, most_genes=7)
DTYPES = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "f4": "<f4"}


class Page:
    """A page as a browser would take it apart."""

    def __init__(self, path):
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self.data = json.loads(self._element("data"))
        self.bytes = base64.b64decode(self._element("arrays"))

    def _element(self, name):
        return re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', self.text, re.DOTALL).group(1)

    def array(self, place):
        values = np.frombuffer(self.bytes, DTYPES[place["type"]], place["n"], place["at"])
        if "low" not in place:
            return values
        most = np.iinfo(values.dtype).max
        numbers = place["low"] + (place["high"] - place["low"]) * values / (most - 1)
        return np.where(values == most, np.nan, numbers)

    def column(self, key):
        return next(column for column in self.data["columns"] if column["key"] == key)


@pytest.fixture(scope="module")
def page(tmp_path_factory, tissue, result, fates, embedding):
    folder = tmp_path_factory.mktemp("page")
    (path,) = export(folder, tissue, result, PAGE, fates=fates, embedding=embedding)
    assert [each.name for each in folder.iterdir()] == ["velocity_dashboard.html"]
    return Page(path)


def test_numbers_are_kept_to_half_a_step(rng):
    values = rng.normal(size=501)
    values[[3, 77]] = np.nan
    for kind, steps in (("u2", 65534), ("u1", 254)):
        blob = Blob()
        blob.add(np.arange(3), "u1")  # what follows must be aligned
        place = blob.quantised(values, kind)
        assert place["at"] % 4 == 0
        codes = np.frombuffer(base64.b64decode(blob.text()), DTYPES[kind], place["n"], place["at"])
        found = np.where(codes == steps + 1, np.nan, place["low"] + (place["high"] - place["low"]) * codes / steps)
        np.testing.assert_allclose(found, values, atol=np.nanmax(values) - np.nanmin(values), equal_nan=True)
        assert np.nanmax(np.abs(found - values)) <= 0.5001 * np.ptp(values[np.isfinite(values)]) / steps


def test_columns_hold_the_results(page, tissue, result, fates):
    np.testing.assert_allclose(page.array(page.column("Velocity:latent time")["values"]), result.field.time, atol=1e-5)
    np.testing.assert_allclose(page.array(page.column("Velocity:confidence")["values"]), result.confidence, atol=1e-4)
    kinds = page.column("Cells:state")
    np.testing.assert_array_equal(page.array(kinds["codes"]), tissue.cell_types.codes)
    assert kinds["colors"] == [color[:7] for color in tissue.cell_types.colors]
    for k, name in enumerate(fates.names):
        found = page.array(page.column(f"Fates:fate {name}")["values"])
        np.testing.assert_allclose(found, fates.probabilities[:, k], atol=1e-5)
    likely = page.array(page.column("Fates:most likely fate")["codes"])
    assert likely[5] == len(fates.names)  # not known


def test_a_page_of_all_cells_says_nothing_of_a_sample(page, tissue):
    assert page.data["n_shown"] == tissue.n_cells
    assert page.data["cells"] == list(tissue.cells)
    assert f"{tissue.n_cells} cells. " in page.data["summary"]
    assert "random sample" not in page.data["summary"]
    assert page.data["start"] == "Velocity:latent time"


def test_views_hold_places_and_a_flow_among_the_cells(page, tissue, embedding):
    umap, place = page.data["views"]
    assert (umap["title"], place["title"]) == ("UMAP", "tissue")
    assert (umap["y_down"], place["y_down"]) == (False, True)
    np.testing.assert_allclose(page.array(umap["x"]), embedding.coordinates[:, 0], atol=1e-3)
    np.testing.assert_allclose(page.array(place["y"]), tissue.positions[:, 1], atol=1e-3)
    for view in (umap, place):
        starts, points = page.array(view["lines"]["starts"]), page.array(view["lines"]["points"])
        assert starts[-1] * 2 == len(points)
        x = page.array(view["x"])
        assert x.min() - view["spacing"] * 20 < points[::2].min() < points[::2].max() < x.max() + view["spacing"] * 20


def test_portraits_are_those_of_the_best_genes(page, result):
    assert len(page.data["genes"]) == 7
    for gene in page.data["genes"]:
        at = result.field.genes.index(gene["name"])
        spliced = result.field.moments_spliced[:, at]
        np.testing.assert_allclose(page.array(gene["spliced"]), spliced, atol=1e-4 * spliced.max())
        assert {course["name"] for course in gene["courses"]} == {"fitted curve", "steady state"}
    kinetics = {column["title"]: column["values"] for column in page.data["table"]["columns"]}
    assert kinetics["gene"] == list(result.field.genes)
    np.testing.assert_allclose(kinetics["gamma"], result.field.gene_table["fit_gamma"], rtol=1e-3)


def test_the_first_line_says_whether_the_counts_support_the_flow(page, tmp_path, tissue, result, embedding):
    assert page.data["evidence"] == result.evidence.sentence
    assert page.data["flow"] == {"opacity": 1.0, "called": "direction supported"}
    assert result.evidence.sentence not in page.data["summary"]
    noise = VelocityEvidence("none", 0.4, 1.0, samples={"</script><b>day 3": "weak"})
    without = replace(result, field=replace(result.field, evidence=noise), confidence=None)
    (path,) = export(tmp_path, tissue, without, PAGE, embedding=embedding)
    found = Page(path)
    assert found.data["evidence"] == noise.sentence
    assert "</script><b>day 3" not in found.text, "names are data, not markup"
    assert found.data["flow"] == {"opacity": FAINT, "called": "direction not supported"}
    assert not [column for column in found.data["columns"] if column["title"] == "confidence"]


def test_many_cells_are_thinned_and_the_page_says_so(tmp_path, tissue, result, embedding):
    (path,) = export(tmp_path, tissue, result, replace(PAGE, most_cells=100), embedding=embedding)
    page = Page(path)
    assert page.data["n_shown"] == 100
    assert "a random sample of 100 is shown" in page.data["summary"]
    at = [tissue.cells.index(name) for name in page.data["cells"]]
    time = page.array(page.column("Velocity:latent time")["values"])
    np.testing.assert_allclose(time, result.field.time[at], atol=1e-5)


def test_a_tissue_in_space_is_seen_along_z(tmp_path, tissue, result, embedding, rng):
    deep = replace(tissue, positions=np.column_stack([tissue.positions, rng.uniform(0, 9, tissue.n_cells)]))
    arrows = np.column_stack([result.arrows, rng.normal(size=tissue.n_cells)]).astype(np.float32)
    in_space = replace(result, arrows=arrows, grid=on_grid(deep.positions, arrows, nodes=8))
    (path,) = export(tmp_path, deep, in_space, PAGE, embedding=embedding)
    view = Page(path).data["views"][1]
    assert view["note"] == "viewed along z"
    expected = on_grid(tissue.positions, result.arrows)
    np.testing.assert_allclose(Page(path).array(view["grid"]["positions"]), expected.positions.ravel())
    np.testing.assert_allclose(Page(path).array(view["grid"]["arrows"]), expected.arrows.ravel(), atol=1e-6)


def test_an_embedding_that_the_places_are_already_is_shown_once(tmp_path, tissue, result):
    (path,) = export(tmp_path, replace(tissue, unit="embedding", embedding="umap"), result, PAGE)
    (view,) = Page(path).data["views"]
    assert view["title"] == "UMAP"
    np.testing.assert_allclose(Page(path).array(view["x"]), tissue.positions[:, 0], atol=1e-3)


def test_a_stopped_export_leaves_the_old_page(tmp_path, tissue, result, embedding):
    old = tmp_path / "velocity_dashboard.html"
    old.write_text("the page of yesterday")
    stop = threading.Event()
    steps = export_steps(tmp_path, tissue, result, PAGE, stop, embedding=embedding)
    next(steps)
    stop.set()
    with pytest.raises(FitError, match="stopped"):
        run_to_end(steps)
    assert old.read_text() == "the page of yesterday"


def test_what_was_not_found_out_is_left_out(tmp_path, tissue, result, embedding):
    bare = VelocityResult(replace(result.field, time=None, gene_time=None), result.arrows, result.grid,
                          result.neighbor_correlation)  # fmt: skip
    (path,) = export(tmp_path, replace(tissue, cell_types=None), bare, PAGE, embedding=embedding)
    page = Page(path)
    assert [column["title"] for column in page.data["columns"]] == ["velocity length"]
    assert page.data["start"] == "Velocity:velocity length"


def test_the_page_loads_nothing_and_names_cannot_break_out(page, tissue):
    assert page.data["cells"][3] == tissue.cells[3]
    assert tissue.cells[3] not in page.text
    assert not re.findall(r"""(?:src|href)\s*=|https?:|@import|url\(""", page.text.replace(page._element("arrays"), ""))


INK = """(c => { const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < p.length; i += 4) seen.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]); return seen.size; })"""
"""Number of colors in a canvas."""


@pytest.mark.browser
def test_the_page_works_in_a_browser(page, opened, tissue):
    asyncio.run(_use(page, opened, tissue))


async def _use(page, opened, tissue):
    async with opened(page.path.as_uri() + "#theme=light") as chromium:
        await chromium.until("document.documentElement?.dataset.ready === 'yes'")
        await _look(chromium, page)
        await _type(chromium, page, tissue)
        await _sort(chromium)
        await _resize(chromium)


async def _look(chromium, page):
    """Colors, legend and hidden categories."""
    for canvas in range(3):  # both views and the portrait show many colors
        await chromium.until(f"{INK}(document.querySelectorAll('canvas')[{canvas}]) > 60")
    legend = "document.getElementById('legend').textContent"
    assert (await chromium.value(legend)).startswith("latent time")
    image = "document.querySelectorAll('#views canvas')[1].toDataURL()"

    async def color_by(key):
        before = await chromium.value(image)
        await chromium.value(f"c = document.getElementById('color'); c.value = {json.dumps(key)};"
                             " c.dispatchEvent(new Event('change'))")  # fmt: skip
        await chromium.until(f"{image} !== {json.dumps(before)}")

    await color_by("Fates:fates, blended")
    assert (await chromium.value(legend)).startswith("fates, blendedend 1end 2end 3end 4")
    await color_by("gene:velocity")
    assert (await chromium.value(legend)).startswith(f"{page.data['genes'][0]['name']}, velocity")
    await color_by("Cells:state")
    names = await chromium.value("[...document.querySelectorAll('#entries span')].map(e => e.textContent)")
    assert names == ["progenitor", *(f"end {k}" for k in range(1, 5))]
    before = await chromium.value(image)
    first = "document.querySelector('#entries button')"
    await chromium.click(first)
    assert await chromium.value(f"{first}.getAttribute('aria-pressed')") == "false"
    await chromium.until(f"{image} !== {json.dumps(before)}")


async def _type(chromium, page, tissue):
    """A view by keys, a cell by its name, a gene by its name."""
    await chromium.value("document.querySelector('#views canvas').focus()")
    image = "document.querySelector('#views canvas').toDataURL()"
    for key in ("+", "ArrowLeft", "0"):
        before = await chromium.value(image)
        await chromium.press(key)
        await chromium.until(f"{image} !== {json.dumps(before)}")
    await chromium.value("document.getElementById('find').focus()")
    await chromium.write(tissue.cells[7])
    await chromium.press("Enter")
    await chromium.until(f"document.querySelector('#cell h2')?.textContent === {json.dumps(tissue.cells[7])}")
    wanted = page.data["genes"][4]["name"]
    await chromium.value("g = document.getElementById('gene'); g.focus(); g.select()")
    await chromium.write(wanted)
    await chromium.value("document.getElementById('search').focus()")
    selected = "document.querySelector('tr[aria-selected=true]')?.dataset.gene"
    await chromium.until(f"{selected} === {json.dumps(wanted)}")
    assert f"gene={wanted}" in await chromium.value("location.hash")


async def _sort(chromium):
    """The table, sorted and searched."""
    await chromium.click("[...document.querySelectorAll('th button')].find(b => b.textContent === 'gamma')")
    await chromium.until("document.querySelector('th[aria-sort=descending]')?.textContent === 'gamma ▼'")
    values = "[...document.querySelectorAll('tbody tr')].map(r => +r.children[3].textContent)"
    gamma = await chromium.value(values)
    assert len(gamma) > 10
    assert gamma == sorted(gamma, reverse=True)
    await chromium.value("document.getElementById('search').focus()")
    await chromium.write("gene_001")
    shown = "[...document.querySelectorAll('tbody tr')].map(r => r.dataset.gene)"
    await chromium.until(f"{shown}.length > 0 && {shown}.every(g => g.includes('gene_001'))")


async def _resize(chromium):
    """Theme and width; every control has a name."""
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await chromium.value(ground)
    await chromium.click("document.getElementById('theme')")
    await chromium.until(f"{ground} !== {json.dumps(light)}")
    unnamed = "[...document.querySelectorAll('button, select, input, canvas')].filter(e =>"
    unnamed += " !(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label'))).length"
    assert await chromium.value(unnamed) == 0
    await chromium.take_width(500)
    stretched = "[...document.querySelectorAll('canvas')].some(c =>"
    stretched += " Math.abs(c.width / devicePixelRatio - c.clientWidth) > 1)"
    await chromium.until(f"!{stretched}")
    assert await chromium.value("document.documentElement.scrollWidth") <= 500
