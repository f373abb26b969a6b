import numpy as np

from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.layers.coloring import Values, coloring_of
from napari_tissue_dynamics.layers.hover_text import cell_card
from napari_tissue_dynamics.simulators.tissue import simulate_tissue


def test_a_card_says_name_type_value_time_and_expert(rng):
    tissue = simulate_tissue(n_cells=80, n_genes=30, seed=4).tissue
    types, n = tissue.cell_types, tissue.n_cells
    weights = rng.dirichlet([1, 1, 1], n).astype(np.float32)
    time = rng.random(n, np.float32)
    matrices = [np.zeros((n, 2), np.float32) for _ in range(4)]
    field = VelocityField(tissue.genes[:2], *matrices, time=time, expert_probability=weights)
    values = np.linspace(0, 8, n).astype(np.float32)
    values[7] = np.nan
    coloring = coloring_of("Krt8", Values(values))
    for cell in (0, 7, 41):
        name = types.categories[types.codes[cell]]
        value = "no value" if cell == 7 else f"{values[cell]:.4g}"
        best = int(weights[cell].argmax())
        assert cell_card(tissue, cell, coloring, field, {types.name: {name: "#010203"}}) == (
            ("cell", tissue.cells[cell], ""),
            (types.name, name, "#010203"),
            ("Krt8", value, ""),
            ("latent time", f"{time[cell]:.3f}", ""),
            ("expert", f"{best} (weight {weights[cell, best]:.2f})", ""),
        )
    assert cell_card(tissue, 3, coloring_of(types.name, types)) == cell_card(tissue, 3)
    assert cell_card(tissue.with_(cell_types=None), 3) == (("cell", tissue.cells[3], ""),)
