"""A page with all results of a velocity, in one file that any browser opens without a network."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.compute import wait_for
from napari_tissue_dynamics.data.io.embeddings import Embedding
from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
from napari_tissue_dynamics.export import page_data
from napari_tissue_dynamics.export.blob import Blob
from napari_tissue_dynamics.layers.colors import color_table
from napari_tissue_dynamics.layers.evidence import called, opacity_of
from napari_tissue_dynamics.progress import Progress, part_of
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.export.config import ExportConfig
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.workflow.results import VelocityResult

DASHBOARD = "velocity_dashboard.html"
STOPPED = "The export was stopped before the page was complete; no page was written."
NEIGHBORS = 30
# Nodes of the grid along the longer side of an embedding: its branches are narrow.
NODES = 40
# Embeddings that places are shown in as they are; others stand beside one that is computed.
GOOD_EMBEDDINGS = ("umap", "tsne", "X_umap", "X_tsne")
# Parts of the script of the page, in this order in one function: each uses what those before it define.
SCRIPTS = ("colors.js", "plots.js", "panels.js", "controls.js")
NAMES = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE"}


def dashboard_steps(
    folder: Path,
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig,
    stop: StopToken | None = None,
    *,
    fates: FateResult | None = None,
    embedding: Embedding | None = None,
) -> Generator[Progress, None, Path]:
    """Write ``velocity_dashboard.html``; parameters as of :func:`.export_steps`.

    The page shows an even random selection where there are more cells than asked for; the flow is that of all cells.
    """
    embedding = yield from part_of(_embedding(tissue, result, config, stop, embedding), 0.0, 0.6)
    arrows = yield from part_of(_arrows_in(embedding, result, stop), 0.6, 0.8)
    return (
        yield from wait_for(
            DASHBOARD,
            lambda: _write(folder / DASHBOARD, tissue, result, config, fates, embedding, arrows),
            0.8,
            stop,
            STOPPED,
        )
    )


def _embedding(
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig,
    stop: StopToken | None,
    given: Embedding | None,
) -> Generator[Progress, None, Embedding]:
    from napari_tissue_dynamics.analysis.cells.embedding import EmbeddingConfig, embedding_steps

    if given is not None:
        return given
    if not tissue.has_tissue and tissue.embedding in GOOD_EMBEDDINGS:
        return Embedding(tissue.embedding.removeprefix("X_"), tissue.positions.astype(np.float32))
    # Of the counts where there are any: then all models of one tissue are shown in the same places.
    counted = tissue.spliced is not None or tissue.expression is not None
    source = tissue if counted else result.field
    return (yield from embedding_steps(source, EmbeddingConfig(seed=config.seed), stop))


def _arrows_in(
    embedding: Embedding, result: VelocityResult, stop: StopToken | None
) -> Generator[Progress, None, NDArray[np.float32]]:
    from napari_tissue_dynamics.analysis.arrows.inputs import ArrowInputs
    from napari_tissue_dynamics.analysis.arrows.projection import arrows_along, project_steps

    places = embedding.coordinates[:, :2].astype(np.float64)
    if result.graph is not None:
        return arrows_along(result.graph, places)
    steps = project_steps(ArrowInputs.of(result.field), places, neighbors="expression", k=NEIGHBORS, stop=stop)
    return (yield from steps).arrows


def _write(
    path: Path,
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig,
    fates: FateResult | None,
    embedding: Embedding,
    arrows: NDArray[np.float32],
) -> Path:
    from napari_tissue_dynamics.data.io.write import replacing

    blob = Blob()
    data = _page(tissue, result, config, fates, _views(tissue, result, embedding, arrows), blob)
    page = _assembled(data, blob)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _views(
    tissue: Tissue, result: VelocityResult, embedding: Embedding, arrows: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Return the arguments of the views: the embedding, and the tissue or the places that stand for it."""
    from napari_tissue_dynamics.analysis.arrows.projection import on_grid

    places = embedding.coordinates[:, :2].astype(np.float64)
    title = NAMES.get(embedding.name, embedding.name)
    views = [
        {
            "title": title,
            "positions": places,
            "grid": on_grid(places, arrows, nodes=NODES),
            "y_down": False,
            "note": embedding.note,
        }
    ]
    if tissue.has_tissue or tissue.embedding.removeprefix("X_") != embedding.name:
        positions, grid = _flat(tissue, result)
        stands_for = tissue.embedding.removeprefix("X_")
        name = "tissue" if tissue.has_tissue else NAMES.get(stands_for, stands_for)
        note = "viewed along z" if tissue.positions.shape[1] == 3 else ""
        views.append({"title": name, "positions": positions, "grid": grid, "y_down": tissue.has_tissue, "note": note})
    return views


def _flat(tissue: Tissue, result: VelocityResult) -> tuple[NDArray[np.float64], GridField]:
    from napari_tissue_dynamics.analysis.arrows.projection import on_grid

    positions = tissue.positions[:, :2]
    return positions, result.grid if tissue.positions.shape[1] == 2 else on_grid(positions, result.arrows[:, :2])


def _page(
    tissue: Tissue,
    result: VelocityResult,
    config: ExportConfig,
    fates: FateResult | None,
    views: list[dict[str, Any]],
    blob: Blob,
) -> dict[str, Any]:
    from napari_tissue_dynamics.workflow.files import described

    cells = _selection(tissue.n_cells, config)
    columns = page_data.columns(page_data.Shown(cells, tissue, result, fates), blob)
    some = f"; a random sample of {len(cells)} is shown" if len(cells) < tissue.n_cells else ""
    model = result.field.model
    preferred = [each["key"] for each in columns if each["key"] == "Velocity:latent time"]
    return {
        "title": f"RNA velocity of {tissue.source}",
        "evidence": direction_in_words(result.evidence),
        "flow": {"opacity": opacity_of(result.evidence), "called": called(result.evidence)},
        "summary": f"{model[:1].upper()}{model[1:]} model, {tissue.n_cells} cells{some}. {described(result)}",
        "foot": f"Made with napari-tissue-dynamics {__version__}. The page loads nothing from the network. "
        "Cells: click one for its values; drag or arrow keys move, wheel or plus and minus zoom, 0 shows all.",
        "n_shown": len(cells),
        "cells": [tissue.cells[i] for i in cells],
        "maps": {name: (color_table(name)[:, :3] * 255).round().astype(int).tolist() for name in ("dusk", "balance")},
        "columns": columns,
        "start": (preferred or [columns[0]["key"]])[0],
        "views": [page_data.view(**each, cells=cells, blob=blob) for each in views],
        "genes": list(page_data.portraits(result.field, cells, config.most_genes, blob)),
        "table": page_data.gene_table(result.field),
    }


def _selection(n_cells: int, config: ExportConfig) -> NDArray[np.intp]:
    if n_cells <= config.most_cells:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(config.seed).choice(n_cells, config.most_cells, replace=False))


def _assembled(data: dict[str, Any], blob: Blob) -> str:
    """Return the page with style, script and data in their places."""
    folder = resources.files("napari_tissue_dynamics.export") / "page"
    filled = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    parts = {
        "/*STYLE*/": (folder / "dashboard.css").read_text(encoding="utf-8"),
        # Names of genes and cells are anybody's: no "<" may end the element that the data stand in.
        "/*DATA*/": filled.replace("<", "\\u003c"),
        "/*ARRAYS*/": blob.text(),
        "/*SCRIPT*/": "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS),
    }
    page = (folder / "dashboard.html").read_text(encoding="utf-8")
    made = []
    for place, text in parts.items():
        before, page = page.split(place)
        made += [before, text]
    return "".join([*made, page])
