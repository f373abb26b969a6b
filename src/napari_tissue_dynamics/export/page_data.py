"""What the page of a velocity shows, as columns, views, portraits and a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.layers.colors import ColorScale, category_colors, sequential_scale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_tissue_dynamics.analysis.arrows.projection import GridField
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.export.blob import Blob
    from napari_tissue_dynamics.workflow.results import VelocityResult

# Bytes that portraits may take, and genes that are shown however many cells there are.
PORTRAIT_BYTES = 8_000_000
FEWEST_GENES = 20
# Bytes of one cell in one portrait.
CELL_BYTES = 5
MOST_EXPERTS, MOST_FATES = 24, 24
CONFIDENCE = "cosine with the mean arrow of the nearest cells: 1 the same direction, -1 the opposite one"
TITLES = {
    "velocity_gene": ("counts", "whether the gene is a velocity gene"),
    "weight": ("weight", "weight of the gene in the arrows"),
    "velocity_gamma": ("slope", "unspliced over spliced RNA at the steady state"),
    "velocity_offset": ("offset", "unspliced RNA without spliced RNA (intercept)"),
    "velocity_r2": ("R²", "share of the unspliced RNA that the line explains"),
    "fit_t_": ("switch time", "when transcription ends"),
    "fit_scaling": ("scaling", "unspliced RNA per unit of the curve"),
    "fit_likelihood": ("likelihood", "likelihood of the cells on the curve"),
    "fit_r2": ("R²", "share of the unspliced RNA that the curve explains"),
    "fit_agreement": ("agreement", "share of the steps along latent time that the rates explain"),
    "fit_std_u": ("SD unspliced", "spread of the unspliced RNA"),
    "fit_std_s": ("SD spliced", "spread of the spliced RNA"),
    "alpha": ("alpha", "rate of transcription"),
    "beta": ("beta", "rate of splicing"),
    "gamma": ("gamma", "rate of degradation"),
}
"""Titles of the columns of the table, and what they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The cells that a page shows.

    Parameters
    ----------
    cells
        (shown,) their indices.
    """

    cells: NDArray[np.intp]
    tissue: Tissue
    result: VelocityResult
    fates: FateResult | None = None


def columns(shown: Shown, blob: Blob) -> list[dict[str, Any]]:
    """Return everything cells can be colored by."""
    found = [*_of_cells(shown), *_of_velocity(shown), *_of_fates(shown), *_of_experts(shown)]
    return [{"key": f"{each['group']}:{each['title']}", **_stored(each, shown.cells, blob)} for each in found]


def _of_cells(shown: Shown) -> Iterator[dict[str, Any]]:
    if shown.tissue.cell_types is not None:
        yield {"group": "Cells", "title": shown.tissue.cell_types.name, "labels": shown.tissue.cell_types}


def _of_velocity(shown: Shown) -> Iterator[dict[str, Any]]:
    field, result, group = shown.result.field, shown.result, "Velocity"
    unit = ColorScale(0.0, 1.0)
    if field.time is not None:
        note = "0 is the earliest cell, 1 the latest"
        yield {"group": group, "title": "latent time", "values": field.time, "scale": unit, "note": note}
    if result.confidence is not None:
        note, cosine = CONFIDENCE, ColorScale(-1.0, 1.0)
        yield {"group": group, "title": "confidence", "values": result.confidence, "scale": cosine, "note": note}
    note = "length of the velocity over genes in units of their largest moment"
    yield {"group": group, "title": "velocity length", "values": velocity_length(field), "note": note}


def _of_fates(shown: Shown) -> Iterator[dict[str, Any]]:
    if shown.fates is None:
        return
    names, probability, colors = shown.fates.names, shown.fates.probabilities, shown.fates.terminal.colors
    likely = Labels("fate", shown.fates.fate, names, colors)
    note = "unassigned cells reach no terminal state"
    yield {"group": "Fates", "title": "most likely fate", "labels": likely, "note": note}
    note = "1 = one fate is certain, 0 = all fates are equally likely"
    sure, scale = shown.fates.certainty, ColorScale(0.0, 1.0)
    yield {"group": "Fates", "title": "confidence of fate", "values": sure, "scale": scale, "note": note}
    yield {"group": "Fates", "title": "terminal state", "labels": shown.fates.terminal, "note": "cells taken for one"}
    yield {"group": "Fates", "title": "fates, blended", "blend": likely, "note": "colors mixed by the probabilities"}
    for k, name in enumerate(names[:MOST_FATES]):
        note = f"probability to end as {name}"
        yield {"group": "Fates", "title": f"fate {name}", "values": probability[:, k], "scale": scale, "note": note}


def _of_experts(shown: Shown) -> Iterator[dict[str, Any]]:
    weights, expert = shown.result.field.expert_probability, shown.result.field.expert
    if weights is None or expert is None:
        return
    names = tuple(f"expert {k}" for k in range(weights.shape[1]))
    yield {"group": "Experts", "title": "expert", "labels": Labels("expert", expert, names)}
    for k, name in enumerate(names[:MOST_EXPERTS]):
        yield {"group": "Experts", "title": f"weight of {name}", "values": weights[:, k], "scale": ColorScale(0.0, 1.0)}


def _stored(column: dict[str, Any], cells: NDArray[np.intp], blob: Blob) -> dict[str, Any]:
    about = {"group": column["group"], "title": column["title"], "note": column.get("note", "")}
    if "blend" in column:
        kinds: Labels = column["blend"]
        colors = category_colors(kinds.categories, kinds.colors)
        keys = [f"Fates:fate {name}" for name in kinds.categories[:MOST_FATES]]
        return {
            **about,
            "blend": keys,
            "categories": list(kinds.categories),
            "colors": [colors[n][:7] for n in kinds.categories],
        }
    if "labels" in column:
        labels: Labels = column["labels"]
        colors = category_colors(labels.categories, labels.colors)
        missing = len(labels.categories)
        codes = np.where(labels.codes < 0, missing, labels.codes)[cells]
        return {
            **about,
            "categories": list(labels.categories),
            "colors": [colors[name][:7] for name in labels.categories],
            "codes": blob.add(codes, "u2"),
        }
    values = np.asarray(column["values"])[cells]
    scale: ColorScale = column.get("scale") or sequential_scale(values)
    return {
        **about,
        "low": scale.low,
        "high": scale.high,
        "map": scale.colormap,
        "values": blob.quantised(values),
    }


def velocity_length(field: VelocityField) -> NDArray[np.float32]:
    """Return the length of every velocity, (cells,), over the genes that count, each in units of its largest moment."""
    largest = field.moments_spliced.max(axis=0)
    counts = np.isfinite(field.spliced.sum(axis=0, dtype=np.float64)) & (largest > np.finfo(np.float32).tiny)
    if field.velocity_genes is not None:
        counts &= field.velocity_genes
    genes = np.flatnonzero(counts)
    total = np.zeros(field.n_cells)
    for gene in genes:  # a column at a time: no second matrix of cells x genes
        total += (field.spliced[:, gene] / largest[gene]).astype(np.float64) ** 2
    return np.sqrt(total).astype(np.float32)


def view(
    title: str,
    positions: NDArray[np.floating[Any]],
    grid: GridField,
    cells: NDArray[np.intp],
    blob: Blob,
    *,
    y_down: bool,
    note: str = "",
) -> dict[str, Any]:
    """Return cells in a plane with the flow over them."""
    from napari_tissue_dynamics.analysis.arrows.projection import cell_spacing
    from napari_tissue_dynamics.analysis.arrows.streamlines import streamlines

    lines = streamlines(grid, seeds=positions[cells])
    return {
        "title": title,
        "note": note,
        "y_down": y_down,
        "spacing": cell_spacing(np.asarray(positions[cells], dtype=np.float64)),
        "x": blob.quantised(positions[cells, 0]),
        "y": blob.quantised(positions[cells, 1]),
        "grid": {"positions": blob.add(grid.positions, "f4"), "arrows": blob.add(grid.arrows, "f4")},
        "lines": {
            "points": blob.add(lines.points, "f4"),
            "starts": blob.add(lines.starts, "u4"),
            "speed": blob.add(lines.speed, "f4"),
        },
    }


def portraits(field: VelocityField, cells: NDArray[np.intp], most: int, blob: Blob) -> Iterator[dict[str, Any]]:
    """Yield the phase portraits of the best fitted genes, as many as there is room for."""
    from napari_tissue_dynamics.analysis.genes.portrait import portrait_of, ranked_genes

    room = max(FEWEST_GENES, PORTRAIT_BYTES // (CELL_BYTES * max(1, len(cells))))
    for gene in ranked_genes(field)[: min(most, room)]:
        portrait = portrait_of(field, gene)
        velocity = np.asarray(portrait.velocity[cells], dtype=np.float64)
        limit = float(np.nanquantile(np.abs(velocity), 0.99)) if np.isfinite(velocity).any() else 1.0
        limit = limit or 1.0
        courses = [*((curve, False) for curve in portrait.curves), (portrait.steady, True)]
        yield {
            "name": gene,
            "quality": portrait.quality,
            "spliced": blob.quantised(portrait.spliced[cells], low=0.0),
            "unspliced": blob.quantised(portrait.unspliced[cells], low=0.0),
            "velocity": blob.quantised(velocity, "u1", low=-limit, high=limit),
            "courses": [
                {
                    "name": course.name,
                    "straight": straight,
                    "s": blob.add(course.spliced, "f4"),
                    "u": blob.add(course.unspliced, "f4"),
                }
                for course, straight in courses
                if course is not None
            ],
        }


def gene_table(field: VelocityField) -> dict[str, Any]:
    """Return the table of the kinetics, four digits."""
    from napari_tissue_dynamics.analysis.genes.gene_rates import gene_columns

    made = []
    for name, values in gene_columns(field).items():
        title, note = TITLES.get(name, (name, name))
        made.append({"title": title, "note": note, "values": [_plain(value) for value in values.tolist()]})
    return {"columns": made}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}") if np.isfinite(value) else None
    return value
