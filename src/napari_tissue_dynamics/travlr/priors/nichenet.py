"""NicheNet's regulatory potential of every ligand on every gene: from a file, or downloaded once when asked for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.tf_ligands import read_tf_ligands, scores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from napari_tissue_dynamics.travlr.priors.pairs import Species
    from napari_tissue_dynamics.travlr.priors.tf_ligands import TfLigandScores

# The record that SpaceTravLR uses. A published version of a Zenodo record cannot be changed, and states the checksum
# of each file; the checksums are asked for there because the files have not been seen when this was written.
DOI = "doi:10.5281/zenodo.17594271"
FILES: Mapping[Species, str] = {
    "mouse": "ligand_target_mouse.parquet",
    "human": "ligand_target_human.parquet",
}
# The checksum of what was downloaded, beside it: what lies in the folder later is what was checked then.
CHECKSUM = ".sha256"


def nichenet_scores(
    species: Species,
    *,
    path: str | Path | None = None,
    table: pd.DataFrame | None = None,
    download: bool = False,
    folder: str | Path | None = None,
    fetch: Callable[[str, Path], Path] | None = None,
) -> TfLigandScores:
    """Return the matrix of ligand-target scores.

    Parameters
    ----------
    species
        Which of the two matrices.
    path
        A file with target genes in rows and ligands in columns, in place of NicheNet's own.
    download
        Download NicheNet's matrix unless it is in the folder already. Nothing is ever downloaded otherwise.
    folder
        Where downloads are kept; by default the cache folder of the operating system.
    fetch
        Brings the file of that name into a folder and returns its path, checked; by default from Zenodo.

    Raises
    ------
    DataError
        If the matrix is neither given nor in the folder and must not be downloaded, cannot be downloaded, or is not
        what was downloaded before.
    """
    if table is not None:
        return scores_of(table, "The table of ligand-target scores")
    if path is not None:
        return read_tf_ligands(path)
    name, kept = FILES[species], _folder(folder)
    found = kept / name
    if not found.is_file():
        if not download:
            raise DataError(
                f"There is no {name} in {kept}. Pass download=True to fetch it once from Zenodo "
                f"({DOI.removeprefix('doi:')}), or name a file of ligand-target scores."
            )
        found = (fetch or _from_zenodo)(name, kept)
        found.with_name(found.name + CHECKSUM).write_text(_sha256(found))
    _check(found)
    return read_tf_ligands(found)


def _folder(folder: str | Path | None) -> Path:
    if folder is not None:
        return Path(folder)
    import pooch

    return Path(pooch.os_cache("napari-tissue-dynamics"))


def _from_zenodo(name: str, folder: Path) -> Path:
    """Download a file of the record, checked against the checksum that the record states."""
    import pooch

    remote = pooch.create(path=folder, base_url=f"{DOI}/", registry=None)
    try:
        remote.load_registry_from_doi()
        return Path(remote.fetch(name))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise DataError(
            f"{name} could not be downloaded from {DOI.removeprefix('doi:')} ({error}). Try again with a connection, "
            "or download it by hand and name the file."
        ) from error


def _check(path: Path) -> None:
    stated = path.with_name(path.name + CHECKSUM)
    if not stated.is_file() or stated.read_text().strip() != _sha256(path):
        raise DataError(
            f"{path} is not the downloaded file: its checksum is missing or does not match. Delete it and "
            "download it again, "
            "or name the file if it is yours."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
