from __future__ import annotations

import shutil
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.travlr.priors.nichenet import FILES, nichenet_scores

TABLE = pd.DataFrame([[0.1, 0.5], [0.2, 0.0]], index=["Sox2", "Pax6"], columns=["Wnt5a", "Fgf8"])


def _same(scores):
    assert scores.genes == ("Sox2", "Pax6")
    assert scores.ligands == ("Wnt5a", "Fgf8")
    np.testing.assert_allclose(scores.values, TABLE)


def test_a_table_or_a_file_is_taken_as_it_is(tmp_path):
    TABLE.to_parquet(tmp_path / "scores.parquet")
    _same(nichenet_scores("mouse", table=TABLE))
    _same(nichenet_scores("human", path=tmp_path / "scores.parquet"))


def test_nothing_is_downloaded_unless_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"ligand_target_mouse.parquet.*download=True"):
        nichenet_scores("mouse", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_downloaded_once_and_checked_ever_after(tmp_path):
    source, folder = tmp_path / "remote.parquet", tmp_path / "kept"
    TABLE.to_parquet(source)
    asked = []

    def fetch(name, into):
        asked.append(name)
        into.mkdir()
        return shutil.copy(source, into / name) and into / name

    for _ in range(2):
        _same(nichenet_scores("mouse", download=True, folder=folder, fetch=fetch))
    _same(nichenet_scores("mouse", folder=folder))
    assert asked == [FILES["mouse"]]
    (TABLE * 2).to_parquet(folder / FILES["mouse"])
    with pytest.raises(DataError, match="not the downloaded file"):
        nichenet_scores("mouse", download=True, folder=folder, fetch=fetch)


def test_a_failed_download_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(DataError, match="could not be downloaded"):
        nichenet_scores("human", download=True, folder=tmp_path)


def test_importing_looks_nothing_up():
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import napari_tissue_dynamics.travlr.priors.nichenet, sys; assert 'pooch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
