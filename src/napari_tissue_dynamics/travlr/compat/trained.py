"""What a fit has found for one gene, as a value, and as a file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.descriptions import setting_values, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.compat.anndata_cache import digest
from napari_tissue_dynamics.travlr.compat.estimator_file import read_estimator, write_estimator
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.design import Modulators
from napari_tissue_dynamics.travlr.nets.cell_type_network import new_network
from napari_tissue_dynamics.travlr.nets.spatial_maps import MapGrid, MinMax
from napari_tissue_dynamics.travlr.priors.pairs import LigandReceptor
from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigand
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.travlr.compat.anndata_input import Source
    from napari_tissue_dynamics.travlr.nets.cell_type_network import Network
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label

# Scores and losses of the cell types, in a file under these names.
NUMBERS = ("scores", "seed_scores", "held_out_scores", "losses")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What a trained network takes for granted, also when it sees other cells.

    Parameters
    ----------
    neighbors
        Range of the counts of neighbors.
    occupied
        (types, pixels, pixels[, pixels]) where the tissue has cells of each type; None where maps do not depend on it.
    """

    grid: MapGrid
    neighbors: MinMax
    occupied: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a fit has found for one gene.

    Parameters
    ----------
    labels
        Cell types, in the order of the counts of neighbors.
    frame
        What the networks take for granted about maps and neighbors.
    models
        Network of each type that was fitted.
    scores, seed_scores, held_out_scores, losses
        Of each type that was fitted.
    """

    labels: tuple[Label, ...]
    candidates: Modulators
    frame: Frame
    config: TravlrConfig
    fingerprint: str
    models: dict[Label, Network] = field(default_factory=dict)
    scores: dict[Label, float] = field(default_factory=dict)
    seed_scores: dict[Label, float] = field(default_factory=dict)
    held_out_scores: dict[Label, float] = field(default_factory=dict)
    losses: dict[Label, list[float]] = field(default_factory=dict)


def data_fingerprint(source: Source) -> str:
    """Return a hash of where the cells are and of which type they are."""
    return digest(source.positions, source.codes, [str(label) for label in source.labels])


def save_trained(path: Path, trained: Trained, settings: Mapping[str, Any]) -> None:
    """Write what a fit has found, without any cell, and further settings that JSON can hold.

    Raises
    ------
    DataError
        If the file cannot be written, or a label is no number, text or truth value.
    """
    odd = [label for label in trained.labels if not isinstance(label, (int, float, str, bool))]
    if odd:
        raise DataError(f"The cell type {odd[0]!r} cannot be written to a file; name it by a number or by text.")
    fitted = [trained.labels.index(label) for label in trained.models]
    header = {
        "version": __version__,
        "settings": dict(settings),
        "labels": list(trained.labels),
        "candidates": asdict(trained.candidates),
        "config": setting_values(trained.config),
        "fingerprint": trained.fingerprint,
        "fitted": fitted,
        "seed_only": [network.seed_only for network in trained.models.values()],
        **{name: [getattr(trained, name)[trained.labels[k]] for k in fitted] for name in NUMBERS},
    }
    tensors = _frame_to_tensors(trained.frame)
    for k, network in zip(fitted, trained.models.values(), strict=True):
        tensors.update({f"network/{k}/{name}": value for name, value in network.state_dict().items()})
    write_estimator(path, header, tensors)


def load_trained(path: str | Path, device: torch.device) -> tuple[Trained, dict[str, Any]]:
    """Return what :func:`save_trained` has written, and the further settings.

    Raises
    ------
    DataError
        If the file cannot be used.
    """
    header, tensors = read_estimator(path)
    try:
        config = with_settings(TravlrConfig(), header["config"])
        labels, fitted = tuple(header["labels"]), [header["labels"][k] for k in header["fitted"]]
        trained = Trained(
            labels=labels,
            candidates=_candidates_from_json(header["candidates"]),
            frame=_frame_from_tensors(tensors),
            config=config,
            fingerprint=header["fingerprint"],
            **{name: dict(zip(fitted, header[name], strict=True)) for name in NUMBERS},
        )
        channels = len(labels) if header["settings"]["maps"] == "density" else 1
        seen = (channels, *trained.frame.grid.shape)
        for k, seed_only in zip(header["fitted"], header["seed_only"], strict=True):
            state = _below(tensors, f"network/{k}/")
            network = new_network(seen, len(labels), state["anchors"].numpy(), config, config.seed, device)
            network.load_state_dict(state)
            network.seed_only = seed_only
            trained.models[labels[k]] = network.eval()
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise DataError(
            f"{Path(path).name} was written by another version of this package ({error}). Export the estimator again."
        ) from error
    return trained, header["settings"]


def _candidates_from_json(values: Mapping[str, Any]) -> Modulators:
    parts = {name: tuple(values[name]) for name in ("regulators", "extra")}
    parts["pairs"] = tuple(LigandReceptor(*pair) for pair in values["pairs"])
    parts["tf_ligands"] = tuple(TfLigand(*pair) for pair in values["tf_ligands"])
    return Modulators(**{**values, **parts})


def _frame_to_tensors(frame: Frame) -> dict[str, Tensor]:
    import torch

    arrays: dict[str, Any] = {f"grid/{k}": centers for k, centers in enumerate(frame.grid.centers)}
    arrays |= {"neighbors/low": frame.neighbors.low, "neighbors/span": frame.neighbors.span}
    if frame.occupied is not None:
        arrays["occupied"] = frame.occupied
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _frame_from_tensors(tensors: Mapping[str, Tensor]) -> Frame:
    centers = [value.numpy() for _, value in sorted(_below(tensors, "grid/").items())]
    neighbors = MinMax(tensors["neighbors/low"].numpy(), tensors["neighbors/span"].numpy())
    return Frame(MapGrid(tuple(centers)), neighbors, tensors["occupied"].numpy() if "occupied" in tensors else None)


def _below(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
