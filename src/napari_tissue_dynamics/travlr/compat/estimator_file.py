"""The file of a fitted estimator: settings and numbers, nothing that could run.

A zip without compression of ``header.json``, ``tensors.safetensors`` and ``checksum``, the hash of the two. It carries
no cells. It has the name that SpaceTravLR gives to its pickles, and differs from them in its first bytes.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.data.io.write import replacing
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.compat.anndata_cache import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

FORMAT = "tissue-dynamics estimator 1"
HEADER, TENSORS, CHECKSUM = "header.json", "tensors.safetensors", "checksum"
ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"


def write_estimator(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a header that JSON can hold and named tensors; the file is there as a whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    from safetensors.torch import save

    text = json_text({"format": FORMAT, **header})
    numbers = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder {path.parent} cannot be created ({error}). Choose another folder.") from error
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
        for name, content in ((HEADER, text), (TENSORS, numbers), (CHECKSUM, _hash(text, numbers))):
            file.writestr(zipfile.ZipInfo(name), content)  # a fixed date, so that equal estimators have equal files


def read_estimator(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors of a file of :func:`write_estimator`.

    Raises
    ------
    DataError
        If it is a pickle, another file, or has been changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}. Choose the file of an estimator, <gene>_estimator.pkl.")
    with path.open("rb") as file:
        first = file.read(len(ZIP_MAGIC))
    if first[:1] == PICKLE_MAGIC:
        raise DataError(
            f"{path.name} is a pickle, which can run arbitrary code when opened, and is not read. Fit the gene "
            "again and export it here."
        )
    if first != ZIP_MAGIC:
        raise DataError(f"{path.name} is not the file of an estimator. Choose a file written by export.")
    try:
        text, numbers = _contents(path)
        header = json.loads(text)
        tensors = load(numbers)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, SafetensorError, NotImplementedError) as error:
        raise DataError(
            f"{path.name} has been changed or is incomplete ({error}). Export the estimator again."
        ) from error
    if header.get("format") != FORMAT:
        raise DataError(
            f"{path.name} is {header.get('format')!r}; {FORMAT!r} was expected. Export the estimator again."
        )
    return header, tensors


def _contents(path: Path) -> tuple[bytes, bytes]:
    """Return header and tensors as they were written.

    Raises
    ------
    ValueError
        If they are not.
    """
    with zipfile.ZipFile(path) as file:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in file.infolist()):
            raise ValueError("its parts are compressed")
        text, numbers, stated = (file.read(name) for name in (HEADER, TENSORS, CHECKSUM))
    if stated != _hash(text, numbers):
        raise ValueError("its checksum does not match")
    return text, numbers


def _hash(text: bytes, numbers: bytes) -> bytes:
    digest = hashlib.blake2b(len(text).to_bytes(8, "little"), digest_size=32)
    digest.update(text)
    digest.update(numbers)
    return digest.hexdigest().encode()
