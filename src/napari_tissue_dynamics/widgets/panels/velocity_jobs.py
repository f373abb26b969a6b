"""What the Velocity dock gives a worker to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.kinetic_models.config import KineticsConfig
from napari_tissue_dynamics.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.export import ExportConfig
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.steer.config import SteerConfig
    from napari_tissue_dynamics.widgets.forms.model_form import Settings
    from napari_tissue_dynamics.widgets.forms.root_form import Known
    from napari_tissue_dynamics.workflow import VelocityResult


def needs_torch(config: Settings | None, model: Path | None) -> bool:
    """Return whether a velocity with these settings, or of this network, computes with torch."""
    if isinstance(config, KineticsConfig):
        return config.device != "cpu"
    return config is not None or model is not None


def kinetic_job(tissue: Tissue, config: KineticsConfig, known: Known, projection: ProjectionConfig) -> Steps:
    """Return the steps that fit a kinetic model; ``known`` is asked in the worker where time begins."""

    def steps(stop: StopToken) -> Generator[Progress, None, workflow.VelocityResult]:
        yield Progress("preparing the cells", 0, 1, 0.0)
        origin = known(tissue)
        return (yield from workflow.kinetics_steps(tissue, config, stop, origin=origin, projection=projection))

    return steps


def steer_job(
    tissue: Tissue,
    config: SteerConfig,
    known: Known,
    projection: ProjectionConfig,
    files: tuple[Path | None, Path | None],
) -> Steps:
    """Return the steps that train STEER; ``files`` are those of its state and of the trained network."""
    checkpoint, model = files

    def steps(stop: StopToken) -> Generator[Progress, None, workflow.VelocityResult]:
        yield Progress("preparing the cells", 0, 1, 0.0)
        origin = known(tissue)
        return (
            yield from workflow.velocity_steps(
                tissue, config, stop, origin=origin, projection=projection, checkpoint=checkpoint, model=model
            )
        )

    return steps


def export_job(
    tissue: Tissue, result: VelocityResult, config: ExportConfig, folder: Path, fates: FateResult | None
) -> Steps:
    """Return the steps that write a velocity, and fates if there are some, into a folder."""

    def steps(stop: StopToken) -> Generator[Progress, None, tuple[Path, ...]]:
        from napari_tissue_dynamics.export import export_steps

        return (yield from export_steps(folder, tissue, result, config, stop, fates=fates))

    return steps
