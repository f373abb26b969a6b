"""Settings of the kinetic velocity models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Interval

Model: TypeAlias = Literal["steady_state", "stochastic", "dynamical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KineticsConfig:
    """Settings of one fit of a kinetic velocity model.

    Numbers that scVelo 0.3.4 has too are the same; :meth:`as_scvelo` also takes its scaling, moments and units.

    Parameters
    ----------
    model
        ``steady_state``: slope of unspliced over spliced RNA in the extreme cells. ``stochastic``: the same from first
        and second moments. ``dynamical``: the induction and repression dynamics of each gene.
    n_neighbors
        Number of neighbors in the graph of similar cells, including the cell itself.
    n_pcs
        Number of principal components used to compute similarity; 0 estimates it from the data.
    min_shared_counts
        Genes with fewer counts in cells with both spliced and unspliced RNA are excluded; 0 keeps all.
    n_top_genes
        Maximum number of highly variable genes to fit.
    depth
        ``separate``: each kind of RNA of a cell is divided by its own total. ``common``: both by one factor, which
        keeps their ratio, for data whose share of unspliced RNA is not a technical effect.
    similarity
        ``roots``: similarity of the square roots of both kinds of RNA, each gene scaled to the same variance.
        ``logarithms``: similarity of the log-transformed spliced RNA.
    moments
        ``smooth``: counts are shrunk towards functions that vary slowly over the graph of cells, each gene according
        to its noise. ``neighbors``: plain means over the neighbors.
    smooth_components
        Number of smooth functions (``moments`` = ``smooth``); 0 estimates it from the data.
    extremes
        Cells that the slope is fitted to, steady-state and stochastic model: those with most of ``both`` kinds of RNA,
        each in units of its largest value, or with most ``spliced`` RNA, which is stationary where it is largest but
        whose noise then lowers the slope.
    quantile
        Share of the cells below the upper extreme; with an offset, as many above the lower one.
    fit_offset
        Fit a line with an intercept, steady-state and stochastic model.
    min_r2
        Genes whose line or curve explains less of the unspliced RNA are not velocity genes.
    min_likelihood
        Genes below this likelihood are not velocity genes, dynamical model.
    max_iter
        Maximum number of expectation-maximization iterations, dynamical model.
    fit_scaling
        Let the scales of unspliced and spliced RNA differ, dynamical model.
    shared_time
        Bring the rates of all genes to one unit, that of the latent time all genes share; else the splicing rate of
        each gene is 1 (steady-state, stochastic) or its time runs to 20 (dynamical).
    n_regimes
        Number of kinetic regimes, groups of cells in which genes have rates of their own; 0 estimates it from the data,
        1 gives all cells the same rates.
    device
        ``cpu`` computes with numpy; ``auto`` and ``cuda`` fit the curves of the dynamical model with torch.
    seed
        Seed of the cells that curves are fitted to.
    """

    model: Model = "dynamical"
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
    min_r2: Annotated[float, Interval(ge=0, le=1)] = 0.01
    min_likelihood: Annotated[float, Interval(ge=0, le=1)] = 0.001
    max_iter: Annotated[int, Interval(ge=1, le=200)] = 10
    fit_scaling: bool = True
    shared_time: bool = True
    n_regimes: Annotated[int, Interval(ge=0, le=64)] = 0
    device: Literal["cpu", "auto", "cuda"] = "cpu"
    seed: Annotated[int, Ge(0)] = 0

    @classmethod
    def as_scvelo(cls, model: Model = "dynamical") -> KineticsConfig:
        """Return the settings under which a model is that of scVelo 0.3.4, with its moments and units."""
        return cls(model=model, similarity="logarithms", moments="neighbors", shared_time=False, n_pcs=30, n_regimes=1)
