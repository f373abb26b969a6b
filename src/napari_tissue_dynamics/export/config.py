"""What of a velocity is written into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray

Columns: TypeAlias = Mapping[str, NDArray[np.generic]]
"""The columns of a table, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What is written.

    Parameters
    ----------
    tables
        Write velocities, rates, latent time and fates as CSV.
    dashboard
        Write a page that shows the results in any browser.
    n_components
        Principal components that velocities are written in.
    most_cells
        Cells that the page shows; of more an even random selection, so that it stays fluent.
    most_genes
        Genes with a phase portrait on the page, the best fitted ones; fewer where there are many cells.
    seed
        Seed of the selection and of an embedding that has to be computed.
    """

    tables: bool = True
    dashboard: bool = True
    n_components: Annotated[int, Interval(ge=2, le=50)] = 10
    most_cells: Annotated[int, Interval(ge=100, le=100_000)] = 20_000
    most_genes: Annotated[int, Interval(ge=1, le=1000)] = 200
    seed: Annotated[int, Ge(0)] = 0
