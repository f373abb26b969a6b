"""Simulate a tissue with known betas and write it as a problem."""

from types import SimpleNamespace

import numpy as np
from problem import write_problem

from napari_tissue_dynamics.simulators.betas import BetaSettings, simulate_betas
from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, TfLigandScores
from napari_tissue_dynamics.travlr.received_ligands import received

SPLITS = ("all", "random", "blocks")
HELD_OUT = 0.2
# Pieces of tissue along each side; a fifth of them is held out as a whole.
TILES = 5


def write_simulated(folder, cells, seed, settings=BetaSettings()):
    """Write ``problem.npz``; return what is true: betas, signal and the problem's arrays."""
    simulated = simulate_betas(cells, seed, settings)
    tissue, names = simulated.tissue, simulated.truth[simulated.targets[0]].modulators
    shown = splits(tissue.positions, seed)
    plain = {
        "positions": tissue.positions,
        "codes": tissue.cell_types.codes,
        "types": np.array(tissue.cell_types.categories, dtype=str),
        "expression": tissue.expression,
        "genes": np.array(tissue.genes, dtype=str),
        "factors": np.array(simulated.regulators[simulated.targets[0]], dtype=str),
        "pairs": np.array(simulated.pairs, dtype=str),
        "tf_ligands": np.array(simulated.tf_ligands, dtype=str),
        "targets": np.array(simulated.targets, dtype=str),
        "names": np.array(names, dtype=str),
        "x": columns(simulated, names),
        "radius": simulated.radius,
        "scale_factor": simulated.scale_factor,
    }
    write_problem(folder / "problem.npz", shown, **plain)
    return SimpleNamespace(
        truth=simulated.truth,
        names=names,
        x=plain["x"].astype(np.float64),
        codes=plain["codes"],
        shown=shown,
        y={target: tissue.expression[:, tissue.gene_index(target)].astype(np.float64) for target in simulated.targets},
    )


def columns(simulated, names):
    """Return the (cells, modulators) columns."""
    tissue = simulated.tissue
    ligands = list(dict.fromkeys(ligand for ligand, *_ in simulated.pairs))
    sent = tissue.expression[:, [tissue.gene_index(name) for name in ligands]]
    radii = np.full(len(ligands), simulated.radius)
    reaching = received(tissue.positions, sent, radii, scale_factor=simulated.scale_factor, diffusion="exact")
    result = np.empty((tissue.n_cells, len(names)), dtype=np.float32)
    for k, name in enumerate(names):
        ligand, _, other = name.replace("#", "$").rpartition("$")
        result[:, k] = tissue.expression[:, tissue.gene_index(other)]
        if ligand:
            result[:, k] *= reaching[:, ligands.index(ligand)]
    return result


def network_of(targets, factors, pairs, tf_ligands):
    """Return what may regulate the targets, as the fit takes it."""
    ligands = tuple(dict.fromkeys(ligand for ligand, *_ in pairs))
    linked = np.array([[(ligand, factor) in tf_ligands for ligand in ligands] for factor in factors])
    scores = TfLigandScores(factors, ligands, linked.astype(np.float32))
    return RegulatoryNetwork(dict.fromkeys(targets, factors), pairs, scores)


def splits(positions, seed):
    """Return by name which cells' targets are shown: all, four fifths drawn at random, four fifths of the tiles."""
    rng = np.random.default_rng([seed, 999])
    chance = np.ones(len(positions), dtype=bool)
    chance[rng.choice(len(positions), round(HELD_OUT * len(positions)), replace=False)] = False
    low, span = positions.min(axis=0), np.ptp(positions, axis=0)
    tile = np.minimum((positions - low) / span * TILES, TILES - 1).astype(int) @ np.array([TILES, 1])
    hidden = rng.permutation(TILES**2)[: round(HELD_OUT * TILES**2)]
    return {"all": np.ones(len(positions), dtype=bool), "random": chance, "blocks": ~np.isin(tile, hidden)}
