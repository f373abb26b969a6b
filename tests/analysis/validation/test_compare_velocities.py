import numpy as np
import pytest

from napari_tissue_dynamics.analysis.arrows import transitions
from napari_tissue_dynamics.analysis.validation.compare_velocities import compare_velocities_steps
from napari_tissue_dynamics.data.tissue import Labels
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import run_to_end


def compare_velocities(first, second):
    return run_to_end(compare_velocities_steps(first, second))


def field(velocity, moments, genes, time=None):
    v, x = velocity.astype(np.float32), moments.astype(np.float32)
    return VelocityField(tuple(genes), v, v, x, x, time=time)


@pytest.fixture
def pair(rng):
    """Two velocities that share six of eight genes, in another order and other units."""
    x, v = rng.uniform(1, 5, (40, 8)), rng.normal(size=(40, 8))
    other = [5, 0, 3, 7, 1, 2]
    first = field(v, x, "abcdefgh", rng.uniform(size=40).astype(np.float32))
    noisy = v[:, other] + 0.7 * rng.normal(size=(40, 6))
    second = field(10 * noisy, 10 * x[:, other], "fadhbc", (1 - first.time**2).astype(np.float32))
    return first, second, other


@pytest.mark.parametrize("block", [1, 10**7])
def test_cosines_and_correlations_equal_the_slow_loop(pair, block, monkeypatch):
    monkeypatch.setattr(transitions, "BLOCK", block)
    first, second, _ = pair
    found = compare_velocities(first, second)
    genes = [gene for gene in first.genes if gene in second.genes]
    assert found.genes == tuple(genes)
    columns = [[each.genes.index(gene) for gene in genes] for each in (first, second)]
    v, w = (
        each.spliced[:, use].astype(float) / each.moments_spliced[:, use].max(axis=0)
        for each, use in zip((first, second), columns, strict=True)
    )
    expected = [a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for a, b in zip(v, w, strict=True)]
    np.testing.assert_allclose(found.cosine, expected, atol=1e-5)
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(v.T, w.T, strict=True)]
    np.testing.assert_allclose(found.gene_correlation, correlation, atol=1e-6)
    assert found.time == pytest.approx(-1)
    assert found.mean == pytest.approx(np.mean(expected))


def test_the_same_velocity_agrees_and_its_reverse_is_opposed(pair):
    first, *_ = pair
    back = field(-first.spliced, first.moments_spliced, first.genes)
    same, reverse = compare_velocities(first, first), compare_velocities(first, back)
    assert (same.mean, same.opposed, same.time) == (pytest.approx(1), 0, pytest.approx(1))
    assert (reverse.mean, reverse.opposed, reverse.time) == (pytest.approx(-1), 1, None)
    assert abs(same.by_chance) < 0.3
    assert "100% of the cells move in opposite directions" in reverse.words


def test_cells_that_stand_still_have_no_cosine_and_count_in_no_group(pair):
    first, second, _ = pair
    still = first.spliced.copy()
    still[:5] = 0
    found = compare_velocities(field(still, first.moments_spliced, first.genes), second)
    assert np.isnan(found.cosine[:5]).all()
    labels = Labels("type", np.repeat([0, 1], [5, 35]).astype(np.int32), ("still", "moving"))
    assert list(found.by_group(labels)) == ["moving"]
    mean, number = found.by_group(labels)["moving"]
    assert number == 35
    assert mean == pytest.approx(found.cosine[5:].mean())


def test_what_cannot_be_compared_is_said(pair):
    first, second, _ = pair
    with pytest.raises(DataError, match="no gene in common"):
        compare_velocities(first, field(second.spliced, second.moments_spliced, "uvwxyz"))
    with pytest.raises(DataError, match="40 and 39 cells"):
        compare_velocities(first, field(second.spliced[1:], second.moments_spliced[1:], second.genes))
