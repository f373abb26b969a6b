"""Elements of an open .h5ad file: put in, replaced and taken out, with the order of columns kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py


def need_group(file: h5py.File, name: str) -> None:
    """Add a group, ``obsm`` or ``uns`` say, if there is none."""
    import anndata.io

    if name not in file:
        anndata.io.write_elem(file, name, {})


def add_element(file: h5py.File, group: str, key: str, value: Any) -> None:
    """Put a value in a group, in place of what was there."""
    import anndata.io

    need_group(file, group)
    anndata.io.write_elem(file[group], key, value)


def drop_element(file: h5py.File, group: str, key: str) -> None:
    """Take a value out of a group, if it is there."""
    if group in file and key in file[group]:
        del file[group][key]


def add_column(file: h5py.File, axis: str, key: str, values: Any) -> None:
    """Put a column in ``obs`` or ``var``, behind the others if it is new."""
    import anndata.io

    frame = file[axis]
    order = _column_order(frame)
    anndata.io.write_elem(frame, key, values)
    if key not in order:
        _set_column_order(frame, [*order, key])


def drop_column(file: h5py.File, axis: str, key: str) -> None:
    """Take a column out of ``obs`` or ``var``, if it is there."""
    frame = file[axis]
    order = _column_order(frame)
    if key in order:
        del frame[key]
        _set_column_order(frame, [name for name in order if name != key])


def _column_order(frame: h5py.Group) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in frame.attrs["column-order"]]


def _set_column_order(frame: h5py.Group, names: list[str]) -> None:
    import h5py

    frame.attrs.create("column-order", np.array(names, dtype=object), dtype=h5py.string_dtype())
