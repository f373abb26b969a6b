"""Fit one gene in all cell types, and report to any progress bar."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_tissue_dynamics.descriptions import with_settings
from napari_tissue_dynamics.progress import drained
from napari_tissue_dynamics.travlr.compat.trained import Trained, data_fingerprint
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.travlr.nets.cell_type import TypeFit, seed_of, type_steps
from napari_tissue_dynamics.travlr.nets.cell_type_network import Niche, betas_of, new_network
from napari_tissue_dynamics.travlr.nets.initial_coefficients import r_squared, seed_steps
from napari_tissue_dynamics.travlr.smooth.held_out import blocked_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import torch
    from numpy.typing import NDArray

    from napari_tissue_dynamics.travlr.compat.prepared import Data
    from napari_tissue_dynamics.travlr.compat.spatial_features import Places
    from napari_tissue_dynamics.travlr.nets.cell_type_network import BatchNorm, Network
    from napari_tissue_dynamics.travlr.nets.spatial_maps import Maps
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label
    from napari_tissue_dynamics.travlr.versions import CompatibilityProfile

# Fewer cells than this, fitted or held out, tell nothing about the fit.
FEWEST_HELD_OUT = 5


class Bar(Protocol):
    """Anything that can be told how many cells more have been looked at."""

    def update(self, n: int = ...) -> Any:
        """Advance by n."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """All cells that one gene is fitted to.

    Parameters
    ----------
    x, y
        (cells, modulators) and (cells,).
    groups
        (modulators,).
    positions, codes, neighbors
        (cells, 2 or 3), (cells,) and (cells, types).
    maps
        What a network sees of each type.
    labels
        Cell types.
    allowed
        (modulators,) which may act, for the types where not all may.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    groups: NDArray[np.integer]
    positions: NDArray[np.float64]
    codes: NDArray[np.int32]
    neighbors: NDArray[np.float32]
    maps: tuple[Maps, ...]
    labels: tuple[Label, ...]
    allowed: Mapping[Label, NDArray[np.bool_]]


def fit_config(profile: CompatibilityProfile, radii: tuple[float, float], **chosen: Any) -> TravlrConfig:
    """Return the settings of a fit: what a person chose, and what the profile says.

    Parameters
    ----------
    profile
        Switches of a version of SpaceTravLR.
    radii
        Radius and contact distance.
    chosen
        Fields of :class:`~napari_tissue_dynamics.travlr.config.TravlrConfig`.
    """
    own = {name: getattr(profile, name) for name in ("kernel", "solver", "standardize", "activation", "rotate_maps")}
    reach = {"radius": radii[0], "contact_distance": radii[1]}
    return with_settings(TravlrConfig(estimator="network"), {**reach, **own, **chosen})


def fit_types(
    data: Data,
    allowed: Mapping[Label, NDArray[np.bool_]],
    config: TravlrConfig,
    profile: CompatibilityProfile,
    device: torch.device,
    *,
    skip: Collection[Label] = (),
    bar: Bar | None = None,
) -> Trained:
    """Fit one gene in all cell types that are not skipped.

    Parameters
    ----------
    data
        Its columns and where the cells sit.
    allowed
        (modulators,) which may act, for the types where not all may.
    config, profile
        Settings of the fit.
    device
        Where to compute.
    skip
        Types to leave out; the bar advances all the same.
    bar
        Advanced by every batch, ``config.epochs`` times the number of cells in all; None makes one where the package
        enlighten is installed.
    """
    features, places = data.features, data.places
    source, target = places.source, features.candidates.base.target
    neighbors = places.neighbors.to_numpy()
    cells = Cells(
        x=features.x,
        y=features.y,
        groups=features.candidates.groups,
        positions=source.positions,
        codes=source.codes,
        neighbors=neighbors,
        maps=places.maps,
        labels=source.labels,
        allowed=allowed,
    )
    trained = Trained(source.labels, features.candidates, places.frame, config, data_fingerprint(source))
    total = config.epochs * int((source.codes >= 0).sum())
    with own_bar(total, target) if bar is None else nullcontext((bar, _say_nothing)) as (shown, describe):
        _fit_all(cells, trained, profile, device, skip, shown, describe)
    return trained


