import numpy as np
import pytest

from napari_tissue_dynamics.data.io.new_anndata import new_anndata
from napari_tissue_dynamics.data.regulation_field import GeneFit, RegulationField
from napari_tissue_dynamics.data.velocity_field import VelocityField
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.layers.colorable import Catalog, Entry, Sources
from napari_tissue_dynamics.layers.coloring import Values
from napari_tissue_dynamics.simulators.tissue import simulate_tissue

NAMES = {
    "column": ("cell_type", "batch"),
    "result": ("latent time",),
    "gene": ("Sox2", "Sox21", "Asox2", "Pax6", "H2-Sox2"),
    "beta": ("Sox2 ← Pax6", "Pax6 ← Sox2"),
}


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue(n_cells=120, n_genes=30, seed=1).tissue


def found(text, **options):
    return [entry.name for entry in Catalog(NAMES).search(text, **options)[0]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sox2", ["Sox2", "Sox21", "Sox2 ← Pax6", "H2-Sox2", "Pax6 ← Sox2", "Asox2"]),
        ("PAX6", ["Pax6", "Pax6 ← Sox2", "Sox2 ← Pax6"]),
        ("pax sox", ["Pax6 ← Sox2", "Sox2 ← Pax6"]),
        ("sox2 ← pax6", ["Sox2 ← Pax6", "Pax6 ← Sox2"]),
        ("time", ["latent time"]),
        ("nothing like it", []),
    ],
)
def test_every_word_is_found_and_the_closest_comes_first(text, names):
    assert found(text) == names


def test_without_words_all_are_listed_and_a_limit_holds():
    catalog = Catalog(NAMES)
    assert catalog.search("")[1] == len(catalog) == 10
    entries, n_found = catalog.search("o", limit=3)
    assert (len(entries), n_found) == (3, 6)
    assert Entry("gene", "Pax6") in catalog
    assert Entry("gene", "batch") not in catalog


def test_values_are_those_of_the_tissue_and_the_results(tissue, rng):
    n = tissue.n_cells
    genes = tissue.genes[3:6]
    matrices = [rng.normal(size=(n, 3)).astype(np.float32) for _ in range(4)]
    probability = rng.dirichlet([1, 1], n).astype(np.float32)
    field = VelocityField(genes, *matrices, time=rng.random(n, np.float32), expert_probability=probability)
    betas = rng.normal(size=(n, 3)).astype(np.float32)
    regulation = RegulationField((GeneFit(genes[0], ("Tf", "L$R"), betas),))
    sources = Sources(tissue, velocity=field, regulation=regulation, results={"sure": Values(matrices[0][:, 0])})
    names = sources.names()
    assert names["beta"] == (f"{genes[0]} ← Tf", f"{genes[0]} ← L \N{EN DASH} R")
    assert names["result"] == ("latent time", "expert", "expert 0 weight", "expert 1 weight", "sure")
    read = {name: sources.read(Entry(group, name)) for group in names for name in names[group]}
    np.testing.assert_array_equal(read[genes[1]].numbers, tissue.expression[:, 4])
    np.testing.assert_array_equal(read[f"{genes[1]} velocity"].numbers, matrices[0][:, 1])
    np.testing.assert_array_equal(read[f"{genes[0]} ← L \N{EN DASH} R"].numbers, betas[:, 2])
    np.testing.assert_array_equal(read["expert"].codes, probability.argmax(1))
    assert read[tissue.cell_types.name] is tissue.cell_types
    assert (read["latent time"].limits, read[f"{genes[0]} ← Tf"].signed) == ((0, 1), True)


def test_columns_and_genes_come_from_the_file_when_they_are_asked_for(tissue, rng, tmp_path):
    adata = new_anndata(tissue)
    adata.obs["score"] = rng.normal(size=tissue.n_cells)
    adata.obs["batch"] = np.where(np.arange(tissue.n_cells) < 50, "one", "two")
    path = tmp_path / "t.h5ad"
    adata.write_h5ad(path)
    bare = tissue.with_(expression=None, spliced=None, unspliced=None)
    for shown in (bare, bare.select_cells(rng.permutation(tissue.n_cells)[:40])):
        sources = Sources(shown, path, ("score", "batch"))
        rows = [tissue.cells.index(cell) for cell in shown.cells]
        score = sources.read(Entry("column", "score")).numbers
        np.testing.assert_allclose(score, adata.obs["score"].to_numpy()[rows], rtol=1e-6)
        batch = sources.read(Entry("column", "batch"))
        assert batch.values().tolist() == adata.obs["batch"].astype(str).to_numpy()[rows].tolist()
        gene = sources.read(Entry("gene", tissue.genes[7])).numbers
        np.testing.assert_allclose(gene, tissue.expression[rows, 7])


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (Entry("gene", "nope"), "There is no gene 'nope'"),
        (Entry("column", "nope"), "no column 'nope'"),
        (Entry("result", "latent time"), "No result 'latent time' is available"),
        (Entry("velocity", "a velocity"), "No velocity for 'a'"),
        (Entry("beta", "a ← b"), "No betas for 'a ← b'"),
    ],
)
def test_what_is_not_there_is_said(tissue, entry, sentence):
    with pytest.raises(DataError, match=sentence):
        Sources(tissue).read(entry)
