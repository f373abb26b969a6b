"""Elements of an AnnData, in memory or in an open .h5ad file: put in, looked up, replaced and taken out.

Results are written through these functions alone, so that one list of keys serves files and memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import h5py
    from anndata import AnnData
    from numpy.typing import NDArray

Store: TypeAlias = "h5py.File | AnnData"
"""What holds the elements."""


def add_element(store: Store, group: str, key: str, value: Any) -> None:
    """Put a value in a group, ``"obsm"`` or ``"uns/velocity_params"``, in place of what was there."""
    if _in_memory(store):
        first, *rest = group.split("/")
        place = getattr(store, first)
        for name in rest:
            place = place.setdefault(name, {})
        place[key] = value
        return
    import anndata.io

    _need_group(store, group)
    anndata.io.write_elem(store[group], key, value)


def drop_element(store: Store, group: str, key: str) -> None:
    """Take a value out of a group, if it is there."""
    if key in keys_of(store, group):
        del (getattr(store, group) if _in_memory(store) else store[group])[key]


def keys_of(store: Store, group: str) -> tuple[str, ...]:
    """Return the keys of ``layers``, ``obsm``, ``obsp``, ``varm`` or ``uns``, none if there is no such group."""
    found = getattr(store, group) if _in_memory(store) else store.get(group, ())
    return tuple(found)


def text_of(store: Store, *path: str) -> str | None:
    """Return the text under a path in ``uns``, None where there is no text."""
    found: Any = store.uns if _in_memory(store) else store.get("uns")
    for name in path:
        if not hasattr(found, "keys") or name not in found:
            return None
        found = found[name]
    if hasattr(found, "asstr"):
        found = found[()]
    if isinstance(found, bytes):
        return found.decode()
    return found if isinstance(found, str) else None


def add_column(store: Store, axis: str, key: str, values: Any) -> None:
    """Put a column in ``obs`` or ``var``, behind the others if it is new."""
    if _in_memory(store):
        getattr(store, axis)[key] = values
        return
    import anndata.io

    frame = store[axis]
    order = _column_order(frame)
    anndata.io.write_elem(frame, key, values)
    if key not in order:
        _set_column_order(frame, [*order, key])


def drop_column(store: Store, axis: str, key: str) -> None:
    """Take a column out of ``obs`` or ``var``, if it is there."""
    if _in_memory(store):
        frame = getattr(store, axis)
        if key in frame:
            del frame[key]
        return
    frame = store[axis]
    order = _column_order(frame)
    if key in order:
        del frame[key]
        _set_column_order(frame, [name for name in order if name != key])


def add_layer(store: Store, key: str, shape: tuple[int, int], blocks: Iterable[NDArray[np.float32]]) -> None:
    """Put a dense float32 layer that comes in blocks of rows in place of what was there."""
    drop_element(store, "layers", key)
    layer: Any = np.empty(shape, dtype=np.float32) if _in_memory(store) else _layer_on_disk(store, key, shape)
    first = 0
    for block in blocks:
        layer[first : first + len(block)] = block
        first += len(block)
    if _in_memory(store):
        store.layers[key] = layer


def _in_memory(store: Store) -> TypeGuard[AnnData]:
    return hasattr(store, "obs_names")


def _layer_on_disk(file: Any, key: str, shape: tuple[int, int]) -> h5py.Dataset:
    _need_group(file, "layers")
    rows = max(1, min(shape[0], (1 << 20) // (4 * shape[1])))
    dataset = file["layers"].create_dataset(
        key, shape, np.float32, chunks=(rows, shape[1]), compression="gzip", compression_opts=1
    )
    dataset.attrs["encoding-type"] = "array"
    dataset.attrs["encoding-version"] = "0.2.0"
    return dataset


def _need_group(file: Any, name: str) -> None:
    import anndata.io

    first, _, rest = name.partition("/")
    if first not in file:
        anndata.io.write_elem(file, first, {})
    if rest:
        _need_group(file[first], rest)


def _column_order(frame: h5py.Group) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in frame.attrs["column-order"]]


def _set_column_order(frame: h5py.Group, names: list[str]) -> None:
    import h5py

    frame.attrs.create("column-order", np.array(names, dtype=object), dtype=h5py.string_dtype())
