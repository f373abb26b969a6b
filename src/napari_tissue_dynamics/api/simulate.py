"""Simulated tissues of which everything is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from anndata import AnnData


def simulate(
    n_cells: int = 1500,
    n_genes: int = 150,
    seed: int = 0,
    *,
    kind: Literal["two_arms", "bilinear", "multiradial", "branching", "telegraph"] = "two_arms",
    kinetics: Literal["friendly", "mixed"] | None = None,
    noise: Literal["published", "real", "none"] | None = None,
    states: int | None = None,
    branch_points: int | None = None,
    **settings: Any,
) -> AnnData:
    """Simulate cells whose velocity, time and regulation are known.

    Parameters
    ----------
    n_cells, n_genes
        Size of the tissue: at least 50 cells, and 28 genes for two arms.
    seed
        Seed of every random number; the same seed gives the same tissue.
    kind
        ``two_arms``: a tissue that grows in two arms, with regulation of three genes and an image. ``bilinear`` and
        ``multiradial``: the two published benchmarks of STEER, two halves and four disks. ``branching``: a lineage
        tree without a tissue. ``telegraph``: a tissue whose genes are transcribed in bursts, whatever its layout.
    kinetics
        Benchmarks only: rates that are the same everywhere (``friendly``) or differ between parts (``mixed``).
    noise
        Benchmarks: noise of the publication, counts as of a real tissue, or none. Lineage tree: ``none``, or counts
        of a single-cell experiment (default).
    states, branch_points
        Lineage tree only: number of states (the progenitor and the ends) and of branch points.
    settings
        Bursts only: ``layout`` (``opposite``, ``sources``, ``cycle``, ``branches`` or ``mosaic``), ``n_regimes``,
        ``static`` (share of cells in steady state), ``depth``, ``compartments`` and the other settings of
        :class:`napari_tissue_dynamics.simulators.telegraph.TelegraphSettings`, by name.

    Returns
    -------
    An AnnData with ``layers["spliced"]`` and ``["unspliced"]`` (counts), ``obsm["spatial"]`` (um; without it for the
    lineage tree), ``obs["cell_type"]`` and the truth: ``obs["true_time"]``, ``obs["true_regime"]``,
    ``layers["true_velocity"]`` (ds/dt), ``layers["true_alpha"]``, ``["true_beta"]``, ``["true_gamma"]``,
    ``obsm["true_spatial_velocity"]`` where cells move, ``obs["true_fate_<end>"]`` of the lineage tree,
    ``obs["true_static"]``, ``["true_dying"]`` and ``["true_empty"]`` of the tissue with bursts, and of two arms
    ``obsm["true_betas_<target>"]``, ``uns["true_regulators"]`` and ``uns["true_pairs"]``.

    Raises
    ------
    DataError
        If there is no such kind, or a setting belongs to another kind or is out of its range.

    Examples
    --------
    >>> import napari_tissue_dynamics as td
    >>> adata = td.simulate(n_cells=200, n_genes=40, seed=1)
    >>> adata.shape, sorted(adata.uns["true_regulators"])
    ((200, 40), ['Axin2', 'Dusp6', 'Spry4'])
    """
    from napari_tissue_dynamics.simulators import kinds

    own = {"kinetics": kinetics, "noise": noise, "states": states, "branch_points": branch_points}
    return kinds.simulate(kind, n_cells=n_cells, n_genes=n_genes, seed=seed, **own, **settings).to_anndata()
