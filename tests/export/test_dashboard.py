"""The page holds the numbers of the result, loads nothing, and works in a browser."""

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_tissue_dynamics.export import ExportConfig, export
from napari_tissue_dynamics.export.blob import Blob
from napari_tissue_dynamics.workflow.results import VelocityResult

PAGE = ExportConfig(tables=False, most_genes=7)
DTYPES = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "f4": "<f4"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


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


def test_many_cells_are_thinned_and_the_page_says_so(tmp_path, tissue, result, embedding):
    (path,) = export(tmp_path, tissue, result, replace(PAGE, most_cells=100), embedding=embedding)
    page = Page(path)
    assert page.data["n_shown"] == 100
    assert "100 of them, drawn at random, are shown" in page.data["summary"]
    at = [tissue.cells.index(name) for name in page.data["cells"]]
    time = page.array(page.column("Velocity:latent time")["values"])
    np.testing.assert_allclose(time, result.field.time[at], atol=1e-5)


def test_what_was_not_found_out_is_left_out(tmp_path, tissue, result, embedding):
    bare = VelocityResult(replace(result.field, time=None, gene_time=None), result.arrows, result.grid,
                          result.confidence)  # fmt: skip
    (path,) = export(tmp_path, replace(tissue, cell_types=None), bare, PAGE, embedding=embedding)
    page = Page(path)
    assert [column["title"] for column in page.data["columns"]] == ["confidence", "velocity length"]
    assert page.data["start"] == "Velocity:confidence"


def test_the_page_loads_nothing_and_names_cannot_break_out(page, tissue):
    assert page.data["cells"][3] == tissue.cells[3]
    assert tissue.cells[3] not in page.text
    assert not re.findall(r"""(?:src|href)\s*=|https?:|@import|url\(""", page.text.replace(page._element("arrays"), ""))


DRIVER = Path(__file__).with_name("page_driver.js").read_text(encoding="utf-8")


@pytest.fixture
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome on this machine")
    return found


def started(browser, profile, *options):
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    call = [browser, "--headless=new", "--disable-gpu", *root, f"--user-data-dir={profile}",
            "--window-size=1280,900", "--virtual-time-budget=6000", *options]  # fmt: skip
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.browser
def test_the_page_works_in_a_browser(page, browser, tmp_path, tissue):
    import html

    wanted = page.data["genes"][4]["name"]
    driver = DRIVER.replace("NAME", json.dumps(tissue.cells[7])).replace("GENE", json.dumps(wanted))
    driven = tmp_path / "driven.html"
    driven.write_text(page.text.replace("</body>", f"<script>{driver}</script></body>"), encoding="utf-8")
    dom = started(browser, tmp_path / "profile", "--dump-dom", driven.as_uri() + "#theme=light")
    found = re.search(r'<pre id="said">(.*?)</pre>', dom, re.DOTALL)
    assert found, re.search(r"<title>(.*?)</title>", dom).group(1)
    said = json.loads(html.unescape(found.group(1)))
    assert all(colors > 60 for colors in said["first"])  # both views and the portrait show many colors
    assert said["legend"].startswith("latent time")
    assert said["entries"] == ["progenitor", *(f"end {k}" for k in range(1, 5))]
    assert said["pressed"] == "false"
    assert said["zoomed"]
    assert said["cell"] == tissue.cells[7]
    assert said["selected"] == wanted
    legend, colors, changed = said["blended"]
    assert legend.startswith("fates, blended" + "".join(f"end {k}" for k in range(1, 5)))
    assert changed
    assert colors > 20
    assert said["velocity"].startswith(f"{wanted}, velocity")
    assert said["sorted"] == sorted(said["sorted"], reverse=True)
    assert said["found"]
    assert all("gene_000" in gene for gene in said["found"])
    assert said["theme"]
    assert f"gene={wanted}" in said["hash"]
    assert said["unnamed"] == 0
    assert said["wide"] <= 0
