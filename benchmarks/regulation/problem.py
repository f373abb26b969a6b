"""One tissue with known regulation as a file that every runner reads; needs NumPy only."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is given: everything but the target in cells that a split hides.

    ``x`` (cells, modulators) are the columns of ``names``, the same for all ``targets``; ``y`` (cells, targets) and
    ``codes`` (cells,) the type of each cell; ``shown`` by name of a split which cells' targets may be looked at.
    """

    positions: np.ndarray
    codes: np.ndarray
    types: tuple
    expression: np.ndarray
    genes: tuple
    factors: tuple
    pairs: tuple
    tf_ligands: tuple
    targets: tuple
    names: tuple
    x: np.ndarray
    shown: dict
    radius: float
    scale_factor: float

    def y(self, target):
        """Return the (cells,) expression of a target."""
        return self.expression[:, self.genes.index(target)].astype(np.float64)


def read_problem(path):
    with np.load(path) as found:
        arrays = dict(found)
    shown = {key.removeprefix("shown_"): value for key, value in arrays.items() if key.startswith("shown_")}
    plain = {key: value for key, value in arrays.items() if not key.startswith("shown_")}
    for key in ("types", "genes", "factors", "targets", "names"):
        plain[key] = tuple(plain[key].tolist())
    for key in ("pairs", "tf_ligands"):
        plain[key] = tuple(map(tuple, plain[key].tolist()))
    for key in ("radius", "scale_factor"):
        plain[key] = float(plain[key])
    return Problem(shown=shown, **plain)


def write_problem(path, shown, **plain):
    np.savez(path, **{f"shown_{name}": mask for name, mask in shown.items()}, **plain)


def write_result(path, names, betas, cpu, setup_cpu):
    """Keep what a runner found.

    ``betas`` by split and target are (cells, 1 + modulators), intercept first, in the order of ``names``; ``cpu`` by
    split and target the seconds of one fit, ``setup_cpu`` those of what all targets share.
    """
    arrays = {f"betas/{split}/{target}": found for (split, target), found in betas.items()}
    arrays |= {f"cpu/{split}/{target}": seconds for (split, target), seconds in cpu.items()}
    np.savez(path, names=np.array(names, dtype=str), setup_cpu=setup_cpu, **arrays)


def read_result(path):
    with np.load(path) as found:
        arrays = dict(found)
    result = {"names": tuple(arrays.pop("names").tolist()), "setup_cpu": float(arrays.pop("setup_cpu"))}
    for kind in ("betas", "cpu"):
        result[kind] = {tuple(key.split("/")[1:]): value for key, value in arrays.items() if key.startswith(kind)}
    return result


def add_runner_options(parser):
    """Add what every runner is told."""
    parser.add_argument("--problem", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--targets", type=int, default=None, help="the first so many; default all")
    parser.add_argument("--splits", nargs="+", default=["all"])
