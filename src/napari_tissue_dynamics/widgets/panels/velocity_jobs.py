"""What the Velocity dock gives a worker to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics import workflow
from napari_tissue_dynamics.progress import Progress
from napari_tissue_dynamics.workflow.models import model_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from napari_tissue_dynamics.analysis.arrows.projection import ProjectionConfig
    from napari_tissue_dynamics.data.fate_result import FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.export import ExportConfig
    from napari_tissue_dynamics.progress import Steps, StopToken
    from napari_tissue_dynamics.widgets.forms.root_form import Known
    from napari_tissue_dynamics.workflow import VelocityResult


def needs_torch(config: Any, network: Path | None) -> bool:
    """Return whether a velocity with these settings, or of this network, computes with torch."""
    return network is not None if config is None else model_of(config).uses_torch(config)


def velocity_job(
    tissue: Tissue, config: Any, known: Known, projection: ProjectionConfig, files: Mapping[str, Path | None]
) -> Steps:
    """Return the steps that fit a velocity model; the root cells are read by ``known`` in the worker."""

    def steps(stop: StopToken) -> Generator[Progress, None, workflow.VelocityResult]:
        yield Progress("preparing the cells", 0, 1, 0.0)
        origin = known(tissue)
        return (yield from workflow.velocity_steps(tissue, config, stop, origin=origin, projection=projection, **files))

    return steps


def export_job(
    tissue: Tissue, result: VelocityResult, config: ExportConfig, folder: Path, fates: FateResult | None
) -> Steps:
    """Return the steps that write a velocity, and fates if there are some, into a folder."""

    def steps(stop: StopToken) -> Generator[Progress, None, tuple[Path, ...]]:
        from napari_tissue_dynamics.export import export_steps

        return (yield from export_steps(folder, tissue, result, config, stop, fates=fates))

    return steps
