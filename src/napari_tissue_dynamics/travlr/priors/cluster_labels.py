"""Cell-type labels of any kind, counted from 0 inside and handed back as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

Label: TypeAlias = "Hashable"


def encode(values: Any) -> tuple[NDArray[np.int32], tuple[Label, ...]]:
    """Count labels from 0 without gaps.

    Parameters
    ----------
    values
        (cells,) numbers, names, a mixture of both, or a categorical column; None and NaN are no label.

    Returns
    -------
    (cells,) index into the labels, -1 where there is none, and the labels: numbers ascending before names in
    alphabetical order, as plain Python values.
    """
    import pandas as pd

    found, unique = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=True)
    plain = [plain_label(label) for label in unique]
    labels = sorted_labels(plain)
    place = {label: k for k, label in enumerate(labels)}
    table = np.array([place[label] for label in plain] + [-1], dtype=np.int32)
    return table[found], labels


def sorted_labels(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Return numbers in ascending order, then all others by how they are written; each once."""
    return tuple(sorted(dict.fromkeys(labels), key=_order))


def plain_label(label: Any) -> Label:
    """Return a number, truth value or text of numpy as that of Python."""
    value: Label = label.item() if isinstance(label, np.generic) else label
    if isinstance(value, float) and value.is_integer():
        return int(value)  # a column of whole numbers becomes floats as soon as one is missing
    return value


def _order(label: Label) -> tuple[bool, float, str]:
    number = isinstance(label, (int, float))
    return (not number, float(label) if isinstance(label, (int, float)) else 0.0, str(label))
