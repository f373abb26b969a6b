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
    from napari_tissue_dynamics.simulators.tissue import simulate_tissue

    return simulate_tissue().tissue.with_(source=SAMPLE)


def simulated_tissue() -> list[LayerData]:
    """Return the layers of the sample: histology, cells and, out of sight, how they truly move.

    The docks use the opened tissue.
    """
    from napari_tissue_dynamics.layers.images import on_light
    from napari_tissue_dynamics.layers.layer_sets import tissue_layers
    from napari_tissue_dynamics.layers.vectors import cell_arrows
    from napari_tissue_dynamics.simulators.tissue import simulate_tissue

    simulated = simulate_tissue()
    tissue = simulated.tissue.with_(source=SAMPLE)
    movement, dark = simulated.truth.spatial_velocity, on_light(tissue)
    truth = cell_arrows(tissue.positions, movement, unit=tissue.unit, name="true movement", on_light=dark)
    truth[1]["visible"] = False
    layers = [*tissue_layers(tissue), truth]
    for _, options, _ in layers:
        options["metadata"][PLUGIN] |= {"key": options["name"], "source": SAMPLE}
    return layers
