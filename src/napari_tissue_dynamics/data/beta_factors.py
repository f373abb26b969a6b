"""Per-cell coefficients kept as a product of small arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

Bend = Literal["identity", "sigmoid", "sigmoidx2", "sigmoidx1.5", "tanh", "gelu", "softplus"]


class Coefficients(Protocol):
    """Coefficients of every cell that are made or read when they are asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and columns."""
        ...

    def values(
        self, columns: NDArray[np.integer] | slice = slice(None), cells: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the (cells, columns) float32 coefficients, all or the chosen ones only."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BetaFactors:
    r"""Coefficients of every cell, 10 to 100 times smaller than their table.

    .. math:: \beta_{ik} = a_{ck} \, \phi\Big(\sum_m h_{im} W_{cmk}\Big), \qquad c = \text{type of cell } i

    Cells without a type have zeros. A smooth basis has :math:`\phi` = identity and shares :math:`h` between all
    genes; a network has its last hidden layer (and a column of ones) as :math:`h`.

    Parameters
    ----------
    basis
        h, (cells, functions) float32.
    codes
        (cells,) int32 type of each cell, -1 for none.
    weights
        W, (types, functions, columns) float32.
    anchors
        a, (types, columns) float32.
    bend
        Name of :math:`\phi`.
    """

    basis: NDArray[np.float32]
    codes: NDArray[np.int32]
    weights: NDArray[np.float32]
    anchors: NDArray[np.float32]
    bend: Bend = "identity"

    def __post_init__(self) -> None:
        types, functions, columns = self.weights.shape
        expected = {"basis": (len(self.codes), functions), "anchors": (types, columns)}
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise DataError(f"The {name} of the coefficients is {found}; {shape} was expected.")
        if self.bend not in BENDS:
            raise DataError(
                f"The bend {self.bend!r} of the coefficients is unknown; expected one of {', '.join(BENDS)}."
            )
        for array in (self.basis, self.codes, self.weights, self.anchors):
            array.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and columns."""
        return len(self.codes), self.weights.shape[2]

    def values(
        self, columns: NDArray[np.integer] | slice = slice(None), cells: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the (cells, columns) float32 coefficients, all or the chosen ones only."""
        codes, basis = self.codes[cells], self.basis[cells]
        weights, anchors = self.weights[:, :, columns], self.anchors[:, columns]
        result = np.zeros((len(codes), weights.shape[2]), dtype=np.float32)
        bend = BENDS[self.bend]
        for code in np.unique(codes[codes >= 0]):
            rows = codes == code
            result[rows] = anchors[code] * bend(basis[rows] @ weights[code])
        return result


def _sigmoid(value: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.special import expit

    result: NDArray[np.float32] = expit(value)
    return result


def _gelu(value: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.special import ndtr

    return np.asarray(value * ndtr(value), dtype=np.float32)


BENDS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "identity": lambda value: value,
    "sigmoid": _sigmoid,
    "sigmoidx2": lambda value: 2 * _sigmoid(value),
    "sigmoidx1.5": lambda value: np.float32(1.5) * _sigmoid(value),
    "tanh": np.tanh,
    "gelu": _gelu,
    "softplus": lambda value: np.logaddexp(np.float32(0), value),
}
