"""Files of a fit: the state of a running one to go on from, and a trained network for other cells."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_tissue_dynamics import __version__
from napari_tissue_dynamics.compute import pick_device
from napari_tissue_dynamics.data.fingerprint import fingerprint
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.cell_depth import Depth
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.steer.module import SteerNetwork
from napari_tissue_dynamics.steer.preprocessing import Scale, prepare
from napari_tissue_dynamics.steer.resume_state import FIT, ROOTS, STAGE
from napari_tissue_dynamics.steer.to_velocity_field import read_out
from napari_tissue_dynamics.steer.training_loop import named, pose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.data.velocity_field import VelocityField
    from napari_tissue_dynamics.steer.schedule import Phase
    from napari_tissue_dynamics.steer.training_loop import Stage

MODEL = "STEER model 1"
WRITE_SECONDS = 30.0
NAMED_GENES = 5


class Checkpoint:
    """The file of a running fit: where it goes on from, and what it is written to.

    Parameters
    ----------
    path
        The file, or None for a fit that is not written.
    tissue
        The cells.
    config
        Settings of the fit.
    device
        Where it is computed; random numbers are those of the device.
    origin
        Where time begins.

    Attributes
    ----------
    found
        What the steps before the training have found, arrays by name. They are kept with the state of the training,
        so that a fit that goes on does not find them again.

    Raises
    ------
    DataError
        If the file is of another fit, or cannot be read or written.
    """

    def __init__(
        self,
        path: Path | None,
        tissue: Tissue,
        config: SteerConfig,
        device: torch.device,
        origin: Origin = ANYWHERE,
    ) -> None:
        self._path = path
        self._last = time.monotonic()
        self._identity: dict[str, Any] = {}
        self._origin: dict[str, Tensor] = {}
        self._resumed: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self.found: dict[str, NDArray[Any]] = {}
        if path is None:
            return
        if not path.parent.is_dir():
            raise DataError(f"There is no folder {path.parent} for the state of the fit. Make it or choose another.")
        self._origin = {
            name: torch.from_numpy(np.array(known))
            for name, known in ((ROOTS, origin.roots), (STAGE, origin.stage))
            if known is not None
        }
        settings = {**asdict(config), "device": device.type, "where time begins": origin.fingerprint()}
        self._identity = {"settings": settings, "data": fingerprint(tissue)}
        if path.exists():
            tensors, header = _read(path, FIT)
            _check_same(path, header, self._identity)
            self._resumed = tensors, header
            self.found = {name: value.numpy() for name, value in named(tensors, "found/").items()}

    def due(self) -> bool:
        """Return True when it is time to write."""
        return self._path is not None and time.monotonic() - self._last >= WRITE_SECONDS

    def write(self, stage: Stage, phase: Phase, epoch: int) -> None:
        """Write the state before ``epoch`` of ``phase``; the file is replaced as a whole or not at all."""
        if self._path is None:
            return
        tensors, numbers = stage.state()
        found = {f"found/{name}": torch.from_numpy(np.array(value)) for name, value in self.found.items()}
        place = {"phase": phase.name, "epoch": epoch, "numbers": numbers}
        _write(self._path, FIT, {**tensors, **found, **self._origin}, {**self._identity, **place})
        self._last = time.monotonic()

    def resume(self, stage: Stage, phases: Sequence[Phase]) -> tuple[int, int]:
        """Bring the stage to the state of the file, if that is in one of its phases; return phase and epoch."""
        names = [phase.name for phase in phases]
        if self._resumed is None or self._resumed[1]["phase"] not in names:
            return 0, 0
        tensors, header = self._resumed
        self._resumed = None
        stage.load(tensors, header["numbers"])
        return names.index(header["phase"]), header["epoch"]

    def remove(self) -> None:
        """Delete the file of a fit that is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained network and how it has seen its cells.

    Parameters
    ----------
    network
        The network.
    genes
        All genes that were looked at when the depth and the neighbors of the cells were found.
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
        "settings": asdict(model.config),
        "genes": model.genes,
        "cells": model.scale.cells,
        "time_range": model.time_range,
        "level": None if depth is None else depth.level,
    }
    _write(path, MODEL, tensors, header)


def load_model(path: Path) -> Model:
    """Read a trained network from the file of :func:`save_model`.

    Raises
    ------
    DataError
        If the file is not one.
    """
    tensors, header = _read(path, MODEL)
    weights, scale = named(tensors, "network/"), named(tensors, "scale/")
    config = SteerConfig(**header["settings"])
    network = SteerNetwork(
        len(tensors["kept"]),
        len(weights["gate.2.bias"]),
        hidden=config.hidden_size,
        latent=config.latent_size,
        expert_size=config.expert_size,
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
        Cells with spliced and unspliced counts of all genes that the fit looked at, in any order and among others.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns
    -------
    The velocity field. Time 0 and 1 are those of the training; the regulation state, which belongs to the clusters of
    the training, and the spread of the time are None.

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
    return read_out(network, problem, seen, scale, time_range=model.time_range, weight=model.weight)


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
            f"{tissue.source} lacks {len(missing)} of the {len(genes)} genes that the fit looked at: {first}. "
            "Choose a tissue that has them, or train on the genes that both have."
        )
    return np.array([column[gene] for gene in genes])


def _check_same(path: Path, header: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    settings, now = header["settings"], identity["settings"]
    other = sorted(name for name in {*settings, *now} if settings.get(name) != now.get(name))
    if header["data"] != identity["data"]:
        other.insert(0, "the cells")
    if other:
        raise DataError(
            f"{path} is the state of another fit; it differs in {', '.join(other)}. "
            "Fit as before to go on from it, or delete it or choose another file to begin anew."
        )


def _write(path: Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps({"kind": kind, "version": __version__, **header})
    part = path.with_name(f"{path.name}.part")
    try:
        save_file(whole, part, metadata={"header": text})
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be written ({error}). Choose another place.") from error


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("header", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Choose another file.") from error
    if header.get("kind") != kind:
        raise DataError(f"{path} is {header.get('kind', 'another kind of file')!r}; {kind!r} was expected.")
    return tensors, header
