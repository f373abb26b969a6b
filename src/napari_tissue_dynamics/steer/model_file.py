"""A trained network in a file, for other cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.descriptions import setting_values, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.cell_depth import Depth
from napari_tissue_dynamics.kinetics.evidence import evidence_of_time
from napari_tissue_dynamics.steer.checkpoint import named, read_tensors, write_tensors
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.module import SteerNetwork
from napari_tissue_dynamics.steer.preprocessing import Scale, prepare
from napari_tissue_dynamics.steer.prior.kinetic_prior import clock_settings
from napari_tissue_dynamics.steer.to_velocity_field import read_out
from napari_tissue_dynamics.steer.training_loop import pose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField

MODEL = "STEER model 1"
NAMED_GENES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained network and how it has seen its cells.

    Parameters
    ----------
    network
        The network.
    genes
        All genes used to compute the depth and the neighbors of the cells.
    kept
        Which of them the network has, ascending.
    scale
        What the counts of all of them were divided by.
    time_range
        Smallest and largest time of the training cells.
    config
        Settings of the fit.
    weight
        How much each gene of the network counts, None if all count the same.
    """

    network: SteerNetwork
    genes: tuple[str, ...]
    kept: NDArray[np.integer]
    scale: Scale
    time_range: tuple[float, float]
    config: SteerConfig
    weight: NDArray[np.float32] | None = None


def save_model(path: Path, model: Model) -> None:
    """Write a trained network to a file that :func:`apply_model` can use.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    tensors = {f"network/{name}": value for name, value in model.network.state_dict().items()}
    for name in ("unspliced", "spliced"):
        tensors[f"scale/{name}"] = torch.from_numpy(np.array(getattr(model.scale, name)))
    tensors["kept"] = torch.from_numpy(np.array(model.kept, dtype=np.int64))
    if model.weight is not None:
        tensors["weight"] = torch.from_numpy(np.array(model.weight))
    depth = model.scale.depth
    if depth is not None:
        tensors["depth/spliced"], tensors["depth/unspliced"] = map(torch.from_numpy, (depth.spliced, depth.unspliced))
    header = {
        "settings": setting_values(model.config),
        "genes": model.genes,
        "cells": model.scale.cells,
        "time_range": model.time_range,
        "level": None if depth is None else depth.level,
    }
    write_tensors(path, MODEL, tensors, header)


def load_model(path: Path) -> Model:
    """Read a trained network from the file of :func:`save_model`.

    Raises
    ------
    DataError
        If the file is not one.
    """
    tensors, header = read_tensors(path, MODEL)
    weights, scale = named(tensors, "network/"), named(tensors, "scale/")
    config = with_settings(SteerConfig(), header["settings"])
    network = SteerNetwork(
        len(tensors["kept"]),
        len(weights["gate.2.bias"]),
        hidden=config.hidden_size,
        latent=config.latent_size,
        expert_size=config.published.expert_size,
        regulation=weights["regulation"],
        units=weights["units"].view(len(weights["units"]), -1, 3) if "units" in weights else None,
    )
    network.load_state_dict(weights)
    return Model(
        network,
        tuple(header["genes"]),
        tensors["kept"].numpy(),
        Scale(tuple(header["cells"]), scale["unspliced"].numpy(), scale["spliced"].numpy(), _depth(tensors, header)),
        tuple(header["time_range"]),
        config,
        tensors["weight"].numpy() if "weight" in tensors else None,
    )


def apply_model(path: Path, tissue: Tissue, device: str = "auto") -> VelocityField:
    """Give cells the velocities of a network that was trained on others.

    Moments and graph are those of the cells; their counts are divided by what those of the training cells were, and
    nothing is trained.

    Parameters
    ----------
    path
        File of :func:`save_model`.
    tissue
        Cells with spliced and unspliced counts of all genes used in the fit, in any order and among others.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns
    -------
    The velocity field. Time 0 and 1 are those of the training; the regulation state, which belongs to the clusters of
    the training, is None.

    Raises
    ------
    DataError
        If the file is not a trained network, or genes of it are missing.
    """
    model = load_model(path)
    place = pick_device(device)
    seen = prepare(tissue, model.config, _columns(model.genes, tissue), model.scale).keep(model.kept)
    network, problem = model.network.to(place), pose(seen, model.config, place)
    scale = model.scale.keep(model.kept)
    field = read_out(network, problem, seen, scale, time_range=model.time_range, weight=model.weight)
    assert field.time is not None  # every network has a clock
    return replace(field, evidence=evidence_of_time(tissue, field.time, field.expert, clock_settings(model.config)))


def _depth(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Depth | None:
    if header["level"] is None:
        return None
    return Depth(tensors["depth/spliced"].numpy(), tensors["depth/unspliced"].numpy(), header["level"])


def _columns(genes: Sequence[str], tissue: Tissue) -> NDArray[np.intp]:
    column = {gene: index for index, gene in enumerate(tissue.genes)}
    missing = [gene for gene in genes if gene not in column]
    if missing:
        first = ", ".join(missing[:NAMED_GENES]) + (", ..." if len(missing) > NAMED_GENES else "")
        raise DataError(
            f"{tissue.source} lacks {len(missing)} of the {len(genes)} genes used in the fit: {first}. "
            "Choose a tissue that has them, or train on the genes that both tissues share."
        )
    return np.array([column[gene] for gene in genes])
