"""Where latent time begins; the same for all velocity models."""

from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin

__all__ = ["ANYWHERE", "Origin"]
