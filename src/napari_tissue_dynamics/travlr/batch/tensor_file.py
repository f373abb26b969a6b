"""Named arrays with a header in one safetensors file: written all or nothing, read through the memory map of the file.

The package safetensors copies a tensor when it reads it; here an array is a view into the file, so that a part of it
costs the reading of that part only, and processes on one machine share it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

import numpy as np

from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

Rows: TypeAlias = "NDArray[Any] | Sequence[NDArray[Any]]"

TYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "I8": np.int8, "BOOL": np.bool_}
NAMES = {np.dtype(kind): name for name, kind in TYPES.items()}
# The first eight bytes hold the length of the description of the tensors; more than this is no such file.
LENGTH_BYTES = 8
LONGEST_DESCRIPTION = 100_000_000


def safe_name(name: str) -> str:
    """Return a name as a file name: everything but letters, digits and ``_-~`` is percent-encoded."""
    return quote(name, safe="").replace(".", "%2E")


def write_tensors(path: Path, arrays: Mapping[str, Rows], header: Mapping[str, object]) -> None:
    """Write arrays and a header that JSON can hold, row by row, so that nothing is copied as a whole.

    Parameters
    ----------
    arrays
        Arrays of the types in ``TYPES``; a sequence of vectors of one length stands for the matrix of these rows.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    # Widest numbers first, so that every array begins at a multiple of its item size.
    ordered = sorted(arrays.items(), key=lambda item: -_kind(item[1]).itemsize)
    description: dict[str, Any] = {"__metadata__": {"header": json.dumps(header)}}
    end = 0
    for name, array in ordered:
        shape = array.shape if isinstance(array, np.ndarray) else (len(array), *(array[0].shape if array else (0,)))
        start, end = end, end + math.prod(shape) * _kind(array).itemsize
        description[name] = {"dtype": NAMES[_kind(array)], "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(description).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        for _, array in ordered:
            for row in [array] if isinstance(array, np.ndarray) else array:
                file.write(np.ascontiguousarray(row).data if row.size else b"")


def _kind(array: Rows) -> np.dtype[Any]:
    return array.dtype if isinstance(array, np.ndarray) else np.dtype(array[0].dtype if array else np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TensorFile:
    """A file of :func:`write_tensors`, with nothing of its arrays read yet.

    Parameters
    ----------
    places
        Type, shape and first byte of each array.
    """

    path: Path
    header: Mapping[str, Any]
    places: Mapping[str, tuple[type[np.generic], tuple[int, ...], int]]

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Read the header of a file.

        Raises
        ------
        DataError
            If there is no such file, or it is not one of these.
        """
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                length = int.from_bytes(file.read(LENGTH_BYTES), "little")
                if length > min(LONGEST_DESCRIPTION, size - LENGTH_BYTES):
                    raise ValueError("it does not begin with the length of its description")
                description = json.loads(file.read(length))
            header = json.loads(description.pop("__metadata__", {}).get("header", "{}"))
            places = {name: _place(entry, LENGTH_BYTES + length, size) for name, entry in description.items()}
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror or error}). Choose another file.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is damaged or not a file of coefficients ({error}). Delete it and fit again."
            ) from error
        return cls(path, header, places)

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def array(self, name: str) -> NDArray[Any]:
        """Return one array, read-only; parts that are not accessed are not read."""
        kind, shape, start = self.places[name]
        if not math.prod(shape):
            return np.zeros(shape, dtype=kind)
        return np.memmap(self.path, dtype=kind, mode="r", offset=start, shape=shape)


def _place(entry: Mapping[str, Any], data: int, size: int) -> tuple[type[np.generic], tuple[int, ...], int]:
    kind, shape = TYPES[entry["dtype"]], tuple(map(int, entry["shape"]))
    start, end = (data + int(offset) for offset in entry["data_offsets"])
    if end - start != math.prod(shape) * np.dtype(kind).itemsize or not data <= start <= end <= size:
        raise ValueError("an array does not fit into the file")
    return kind, shape, start
