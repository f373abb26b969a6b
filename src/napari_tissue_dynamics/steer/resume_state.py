"""Metadata of a stopped fit, read without torch: enough to start the same fit again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_tissue_dynamics.descriptions import setting_types, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.kinetics.root_cells import ANYWHERE, Origin
from napari_tissue_dynamics.steer.config import SteerConfig

if TYPE_CHECKING:
    from pathlib import Path

FIT = "STEER fit 1"
"""What a file of this kind calls itself."""
ROOTS, STAGE = "origin/roots", "origin/stage"
"""Names of the arrays that define root cells and known stages."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptState:
    """A fit that did not end.

    Parameters
    ----------
    config
        Its settings; the device is the one it was computed on.
    origin
        Where its time begins.
    phase, epoch
        Where it goes on.
    """

    config: SteerConfig
    origin: Origin
    phase: str
    epoch: int


def kept_state(path: Path) -> KeptState:
    """Return what a file says of the fit whose state it is; its large arrays are not read.

    Raises
    ------
    DataError
        If the file is not the state of a fit, or one of a version with other settings.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("header", "{}"))
            names = set(file.keys())
            roots, stage = (file.get_tensor(name) if name in names else None for name in (ROOTS, STAGE))
        if header.get("kind") != FIT:
            raise ValueError(f"it is {header.get('kind', 'another kind of file')!r}")
        known = {name: header["settings"][name] for name in setting_types(SteerConfig) if name in header["settings"]}
        config = with_settings(SteerConfig(), known)
        origin = ANYWHERE if roots is None and stage is None else Origin(roots=roots, stage=stage)
        return KeptState(config, origin, str(header["phase"]), int(header["epoch"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not the state of a fit that can be resumed ({error}). Delete it to start over."
        ) from error
