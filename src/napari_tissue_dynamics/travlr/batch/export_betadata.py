"""Write fitted genes as the tables of the original package, ``<gene>_betadata.parquet``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, stopped

if TYPE_CHECKING:
    from collections.abc import Generator

    import pandas as pd

    from napari_tissue_dynamics.data.regulation_field import GeneFit
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.travlr.batch.store import BetaStore

# Settings of the original's run_params.json and the names that they have here.
PARAMETERS = {
    "max_epochs": "epochs",
    "spatial_dim": "spatial_dim",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "rotate_maps": "rotate_maps",
    "threshold_lambda": "threshold_lambda",
    "tf_ligand_cutoff": "tf_ligand_cutoff",
    "activation": "activation",
}


def legacy_file(gene: str) -> str:
    """Return the name of a gene's table; what a file name cannot hold is percent-encoded."""
    return f"{gene.replace('%', '%25').replace('/', '%2F')}_betadata.parquet"


def legacy_table(fit: GeneFit, cells: tuple[str, ...]) -> pd.DataFrame:
    """Return ``beta0``, ``beta_TF``, ``beta_L$R``, ``beta_L#TF`` of every cell, float32, without columns of zeros."""
    import pandas as pd

    betas = fit.betas
    kept = np.flatnonzero(betas.any(axis=0))
    columns = pd.Index([fit.columns[k] for k in kept], dtype=object)
    return pd.DataFrame(betas[:, kept], index=pd.Index(cells, dtype=object), columns=columns, dtype=np.float32)


def export_legacy_steps(
    store: BetaStore, folder: str | Path, stop: StopToken | None = None
) -> Generator[Progress, None, int]:
    """Write the tables of all genes and a ``run_params.json``; memory is that of one table.

    Parameters
    ----------
    folder
        Where to write; made when it is not there.
    stop
        Ends the work between two genes.

    Yields
    ------
    Progress after each gene.

    Returns
    -------
    Number of tables written.

    Raises
    ------
    DataError
        If the folder is that of the store, or cannot be written.
    """
    folder = Path(folder)
    if folder.resolve() == store.path.resolve():
        raise DataError(f"{folder} holds the run itself. Choose another folder for its tables.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be created ({error.strerror or error}). Choose another folder.") from error
    cells, targets = store.cells, store.targets
    with replacing(folder / "run_params.json") as temporary:
        temporary.write_text(json.dumps(_parameters(store, folder, len(targets)), indent=1))
    for k, target in enumerate(targets):
        if stopped(stop):
            return k
        with replacing(folder / legacy_file(target)) as temporary:
            legacy_table(store.gene(target), cells).to_parquet(temporary)
        yield Progress(f"table of {target}", k + 1, len(targets), (k + 1) / len(targets))
    return len(targets)


def _parameters(store: BetaStore, folder: Path, n_genes: int) -> dict[str, object]:
    about, settings = store.record.about, store.record.settings
    shared = ("timestamp", "radius", "contact_distance", "scale_factor", "annot", "layer")
    return {
        **{name: about.get(name) for name in shared},
        **{name: settings.get(ours) for name, ours in PARAMETERS.items()},
        "save_dir": str(folder),
        "n_genes": n_genes,
    }
