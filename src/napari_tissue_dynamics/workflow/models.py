"""The velocity models, one row each: what forms, docks, commands, logs and Python need of them.

A new model is a package with ``fit_steps`` and settings, one row here, and its name in the Preferences of the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.analysis.readiness.run_cost import Cost, steer_cost
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.steer.config import SteerConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.kinetics.root_cells import Origin
    from napari_tissue_dynamics.progress import Progress, StopToken

    FitSteps: TypeAlias = Callable[
        [Tissue, Any, StopToken | None, Origin, Mapping[str, Path]], Generator[Progress, None, VelocityField]
    ]

CHECKPOINT, NETWORK = "checkpoint", "network"
"""Files that a model may keep: the state of a run, and the trained network."""
FEWEST_GENES, FEWEST_CELLS = 100, 1000
"""Below these a smaller fit is not worth advising."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityModel:
    """One velocity model.

    Parameters
    ----------
    name
        Name in Python, on the command line, in logs and preferences.
    label
        Name in the window and in messages.
    doing
        What a run does, as its title.
    about
        What the model does, how long it takes and what it is for.
    fit_steps
        Called with tissue, settings, stop token, root cells and the files that are to be kept; reports progress and
        returns the velocities.
    chosen
        Values of the settings that choosing this model sets, where several models share a settings class.
    essential
        Settings that a form shows first.
    unused
        Settings that this model does not use; a form hides them.
    fit_share
        Share of the time of a run that the fit takes; arrows and checks take the rest.
    regimes
        What the experts of a fit with these settings are called, and whether the data decided on their number; None
        for a model without experts.
    refuses_roots
        Why given root cells cannot be used with these settings; empty if they can.
    uses_torch
        Whether a fit with these settings computes with torch.
    cost
        Time and memory of a fit with these settings, by numbers of cells, genes and bytes of counts; None if unknown.
    smaller
        Settings that reduce the memory of a fit, by the number of cells, with values to try, by the labels of a form.
    """

    name: str
    label: str
    doing: str
    about: str
    settings: type[Any]
    fit_steps: FitSteps
    chosen: Mapping[str, Any] = field(default_factory=dict)
    essential: tuple[str, ...] = ("seed",)
    unused: tuple[str, ...] = ()
    fit_share: float = 0.8
    files: tuple[str, ...] = ()
    regimes: Callable[[Any], tuple[str, bool]] | None = None
    refuses_roots: Callable[[Any], str] = lambda config: ""
    uses_torch: Callable[[Any], bool] = lambda config: False
    cost: Callable[[Any, int, int, int], Cost | None] = lambda config, n_cells, n_genes, n_bytes: None
    smaller: Callable[[Any, int], tuple[tuple[str, int], ...]] = lambda config, n_cells: ()

    def start(self) -> Any:
        """Return the default settings."""
        return self.settings(**self.chosen)

    def fits(self, config: object) -> bool:
        """Whether settings are those of this model."""
        return isinstance(config, self.settings) and all(
            getattr(config, name) == value for name, value in self.chosen.items()
        )


