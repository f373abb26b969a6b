"""The file from which a fit can be resumed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_tissue_dynamics.data.fingerprint import fingerprint
from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.descriptions import setting_values
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin
from napari_tissue_dynamics.steer.resume_state import FIT, ROOTS, STAGE
from napari_tissue_dynamics.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.steer.config import SteerConfig

WRITE_SECONDS = 30.0


class Resumed(NamedTuple):
    """The state of a training that was interrupted, and the phase and epoch it goes on with."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, float]
    phase: str
    epoch: int


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
        self._resumed: Resumed | None = None
        self.found: dict[str, NDArray[Any]] = {}
        if path is None:
            return
        if not path.parent.is_dir():
            raise DataError(f"There is no folder {path.parent} for the state of the fit. Create it or choose another.")
        self._origin = {
            name: torch.from_numpy(np.array(known))
            for name, known in ((ROOTS, origin.roots), (STAGE, origin.stage))
            if known is not None
        }
        settings = {**setting_values(config), "device": device.type, "where time begins": origin.fingerprint()}
        self._identity = {"settings": settings, "data": fingerprint(tissue)}
        if path.exists():
            tensors, header = read_tensors(path, FIT)
            _check_same(path, header, self._identity)
            self._resumed = Resumed(tensors, header["numbers"], header["phase"], header["epoch"])
            self.found = {name: value.numpy() for name, value in named(tensors, "found/").items()}

    def due(self) -> bool:
        """Return True when it is time to write."""
        return self._path is not None and time.monotonic() - self._last >= WRITE_SECONDS

    def write(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float], *, phase: str, epoch: int) -> None:
        """Write the state of a training before ``epoch`` of ``phase``."""
        if self._path is None:
            return
        found = {f"found/{name}": torch.from_numpy(np.array(value)) for name, value in self.found.items()}
        place = {"phase": phase, "epoch": epoch, "numbers": numbers}
        write_tensors(self._path, FIT, {**tensors, **found, **self._origin}, {**self._identity, **place})
        self._last = time.monotonic()

    def resume(self, phases: Sequence[str]) -> Resumed | None:
        """Return the state of the file, once, if that is in one of these phases."""
        if self._resumed is None or self._resumed.phase not in phases:
            return None
        found, self._resumed = self._resumed, None
        return found

    def remove(self) -> None:
        """Delete the file of a fit that is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _check_same(path: Path, header: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    settings, now = header["settings"], identity["settings"]
    other = sorted(name for name in {*settings, *now} if settings.get(name) != now.get(name))
    if header["data"] != identity["data"]:
        other.insert(0, "the cells")
    if other:
        raise DataError(
            f"{path} is the state of another fit; it differs in {', '.join(other)}. "
            "Use the same settings to resume it, or delete it or choose another file to start over."
        )


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the header of a file of :func:`write_tensors` that is of this kind."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("header", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Choose another file.") from error
    if header.get("kind") != kind:
        raise DataError(f"{path} is {header.get('kind', 'another kind of file')!r}; {kind!r} was expected.")
    return tensors, header


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a header that JSON can hold; the file is replaced as a whole or not at all."""
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps({"kind": kind, "version": __version__, **header})
    with replacing(path) as part:
        try:
            save_file(whole, part, metadata={"header": text})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def named(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``start``, without it."""
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
