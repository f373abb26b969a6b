"""What was done with a tissue, step by step, as lines of JSON that can be done again."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOAD, IMAGE, VELOCITY, ARROWS, REGULATION, SAVE = "load", "image", "velocity", "arrows", "regulation", "save"
"""Actions whose results can be reproduced; others are only listed."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done.

    Parameters
    ----------
    details
        With what: values that JSON can hold. Settings are their class (``"type"``) and their fields (``"values"``).
    at
        When, in ISO 8601.
    """

    name: str
    details: Mapping[str, Any]
    at: str = ""

    @property
    def line(self) -> str:
        """One line of JSON."""
        return json.dumps({"at": self.at, "action": self.name, **self.details})


class ActionLog:
    """A list of actions that grows."""

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._actions = list(actions)

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions so far."""
        return tuple(self._actions)

    def add(self, name: str, /, **details: Any) -> None:
        """Add an action that happens now.

        Parameters
        ----------
        details
            With what; settings, paths and arrays are put into the words of JSON.
        """
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        self._actions.append(Action(name, {key: plain(value) for key, value in details.items()}, at))

    def save(self, path: Path) -> None:
        """Write one action a line.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        from napari_tissue_dynamics.data.io.write import replacing

        with replacing(path) as temporary:
            temporary.write_text("".join(f"{action.line}\n" for action in self._actions), encoding="utf-8")


def read_log(path: Path) -> tuple[Action, ...]:
    """Return the actions of a log, or those that the result in an .h5ad file was made by.

    Raises
    ------
    DataError
        If the file is not there or holds no actions.
    """
    try:
        lines = _lines_of_h5ad(path) if path.suffix == ".h5ad" else path.read_text(encoding="utf-8").splitlines()
        found = [_action(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not an action log ({error}). Choose an action log, or a result saved by a dock."
        ) from error
    if not found:
        raise DataError(f"{path} has no action log. Choose an action log, or a result saved by a dock.")
    return tuple(found)


def _lines_of_h5ad(path: Path) -> Sequence[str]:
    import h5py

    from napari_tissue_dynamics.data.io.results import read_record

    with h5py.File(path) as file:
        lines: Sequence[str] = read_record(file).get("provenance", {}).get("actions", ())
        return lines


def _action(line: str) -> Action:
    values = json.loads(line)
    if not isinstance(values, dict) or not isinstance(values.get("action"), str):
        raise ValueError("a line is not an action")  # reported to the user as a damaged log
    return Action(values.pop("action"), values, str(values.pop("at", "")))


def plain(value: Any) -> Any:
    """Return a value in the words of JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, "values": values}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(each) for each in value]
    return value
