"""All simulated tissues by the names of their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.simulators.noise import Noise

TWO_ARMS, BRANCHING, TELEGRAPH = "two_arms", "branching", "telegraph"
BENCHMARKS = ("bilinear", "multiradial")
KINDS = (TWO_ARMS, *BENCHMARKS, BRANCHING, TELEGRAPH)
# Settings that only some kinds have, and what the tissues without them are.
OWN_SETTINGS = {"kinetics": BENCHMARKS, "noise": (*BENCHMARKS, BRANCHING), "states": (BRANCHING,)}
OWN_SETTINGS["branch_points"] = (BRANCHING,)
OF_BURSTS = (
    *("layout", "n_regimes", "multi_kinetic", "late_boost", "depth", "capture", "depth_spread", "ambient"),
    *("static", "dying", "empty", "compartments", "export_rate"),
)
OWN_SETTINGS |= dict.fromkeys(OF_BURSTS, (TELEGRAPH,))
REASONS = {
    TWO_ARMS: "The tissue with two arms supports only one kind of kinetics and noise.",
    BRANCHING: "Rates in a lineage tree differ from gene to gene.",
    TELEGRAPH: "A tissue with transcriptional bursts has kinetics and noise of its own.",
}


class Simulated(NamedTuple):
    """What was measured, what is true, and the probability of every end by its name where there are ends."""

    tissue: Tissue
    truth: Any
    fates: Mapping[str, NDArray[Any]] | None

    def to_anndata(self) -> AnnData:
        """Return both as AnnData; see :func:`.simulators.write.simulated_anndata`."""
        from napari_tissue_dynamics.simulators.write import simulated_anndata

        return simulated_anndata(self.tissue, self.truth, fates=self.fates)


def simulate(kind: str, **settings: Any) -> Simulated:
    """Simulate cells of which everything is known.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    settings
        ``n_cells``, ``n_genes`` and ``seed``; ``kinetics`` and ``noise`` of the benchmarks; ``states``,
        ``branch_points`` and ``noise`` of the lineage tree; those of
        :class:`.simulators.telegraph.TelegraphSettings` of the tissue with bursts. None is the value of the kind.

    Raises
    ------
    DataError
        If there is no such kind, or a setting belongs to another one or is out of its range.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    _check(kind, given)
    if kind == TWO_ARMS:
        from napari_tissue_dynamics.simulators.tissue import simulate_tissue

        made: Any = simulate_tissue(**given)
        return Simulated(made.tissue, made.truth, None)
    if kind == BRANCHING:
        from napari_tissue_dynamics.simulators.branching import simulate_branching

        given = {f"n_{name}" if name in ("states", "branch_points") else name: value for name, value in given.items()}
        made = simulate_branching(**{**given, "noise": _noise_of_a_tree(given.get("noise"))})
        return Simulated(made.tissue, made.truth, dict(zip(made.state.categories[1:], made.fate.T, strict=True)))
    if kind == TELEGRAPH:
        from napari_tissue_dynamics.simulators.telegraph import TelegraphSettings, simulate_telegraph

        own = {name: given.pop(name) for name in OF_BURSTS if name in given}
        made = simulate_telegraph(**given, settings=TelegraphSettings(**own))
        return Simulated(made.tissue, made.truth, None)
    from napari_tissue_dynamics.simulators import velocity as benchmark

    chosen = benchmark.simulate_bilinear if kind == "bilinear" else benchmark.simulate_multiradial
    made = chosen(**{**given, "noise": getattr(benchmark.Noise, given.get("noise", "published"))()})
    return Simulated(made.tissue, made.truth, None)


def _check(kind: str, given: Mapping[str, Any]) -> None:
    if kind not in KINDS:
        raise DataError(f"There is no simulated tissue of the kind {kind!r}. Choose one of {', '.join(KINDS)}.")
    unknown = sorted(given.keys() - {"n_cells", "n_genes", "seed"} - OWN_SETTINGS.keys())
    if unknown:
        known = ", ".join(("n_cells", "n_genes", "seed", *OWN_SETTINGS))
        raise DataError(f"A simulation has no setting {unknown[0]!r}. It has {known}.")
    for name, kinds in OWN_SETTINGS.items():
        if name in given and kind not in kinds:
            reason = REASONS.get(kind) if name in ("kinetics", "noise") else None
            owner = "a tissue with transcriptional bursts" if name in OF_BURSTS else "a lineage tree"
            reason = reason or f"The setting {name!r} belongs to {owner}."
            raise DataError(f"{reason} Choose another kind: {', '.join(kinds)}.")
    choices = {"kinetics": ("friendly", "mixed"), "noise": ("published", "real", "none")}
    for name in choices.keys() & given.keys():
        if given[name] not in choices[name]:
            raise DataError(f"The setting {name!r} is {given[name]!r}. Choose one of {', '.join(choices[name])}.")


def _noise_of_a_tree(name: str | None) -> Noise | None:
    from napari_tissue_dynamics.simulators.noise import Noise

    if name not in (None, "none"):
        raise DataError(
            f"A lineage tree has no {name} noise. Omit the noise for the counts of a single-cell experiment, "
            "or give 'none'."
        )
    return Noise.none() if name == "none" else None
