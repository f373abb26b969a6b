"""Sample data for napari: a tissue in which velocity and regulation are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_tissue_dynamics.layers.axes import PLUGIN

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.layers.points import LayerData

SAMPLE = "simulated tissue"
"""What the layers of the sample name as their source, where those of a file have its path."""


def sample() -> Tissue:
    """Return the tissue of the sample, the same every time."""
    from napari_tissue_dynamics.data.simulate import simulate_tissue

    return simulate_tissue().tissue.with_(source=SAMPLE)


def simulated_tissue() -> list[LayerData]:
    """Return the layers of the sample: histology and cells.

    The docks take the tissue over with their button "Use the shown tissue".
    """
    from napari_tissue_dynamics.layers.stacks import tissue_layers

    layers = tissue_layers(sample())
    for _, options, _ in layers:
        options["metadata"][PLUGIN] |= {"key": options["name"], "source": SAMPLE}
    return layers
