"""Results as files for other programs and as a page for any browser."""

from napari_tissue_dynamics.export.steps import ExportConfig, export, export_steps
from napari_tissue_dynamics.export.tables import Fates

__all__ = ["ExportConfig", "Fates", "export", "export_steps"]