def _fit_all(
    cells: Cells,
    trained: Trained,
    profile: CompatibilityProfile,
    device: torch.device,
    skip: Collection[Label],
    bar: Bar,
    describe: Callable[[str], None],
) -> None:
    config, target = trained.config, trained.candidates.base.target
    for k, label in enumerate(cells.labels):
        rows = np.flatnonzero(cells.codes == k)
        left = config.epochs * len(rows)
        if label not in skip:
            steps = _type_steps(cells, k, label, rows, config, profile, device, target)
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    fitted: TypeFit = end.value
                    break
                if step.cells:
                    bar.update(step.cells)
                    left -= step.cells
                    describe(f"{target} | {k + 1}/{len(cells.labels)} | {step.loss:.4f}")
            trained.models[label] = _network(fitted, cells, k, config, device)
            trained.scores[label] = fitted.fit_r2
            trained.seed_scores[label] = fitted.seed_r2
            trained.held_out_scores[label] = held_out_score(cells, k, config, profile)
            trained.losses[label] = list(fitted.losses)
        if left:
            bar.update(left)


def held_out_score(cells: Cells, k: int, config: TravlrConfig, profile: CompatibilityProfile) -> float:
    """Return the R² of the seed on a fifth of the tissue that it has not seen.

    The cells of the type are cut into tiles of equally many cells; the tiles of one fold are held out as a whole.
    """
    rows = np.flatnonzero(cells.codes == k)
    out = blocked_folds(cells.positions[rows], config.seed) == 0
    if min(out.sum(), (~out).sum()) < FEWEST_HELD_OUT:
        return float("nan")
    x, y = cells.x[rows].astype(np.float64), cells.y[rows].astype(np.float64)
    kept = np.flatnonzero(cells.allowed.get(cells.labels[k], np.ones(x.shape[1], dtype=np.bool_)))
    anchors = drained(seed_steps(x[~out][:, kept], y[~out], cells.groups[kept], config, profile.group_scaling))
    return r_squared(y[out], anchors[0] + x[out][:, kept] @ anchors[1:])


def betas_of_types(
    models: Mapping[Label, Network], places: Places, n_modulators: int, batch_norm: BatchNorm, device: torch.device
) -> NDArray[np.float32]:
    """Return the (cells, 1 + modulators) coefficients of all cells; zeros where the type has no model."""
    source = places.source
    neighbors = places.neighbors.to_numpy()
    values = np.zeros((len(source.codes), 1 + n_modulators), dtype=np.float32)
    for k, label in enumerate(source.labels):
        rows = np.flatnonzero(source.codes == k)
        if label not in models or not len(rows):
            continue
        network = models[label]
        if network.seed_only:
            values[rows] = network.anchors.cpu().numpy()
            continue
        niche = Niche.of(source.positions[rows], neighbors[rows], places.maps[k], device)
        values[rows] = betas_of(network, niche, batch_norm)
    return values


@contextmanager
def own_bar(total: int, description: str) -> Iterator[tuple[Bar, Callable[[str], None]]]:
    """Give a bar of the package enlighten where it is installed, else one that shows nothing."""
    try:
        import enlighten
    except ImportError:
        yield _Silent(), _say_nothing
        return
    manager = enlighten.get_manager()
    counter = manager.counter(total=total, desc=description, unit="cells")

    def describe(text: str) -> None:
        counter.desc = text

    try:
        yield counter, describe
    finally:
        manager.stop()


class _Silent:
    """Shows nothing."""

    def update(self, n: int = 1) -> None:
        """Advance by n."""


def _say_nothing(_text: str) -> None:
    """Describe nothing."""


def _type_steps(
    cells: Cells,
    k: int,
    label: Label,
    rows: NDArray[np.intp],
    config: TravlrConfig,
    profile: CompatibilityProfile,
    device: torch.device,
    target: str,
) -> Any:
    niche = Niche.of(cells.positions[rows], cells.neighbors[rows], cells.maps[k], device)
    seed = seed_of(config.seed, target, str(label))
    return type_steps(
        cells.x[rows], cells.y[rows], cells.groups, niche, config, seed, profile, cells.allowed.get(label)
    )


def _network(fitted: TypeFit, cells: Cells, k: int, config: TravlrConfig, device: torch.device) -> Network:
    """Return the trained network, or one that returns the anchors as they are."""
    if fitted.network is not None:
        return fitted.network
    maps = cells.maps[k]
    seen = (maps.channels, *maps.shape)
    network = new_network(seen, len(cells.labels), fitted.anchors, config, config.seed, device)
    network.seed_only = True
    return network.eval()
