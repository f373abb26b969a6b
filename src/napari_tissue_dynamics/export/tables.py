"""Results as tables that any program reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_tissue_dynamics.data.fate_result import FateDrivers, FateResult
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.export.config import Columns
    from napari_tissue_dynamics.workflow.results import VelocityResult

VECTORS, KINETICS = "velocity_vectors.csv", "kinetic_params.csv"
TIME, FATES, DRIVERS = "latent_time.csv", "fate_probabilities.csv", "fate_drivers.csv"
DIGITS = "%.6g"


def vector_columns(tissue: Tissue, result: VelocityResult, n_components: int, seed: int) -> Columns:
    """Return place, velocity and speed of every cell in principal components, and its confidence if there is one."""
    from napari_tissue_dynamics.analysis.arrows.component_velocity import component_velocity

    found = component_velocity(result.field, n_components, seed=seed)
    number = range(found.scores.shape[1])
    return {
        "cell": np.array(tissue.cells, dtype=object),
        **{f"pc_{k + 1}": found.scores[:, k] for k in number},
        **{f"velocity_pc_{k + 1}": found.velocity[:, k] for k in number},
        "velocity_length": np.linalg.norm(found.velocity, axis=1),
        **({} if result.confidence is None else {"confidence": result.confidence}),
    }


def time_columns(tissue: Tissue, result: VelocityResult) -> Columns:
    """Return the latent time of every cell."""
    field = result.field
    if field.time is None:
        raise DataError(f"The {field.model} model has no latent time. Fit a model that has one.")
    columns: dict[str, NDArray[np.generic]] = {
        "cell": np.array(tissue.cells, dtype=object),
        "latent_time": field.time,
    }
    if tissue.cell_types is not None:
        columns[tissue.cell_types.name] = tissue.cell_types.values()
    return columns


def fate_columns(tissue: Tissue, fates: FateResult) -> Columns:
    """Return the probability of every terminal state, a column each, and the most likely state of every cell."""
    likely = np.array([*fates.names, ""], dtype=object)[fates.fate]  # -1 takes the last
    columns = {name: fates.probabilities[:, k] for k, name in enumerate(fates.names)}
    return {"cell": np.array(tissue.cells, dtype=object), **columns, "most_likely": likely}


def driver_columns(drivers: FateDrivers) -> Columns:
    """Return how far the expression of every gene goes with every fate, those that go most with a fate first."""
    table = drivers.table()
    return {name: table[name].to_numpy() for name in table.columns}


def write_table(path: Path, columns: Columns) -> Path:
    """Write columns as CSV, six digits, empty where a number is not known; complete or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    import pandas as pd

    from napari_tissue_dynamics.data.io.write import replacing

    with replacing(path) as temporary:
        pd.DataFrame(dict(columns)).to_csv(temporary, index=False, float_format=DIGITS)
    return path
