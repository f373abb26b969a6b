"""Settings of the clock, which the settings of every model that uses it contain."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from annotated_types import Ge, Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockConfig:
    """Settings of the moments, the shared time and the kinetic regimes; see :class:`.KineticsConfig`.

    Parameters
    ----------
    n_neighbors
        Number of neighbors in the graph of similar cells, including the cell itself.
    n_pcs, smooth_components
        Number of principal components and of smooth functions; 0 estimates them from the data.
    min_shared_counts, n_top_genes
        Genes with fewer counts are excluded; maximum number of highly variable genes.
    depth, similarity, moments
        How counts are normalized, compared and smoothed.
    extremes, quantile, fit_offset
        Cells that the line through a phase portrait is fitted to, and whether it has an intercept.
    n_regimes
        Number of kinetic regimes; 0 estimates it from the data.
    seed
        Random seed.
    """

    n_neighbors: Annotated[int, Interval(ge=3, le=500)] = 30
    n_pcs: Annotated[int, Interval(ge=0, le=200)] = 0
    min_shared_counts: Annotated[int, Ge(0)] = 20
    n_top_genes: Annotated[int, Interval(ge=2, le=50000)] = 2000
    depth: Literal["separate", "common"] = "separate"
    similarity: Literal["roots", "logarithms"] = "roots"
    moments: Literal["smooth", "neighbors"] = "smooth"
    smooth_components: Annotated[int, Interval(ge=0, le=200)] = 0
    extremes: Literal["both", "spliced"] = "both"
    quantile: Annotated[float, Interval(ge=0.5, lt=1)] = 0.95
    fit_offset: bool = False
    n_regimes: Annotated[int, Interval(ge=0, le=64)] = 0
    seed: Annotated[int, Ge(0)] = 0

    @classmethod
    def of(cls, settings: Any) -> ClockConfig:
        """Take the settings of the same names from those of a model."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})
