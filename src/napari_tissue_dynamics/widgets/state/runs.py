"""Results of earlier runs on one tissue, to return to."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_tissue_dynamics.descriptions import setting_values

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

Kind = Literal["velocity", "regulation"]

MOST_RUNS = 12
MOST_BYTES = 4_000_000_000
"""What all kept results of a tissue may take; the oldest ones give way."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One result, and how it was made.

    Parameters
    ----------
    number
        Counted from 1 for each tissue.
    kind
        ``velocity`` or ``regulation``.
    config
        Settings of the fit, None if there was none.
    model
        File of the trained network, or None.
    """

    number: int
    kind: Kind
    result: Any
    config: Any = None
    model: Path | None = None
    at: datetime | None = None

    @property
    def title(self) -> str:
        """A line that identifies this run."""
        what = self.result.field.model if self.kind == "velocity" else ", ".join(self.result.targets[:3])
        when = "" if self.at is None else f", {self.at:%H:%M}"
        return f"{self.number} · {what}{when}"

    @property
    def details(self) -> str:
        """The settings that differ from their defaults, one per line."""
        if self.config is None:
            return "The settings of this run are unknown."
        usual = setting_values(type(self.config)())
        others = [
            f"{name.replace('_', ' ')}: {value}"
            for name, value in setting_values(self.config).items()
            if value != usual[name]
        ]
        return "\n".join(others) or "All settings have their default values."


def kept(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Return the latest of the runs, as many as may be kept; the last one is always."""
    total, first = 0, len(runs) - 1
    for index in range(len(runs) - 1, max(-1, len(runs) - 1 - MOST_RUNS), -1):
        total += size_of(runs[index].result)
        if total > MOST_BYTES and index < len(runs) - 1:
            break
        first = index
    return runs[first:]


def size_of(result: object) -> int:
    """Return the bytes of all arrays in a result; what is a view of one number costs next to nothing."""
    if isinstance(result, np.ndarray):
        return int(np.prod([n for n, step in zip(result.shape, result.strides, strict=True) if step])) * result.itemsize
    if is_dataclass(result):
        return sum(size_of(getattr(result, field.name)) for field in fields(result))
    if isinstance(result, tuple | list):
        return sum(size_of(each) for each in result)
    return 0
