"""Results as files for other programs and as a page for any browser."""

from napari_tissue_dynamics.export.config import ExportConfig
from napari_tissue_dynamics.export.engine import run_velocity_engine
from napari_tissue_dynamics.export.steps import export, export_steps

__all__ = ["ExportConfig", "export", "export_steps", "run_velocity_engine"]
