"""What really appears on the canvas of napari, where we work around it."""

import numpy as np
import pytest

pytestmark = pytest.mark.gui

SPREAD = np.array([[20.0, 20.0], [20.0, 80.0], [80.0, 20.0], [80.0, 80.0]])


@pytest.fixture
def colors_of(make_napari_viewer):
    """Return a function that draws points and gives the colors of the middle of each."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((100, 100), np.uint8))

    def drawn(places=SPREAD, **options):
        viewer.add_points(places, **options)
        viewer.reset_view()
        picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
        assert picture.any()
        return picture

    return drawn


def test_hidden_points_are_drawn_all_the_same(colors_of):
    """``shown`` does nothing in two dimensions, so cells are hidden by a color without opacity."""
    red = colors_of(face_color="red", border_width=0, size=12, shown=[True, True, False, False])
    _, columns = red.shape[:2]
    rows = np.flatnonzero((red[..., 0] > 200).any(axis=1))
    assert rows.max() - rows.min() > 0.4 * columns * min(1, red.shape[0] / columns)


def test_small_points_have_the_color_of_their_border(colors_of):
    """Points of less than two pixels are drawn as border, even without one; so face and border get one color."""
    picture = colors_of(face_color="red", border_color="blue", border_width=0, size=0.1)
    reds, blues = (int((picture[..., k] > 100).sum()) for k in (0, 2))
    assert blues > reds
