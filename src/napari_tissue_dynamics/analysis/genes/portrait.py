"""The phase portrait of one gene: unspliced over spliced RNA of every cell, and the model's fit."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.closed_form import spliced, unspliced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.velocity_field import VelocityField

CURVE = ("fit_alpha", "fit_beta", "fit_gamma", "fit_t_", "fit_scaling")
"""Columns of the gene table that the curve of the dynamical model follows from."""
POINTS = 120
# The phase without transcription is drawn until this share of the slower RNA is left.
LEFT = 0.01
# Windows of cells along latent time over which their course is the mean, and the fewest cells that have a course.
WINDOWS, FEWEST = 60, 40
QUALITIES = {"fit_r2": "R²", "velocity_r2": "R²", "fit_likelihood": "likelihood"}
"""Columns of the gene table with the quality of a gene's fit, and their names."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A line through a phase portrait.

    Parameters
    ----------
    spliced, unspliced
        (points,) float64 places along it, in the unit of the moments.
    expert
        The expert whose cells take it, counted from 0; -1 for a course of all cells.
    """

    name: str
    spliced: NDArray[np.float64]
    unspliced: NDArray[np.float64]
    expert: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class PhasePortrait:
    """One gene in all cells.

    Parameters
    ----------
    spliced, unspliced
        (cells,) float32 moments.
    velocity
        (cells,) float32 change of the spliced RNA.
    curves
        The courses that cells take: fitted (dynamical model), or their mean along latent time (STEER), one of each
        expert because branches go their own ways; none if the model has none.
    steady
        The steady state, where the spliced RNA does not change; None if the rates are not known.
    quality
        How well the gene is fitted, in words.
    """

    gene: str
    model: str
    spliced: NDArray[np.float32]
    unspliced: NDArray[np.float32]
    velocity: NDArray[np.float32]
    curves: tuple[Course, ...]
    steady: Course | None
    quality: str


def portrait_of(field: VelocityField, gene: str) -> PhasePortrait:
    r"""Return the phase portrait of one gene.

    The curve of the dynamical model is the closed form (:mod:`.closed_form`) at the rates of the gene: transcription
    from nothing until the switch, then none. The steady state is the line on which a velocity is zero,

    .. math:: u = o + \gamma s / \beta

    with the offset :math:`o` of the steady-state and the stochastic model; where rates differ between cells (STEER),
    their median over the cells is taken.

    Raises
    ------
    DataError
        If the model has no such gene.
    """
    index = _index(field, gene)
    s, u = field.moments_spliced[:, index], field.moments_unspliced[:, index]
    return PhasePortrait(
        gene=gene,
        model=field.model,
        spliced=s,
        unspliced=u,
        velocity=field.spliced[:, index],
        curves=_fitted(field, index) if _has_curve(field) else _mean_courses(field, s, u),
        steady=_steady(field, index, s),
        quality=_quality(field, index),
    )


def ranked_genes(field: VelocityField) -> tuple[str, ...]:
    """Return the genes of a velocity, those that are fitted best first.

    Velocity genes come before the others, by the share of the cells' variation that curve or line explains times the
    weight of the gene in the arrows, as far as these are known; else by the correlation of both kinds of RNA.
    """
    explained = next((field.gene_table[key] for key in ("fit_r2", "velocity_r2") if key in field.gene_table), None)
    quality = np.ones(len(field.genes))
    if explained is None and field.gene_weight is None:
        quality = _correlation(field)
    for part in (explained, field.gene_weight):
        if part is not None:
            quality = quality * np.clip(np.nan_to_num(np.asarray(part, dtype=np.float64), nan=0.0), 0, None)
    counts = np.ones(len(field.genes), bool) if field.velocity_genes is None else field.velocity_genes
    return tuple(field.genes[i] for i in np.lexsort((-quality, ~counts)))


def _index(field: VelocityField, gene: str) -> int:
    try:
        return field.genes.index(gene)
    except ValueError:
        like = get_close_matches(gene, field.genes, 1, 0.6)
        hint = f"Did you mean {like[0]}?" if like else "Choose one of its genes."
        raise DataError(
            f"{gene!r} is not among the {len(field.genes)} genes of the {field.model} model. {hint}"
        ) from None


def _has_curve(field: VelocityField) -> bool:
    return all(key in field.gene_table for key in CURVE)


def _fitted(field: VelocityField, index: int) -> tuple[Course, ...]:
    """Return the fitted curve of a gene, nothing if it has none."""
    alpha, beta, gamma, switch, scaling = (float(field.gene_table[key][index]) for key in CURVE)
    if not np.isfinite([alpha, beta, gamma, switch, scaling]).all() or min(alpha, beta, gamma, switch, scaling) <= 0:
        return ()
    # As in scVelo: fit_beta is of RNA as it is counted; unspliced RNA over fit_scaling is in the unit of spliced.
    splicing = _loss(field, index) or beta * scaling
    end = -np.log(LEFT) / min(splicing, gamma)
    times = None if field.gene_time is None else field.gene_time[:, index]
    if times is not None and np.isfinite(times).any():
        end = min(end, max(float(np.nanmax(times)) - switch, 0.0))
    rise = np.linspace(0, switch, POINTS)
    top_u, top_s = unspliced(switch, 0, alpha, splicing), spliced(switch, 0, 0, alpha, splicing, gamma)
    fall = end * np.linspace(0, 1, POINTS)[1:] ** 2  # most happens at the beginning
    u = np.concatenate([unspliced(rise, 0, alpha, splicing), unspliced(fall, top_u, 0, splicing)])
    s = np.concatenate([spliced(rise, 0, 0, alpha, splicing, gamma), spliced(fall, top_s, top_u, 0, splicing, gamma)])
    return (Course("fitted curve", s, scaling * u),)


def _loss(field: VelocityField, index: int) -> float:
    """Return the rate at which unspliced RNA is lost on the curve of a gene, 0 if it is not known.

    It is that of the curve itself; ``fit_beta`` is brought to the unit of time that all genes share.
    """
    if field.alpha is None:
        return 0.0
    u = field.moments_unspliced[:, index]
    there = u > 0.1 * u.max(initial=0.0)
    rates = (field.alpha[there, index] - field.unspliced[there, index]) / u[there]
    rate = float(np.median(rates)) if len(rates) else 0.0
    return rate if np.isfinite(rate) and rate > 0 else 0.0


def _mean_courses(field: VelocityField, s: NDArray[np.float32], u: NDArray[np.float32]) -> tuple[Course, ...]:
    """Return the mean of the cells of each expert along latent time, nothing for models that are only a line."""
    if field.time is None or field.alpha is None:
        return ()
    known = np.isfinite(field.time)
    if field.expert is None or len(np.unique(field.expert)) < 2:
        groups = {-1: np.flatnonzero(known)}
    else:
        groups = {int(k): np.flatnonzero(known & (field.expert == k)) for k in np.unique(field.expert)}
    return tuple(
        _mean_course(field.time, s, u, cells, expert) for expert, cells in groups.items() if len(cells) >= FEWEST
    )


def _mean_course(
    time: NDArray[np.float32], s: NDArray[np.float32], u: NDArray[np.float32], cells: NDArray[np.intp], expert: int
) -> Course:
    """Return the running mean of some cells in the order of their time; a window holds a tenth of them."""
    order = cells[np.argsort(time[cells], kind="stable")]
    width = max(1, len(order) // 10)
    starts = np.linspace(0, len(order) - width, WINDOWS).astype(np.intp)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = np.concatenate([[0.0], np.cumsum(values[order], dtype=np.float64)])
        return np.asarray((sums[starts + width] - sums[starts]) / width)

    return Course("mean along latent time" if expert < 0 else f"expert {expert}", mean(s), mean(u), expert)


def _steady(field: VelocityField, index: int, s: NDArray[np.float32]) -> Course | None:
    table: Mapping[str, NDArray[np.floating]] = field.gene_table
    offset = 0.0
    if "velocity_gamma" in table:
        slope = float(table["velocity_gamma"][index])
        offset = float(table["velocity_offset"][index]) if "velocity_offset" in table else 0.0
    elif field.beta is not None and field.gamma is not None:
        beta, gamma = field.beta[:, index], field.gamma[:, index]
        ratio = np.divide(gamma, beta, out=np.full(len(beta), np.nan, dtype=np.float32), where=beta > 0)
        slope = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else np.nan
    elif _has_curve(field):
        slope = float(table["fit_gamma"][index]) / max(float(table["fit_beta"][index]), 1e-30)
    else:
        return None
    if not np.isfinite([slope, offset]).all():
        return None
    ends = np.array([0.0, float(s.max(initial=0.0))])
    return Course("steady state", ends, offset + slope * ends)


def _quality(field: VelocityField, index: int) -> str:
    words = []
    for key, name in QUALITIES.items():
        if key in field.gene_table and np.isfinite(field.gene_table[key][index]):
            words.append(f"{name} {float(field.gene_table[key][index]):.2f}")
    if not words and field.gene_weight is not None:
        words.append(f"weight {float(field.gene_weight[index]):.2f}")
    if field.velocity_genes is not None and not field.velocity_genes[index]:
        words.append("not a velocity gene")
    return ", ".join(words)


def _correlation(field: VelocityField) -> NDArray[np.float64]:
    """Return the correlation of both moments of every gene, (G,), from at most 2000 cells."""
    cells = np.linspace(0, field.n_cells - 1, min(field.n_cells, 2000)).astype(np.intp)
    s, u = (np.asarray(each[cells], np.float64) for each in (field.moments_spliced, field.moments_unspliced))
    s, u = s - s.mean(axis=0), u - u.mean(axis=0)
    size = np.sqrt((s * s).sum(axis=0) * (u * u).sum(axis=0))
    return np.divide((s * u).sum(axis=0), size, out=np.zeros(len(size)), where=size > 0)
