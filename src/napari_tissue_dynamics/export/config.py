"""Settings of the export of a velocity to a folder."""

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
    """Settings of the export.

    Parameters
    ----------
    tables
        Write velocities, rates, latent time and fates as CSV tables.
    dashboard
        Write a web page that shows the results in any browser.
    n_components
        Number of principal components of the exported velocities.
    most_cells
        Maximum number of cells on the page; larger data are randomly subsampled to keep the page responsive.
    most_genes
        Maximum number of genes with a phase portrait on the page, best fits first; fewer if there are many cells.
    seed
        Random seed of the subsampling and of a computed embedding.
    """

    tables: bool = True
    dashboard: bool = True
    n_components: Annotated[int, Interval(ge=2, le=50)] = 10
    most_cells: Annotated[int, Interval(ge=100, le=100_000)] = 20_000
    most_genes: Annotated[int, Interval(ge=1, le=1000)] = 200
    seed: Annotated[int, Ge(0)] = 0
