"""The last folders, files and settings that the user chose, kept from session to session.

They are kept in one small file in the settings folder of the user. As in napari, ``NAPARI_CONFIG`` names another
place, and empty it keeps nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qtpy.QtCore import QStandardPaths

from napari_tissue_dynamics.descriptions import setting_values, with_settings

if TYPE_CHECKING:
    from collections.abc import Collection

Settings = TypeVar("Settings")

RESULTS = "results"
NAME = "napari-tissue-dynamics.json"
MOST_FILES = 200
"""Of which tissues is it remembered how they were read; the oldest give way."""


def place() -> Path | None:
    """Return the file that choices are kept in, None if none are to be kept."""
    chosen = os.environ.get("NAPARI_CONFIG")
    if chosen is not None:
        return Path(chosen).with_name(NAME) if chosen else None
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(folder) / NAME if folder else None


def last(key: str, default: Any = None) -> Any:
    """Return what was kept under a key."""
    return _read().get(key, default)


def keep(key: str, value: Any) -> None:
    """Keep something that JSON can represent; a disk that is full or locked is no reason to interrupt the user."""
    file = place()
    if file is None:
        return
    text = json.dumps({**_read(), key: value}, indent=1)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)


def last_folder(key: str) -> str:
    """Return the folder that was used last for something, as a dialog wants it; empty if it is gone."""
    folder = str(last(f"folder of {key}", ""))
    return folder if folder and Path(folder).is_dir() else ""


def keep_folder(key: str, folder: Path) -> None:
    """Keep the folder that was used for something."""
    keep(f"folder of {key}", str(folder.absolute()))


def beside(source: Path | None, name: str) -> str:
    """Return what a dialog first offers as the place of a result.

    Next to the tissue if possible, else where the last result went.
    """
    if source is not None and os.access(source.parent, os.W_OK):
        return str(source.with_name(f"{source.stem}_{name}"))
    stem = "" if source is None else f"{source.stem}_"
    return str(Path(last_folder(RESULTS), f"{stem}{name}"))


def keep_result(path: Path) -> None:
    """Keep the folder that a result was written to."""
    keep_folder(RESULTS, path.parent)


def last_settings(settings: Settings, other_than: Collection[str] = ()) -> Settings:
    """Return settings with the values of the last run of their kind; values that are no longer valid are skipped.

    Parameters
    ----------
    other_than
        Names that are not taken over: what depends on the tissue.
    """
    known: Any = last(f"settings of {type(settings).__name__}", {})
    if not isinstance(known, dict):
        return settings
    here = {name: value for name, value in setting_values(settings).items() if name not in other_than}
    same = {name: value for name, value in known.items() if name in here and type(value) is type(here[name])}
    return with_settings(settings, same)


def keep_settings(settings: Any) -> None:
    """Keep the settings of a run."""
    keep(f"settings of {type(settings).__name__}", setting_values(settings))


def last_of_file(path: Path) -> dict[str, Any]:
    """Return what was kept of a file with a tissue."""
    found = last("files", {}).get(str(path.absolute()), {})
    return found if isinstance(found, dict) else {}


def keep_of_file(path: Path, **values: Any) -> None:
    """Keep something of a file with a tissue beside what is known of it already."""
    known = last("files", {})
    name = str(path.absolute())
    newest = {**known.pop(name, {}), **values}
    keep("files", dict([*list(known.items())[-(MOST_FILES - 1) :], (name, newest)]))


def _read() -> dict[str, Any]:
    file = place()
    try:
        found = json.loads(file.read_text()) if file is not None else {}
    except (OSError, ValueError):  # none yet, or one that somebody broke
        return {}
    return found if isinstance(found, dict) else {}
