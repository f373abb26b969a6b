"""What one press of a Run button does, as one call: the docks and the command line share it."""

from napari_tissue_dynamics.workflow.cell_fate import (
    fate,
    fate_in_words,
    fate_neighborhoods,
    fate_steps,
    terminal_column,
    terminal_states,
)
from napari_tissue_dynamics.workflow.direction import direction_steps, named_order
from napari_tissue_dynamics.workflow.embedding import EmbeddingPicture, embedding_grid, embedding_picture_steps
from napari_tissue_dynamics.workflow.files import checks_of, in_words, put, save
from napari_tissue_dynamics.workflow.origin import origin_of
from napari_tissue_dynamics.workflow.picture import picture_steps
from napari_tissue_dynamics.workflow.regulation import (
    betas_table,
    export_betas_steps,
    many_genes_steps,
    open_betas,
    regulation_steps,
)
from napari_tissue_dynamics.workflow.results import PROJECTION, VelocityPreview, VelocityResult
from napari_tissue_dynamics.workflow.stored import (
    stored_fate_steps,
    stored_graph,
    stored_regulation_steps,
    stored_steps,
)
from napari_tissue_dynamics.workflow.trained_network import apply_steps
from napari_tissue_dynamics.workflow.velocity import velocity, velocity_steps

__all__ = [
    "PROJECTION",
    "EmbeddingPicture",
    "VelocityPreview",
    "VelocityResult",
    "apply_steps",
    "betas_table",
    "checks_of",
    "direction_steps",
    "embedding_grid",
    "embedding_picture_steps",
    "export_betas_steps",
    "fate",
    "fate_in_words",
    "fate_neighborhoods",
    "fate_steps",
    "in_words",
    "many_genes_steps",
    "named_order",
    "open_betas",
    "origin_of",
    "picture_steps",
    "put",
    "regulation_steps",
    "save",
    "stored_fate_steps",
    "stored_graph",
    "stored_regulation_steps",
    "stored_steps",
    "terminal_column",
    "terminal_states",
    "velocity",
    "velocity_steps",
]
