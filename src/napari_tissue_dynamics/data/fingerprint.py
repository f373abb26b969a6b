"""What identifies a tissue and an installation."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from napari_tissue_dynamics.data.tissue import Tissue

LIBRARIES = ("numpy", "scipy", "torch", "anndata", "scikit-learn", "napari")
"""Libraries whose versions can change a result."""


def fingerprint(tissue: Tissue) -> str:
    """Return a hash of the genes, the places and the counts of all cells."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([tissue.n_cells, tissue.genes, tissue.unit]).encode())
    digest.update(np.ascontiguousarray(tissue.positions).data)
    for counts in (tissue.spliced, tissue.unspliced):
        if counts is None:
            digest.update(b"none")
            continue
        arrays = (counts.indptr, counts.indices, counts.data) if isinstance(counts, sparse.csr_array) else (counts,)
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def installed() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that results depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
