"""Where latent time begins; the same for all velocity models."""

from napari_tissue_dynamics.graph.origin import ANYWHERE, Origin

__all__ = ["ANYWHERE", "Origin"]
