"""What the public functions have in common: tissues from AnnData, settings by name, progress."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from napari_tissue_dynamics.data.io.read import ReadOptions, from_anndata
from napari_tissue_dynamics.data.tissue import Tissue
from napari_tissue_dynamics.descriptions import setting_types, setting_values, with_settings
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.settings import check_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from anndata import AnnData

    from napari_tissue_dynamics.progress import Progress
    from napari_tissue_dynamics.terminal import Style

Result = TypeVar("Result")
Report: TypeAlias = "bool | Callable[[Progress], None] | None"
"""Accepted ``progress``: a function that receives it, True for a line in the terminal, None for one if visible."""


class Input(NamedTuple):
    """A tissue, and the AnnData it is part of; None for a tissue that was given as such."""

    tissue: Tissue
    adata: AnnData | None

    def stored_in(self, copy: bool) -> AnnData | None:
        """Return the AnnData that results go into: the one that was given, or a copy of it.

        Raises
        ------
        DataError
            If a copy of a tissue is asked for.
        """
        if copy and self.adata is None:
            raise DataError(
                "A Tissue holds no results, so there is nothing to copy. Omit copy; the result is returned."
            )
        return self.adata.copy() if copy and self.adata is not None else self.adata


def opened(data: AnnData | Tissue, options: ReadOptions) -> Input:
    """Return the tissue of what was given.

    Raises
    ------
    DataError
        If it is neither an AnnData nor a tissue, or cannot be used.
    """
    if not isinstance(data, Tissue):
        return Input(from_anndata(data, options), data)
    if options != ReadOptions():
        raise DataError(
            "A Tissue has already been read. Choose layers and columns when reading it, or pass an AnnData."
        )
    return Input(data, None)


def with_given(given: Mapping[str, Any], *settings: Any) -> tuple[Any, ...]:
    """Return settings with the values that were given by name; each value goes to the settings that have its name.

    Raises
    ------
    DataError
        If no settings have a name, or a value is of the wrong kind or out of its range.
    """
    names = [set(setting_values(each)) for each in settings]
    for name in given:
        if not any(name in each for each in names):
            raise DataError(_unknown(name, sorted(set().union(*names))))
    changed = []
    for each, own in zip(settings, names, strict=True):
        values = {name: value for name, value in given.items() if name in own}
        hints = setting_types(type(each)) if values else {}
        for name, value in values.items():
            check_setting(name, value, hints[name])
        changed.append(with_settings(each, values))
    return tuple(changed)


def run(steps: Generator[Progress, None, Result], progress: Report) -> Result:
    """Run a fit to its end and report how far it is."""
    from napari_tissue_dynamics.progress import run_to_end
    from napari_tissue_dynamics.terminal import TerminalProgress

    if callable(progress):
        return run_to_end(steps, progress)
    style: Style = "auto" if progress is None else "bar" if progress else "quiet"
    with TerminalProgress(style) as report:
        return run_to_end(steps, report)


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no setting {name!r}.{hint} The settings are {', '.join(known)}."