def model_named(name: str) -> VelocityModel:
    """Return the model of a name.

    Raises
    ------
    DataError
        If there is none.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise DataError(f"There is no velocity model {name!r}. Choose one of {', '.join(MODELS)}.") from None


def model_of(config: object) -> VelocityModel:
    """Return the model that settings belong to.

    Raises
    ------
    DataError
        If they are settings of something else.
    """
    for row in MODELS.values():
        if row.fits(config):
            return row
    raise DataError(f"{type(config).__name__} are not settings of a velocity model. Choose one of {', '.join(MODELS)}.")


def settings_classes() -> tuple[type[Any], ...]:
    """Return the settings classes of all models, each once."""
    return tuple(dict.fromkeys(row.settings for row in MODELS.values()))


def _kinetic_steps(
    tissue: Tissue, config: KineticsConfig, stop: StopToken | None, origin: Origin, files: Mapping[str, Path]
) -> Generator[Progress, None, VelocityField]:
    from napari_tissue_dynamics import kinetic_models

    return (yield from kinetic_models.fit_steps(tissue, config, stop, origin=origin))


def _steer_steps(
    tissue: Tissue, config: SteerConfig, stop: StopToken | None, origin: Origin, files: Mapping[str, Path]
) -> Generator[Progress, None, VelocityField]:
    from napari_tissue_dynamics import steer
    from napari_tissue_dynamics.workflow.preview import with_previews

    fit = steer.fit_steps(
        tissue, config, stop, origin=origin, checkpoint=files.get(CHECKPOINT), model=files.get(NETWORK)
    )
    return (yield from with_previews(fit, tissue.positions))


def _steer_cost(config: SteerConfig, n_cells: int, n_genes: int, n_bytes: int) -> Cost:
    """Return the cost of a fit; the seconds are 0, unknown, where the schedule is not the measured quick one."""
    cost = steer_cost(n_cells, min(n_genes, config.n_genes), n_bytes)
    usual = SteerConfig()
    timed = ("profile", "published", "autoencoder_epochs", "time_epochs", "velocity_epochs", "velocity_batch")
    quick = all(getattr(config, name) == getattr(usual, name) for name in timed)
    return cost if quick else Cost(0.0, cost.memory)


def _smaller_steer(config: SteerConfig, n_cells: int) -> tuple[tuple[str, int], ...]:
    batch = min(config.cell_batch or n_cells, n_cells)
    cells = (("Cell batch", max(min(batch, FEWEST_CELLS), batch // 2)),) if batch > FEWEST_CELLS else ()
    return (*cells, ("Number of genes", _half(config.n_genes)))


def _half(n_genes: int) -> int:
    return max(min(n_genes, FEWEST_GENES), n_genes // 2)


def _kinetic(name: str, label: str, about: str, unused: tuple[str, ...]) -> VelocityModel:
    return VelocityModel(
        name=name,
        label=label,
        doing=f"Fitting the {label} model",
        about=about,
        settings=KineticsConfig,
        fit_steps=_kinetic_steps,
        chosen={"model": name},
        essential=("n_top_genes", "n_neighbors", "min_shared_counts", "seed"),
        unused=("model", *unused),
        uses_torch=lambda config: config.device != "cpu",
        smaller=lambda config, n_cells: (("Number of top genes", _half(config.n_top_genes)),),
    )


_OF_CURVES = ("max_iter", "fit_scaling", "min_likelihood", "device")
_OF_LINES = ("extremes", "quantile", "fit_offset")
_ROWS = (
    _kinetic(
        "dynamical",
        "dynamical",
        "The default: seconds, and as accurate as STEER, whose velocities come from the same clock. Adds induction and "
        "repression of every gene.",
        _OF_LINES,
    ),
    VelocityModel(
        name="steer",
        label="STEER",
        doing="Training STEER",
        about="The velocities of the dynamical model, and a neural network that adds an embedding, rates of single "
        "cells, and application to other tissues. Minutes.",
        settings=SteerConfig,
        fit_steps=_steer_steps,
        essential=("n_experts", "keep_genes", "velocity_epochs", "device", "seed"),
        fit_share=0.9,
        files=(CHECKPOINT, NETWORK),
        regimes=lambda config: ("expert" if config.faithful else "kinetic regime", not config.n_experts),
        refuses_roots=lambda config: (
            "The faithful profile cannot use root cells. Choose the improved profile, or give no root cells."
            if config.faithful
            else ""
        ),
        uses_torch=lambda config: True,
        cost=_steer_cost,
        smaller=_smaller_steer,
    ),
    _kinetic(
        "steady_state", "steady-state", "Slopes of the phase portraits in the extreme cells. Seconds.", _OF_CURVES
    ),
    _kinetic(
        "stochastic", "stochastic", "Slopes of the phase portraits from means and variances. Seconds.", _OF_CURVES
    ),
)
MODELS: dict[str, VelocityModel] = {row.name: row for row in _ROWS}
"""All velocity models by name, in the order of the menu."""
