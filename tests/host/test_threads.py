"""What napari and superqt do with workers, where we work around it."""

import warnings

import numpy as np
import pytest
from napari.qt.threading import create_worker


def test_a_worker_that_is_told_to_quit_neither_returns_nor_closes_its_generator(qtbot):
    """So a job has a stop token of its own and puts no clean-up into ``finally``."""
    heard = []

    def endless():
        try:
            while True:
                yield 1
        finally:
            heard.append("closed")

    worker = create_worker(endless, _start_thread=False)
    worker.returned.connect(lambda _: heard.append("returned"))
    worker.finished.connect(lambda: heard.append("finished"))
    stop = worker.quit
    worker.yielded.connect(lambda _: stop())
    with qtbot.waitSignal(worker.finished):
        worker.start()
    assert "returned" not in heard
    assert heard[:1] == ["finished"]


def test_a_running_worker_opens_all_warning_filters(qtbot):
    """So warnings that are errors are tested on the plain generator."""
    found = []

    def look():
        found.append(list(warnings.filters))
        yield 1

    before = list(warnings.filters)
    worker = create_worker(look, _start_thread=False)
    with qtbot.waitSignal(worker.finished):
        worker.start()
    assert found[0] != before
    assert found[0][0][0] == "always"


def test_a_float_field_loses_small_defaults_without_a_step():
    """So a form has a number field of its own."""
    from magicgui.widgets import FloatSpinBox

    assert FloatSpinBox(value=1e-5, min=0, max=1).value != 1e-5


def test_keys_with_a_slash_are_refused_or_warned_of_by_anndata(tmp_path):
    import anndata

    adata = anndata.AnnData(np.ones((2, 2), np.float32))
    adata.uns["a/b"] = 1
    warnings.simplefilter("error")  # pytest puts the filters back
    with pytest.raises((ValueError, FutureWarning)):
        adata.write_h5ad(tmp_path / "t.h5ad")


def test_menus_that_plugins_may_add_to():
    from napari._app_model.constants import MenuId

    open_ = {str(menu) for menu in MenuId.contributables()}
    assert {"napari/file/io_utilities", "napari/layers/visualize"} <= open_
