"""Fit one gene in all cell types, and report to any progress bar."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
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
    from napari_tissue_dynamics.travlr.nets.cell_type_network import BatchNorm, Network
    from napari_tissue_dynamics.travlr.priors.cluster_labels import Label
    from napari_tissue_dynamics.travlr.versions import CompatibilityProfile

# Fewer cells than this, fitted or held out, are not informative about the fit.
FEWEST_HELD_OUT = 5


class Bar(Protocol):
    """Anything that accepts the number of cells processed since the last call."""

    def update(self, n: int = ...) -> Any:
        """Advance by n."""
        ...


def fit_config(profile: CompatibilityProfile, scale_factor: float, **chosen: Any) -> TravlrConfig:
    """Return the settings of a fit: what was chosen, else those of the profile.

    Parameters
    ----------
    scale_factor
        As it was given; where it is the 1 of the API page, the profile's own counts.
    """
    given = scale_factor if profile.scale_used else 1.0
    names = ("kernel", "diffusion", "solver", "standardize", "activation", "rotate_maps")
    own = {name: getattr(profile, name) for name in names}
    own["scale_factor"] = profile.default_scale if given == 1 else given
    return with_settings(TravlrConfig(estimator="network"), {**own, **chosen})


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
    skip
        Types to skip; the bar advances all the same.
    bar
        Advanced by every batch, ``config.epochs`` times the number of cells in all; None makes one where the package
        enlighten is installed.
    """
    source, target = data.source, data.modulators.target
    trained = Trained(source.labels, data.modulators, data.frame, config, data_fingerprint(source))
    total = config.epochs * int((source.codes >= 0).sum())
    with own_bar(total, target) if bar is None else nullcontext((bar, _say_nothing)) as (shown, describe):
        _fit_all(data, allowed, trained, profile, device, skip, shown, describe)
    return trained


def _fit_all(
    data: Data,
    allowed: Mapping[Label, NDArray[np.bool_]],
    trained: Trained,
    profile: CompatibilityProfile,
    device: torch.device,
    skip: Collection[Label],
    bar: Bar,
    describe: Callable[[str], None],
) -> None:
    config, target, source = trained.config, trained.candidates.target, data.source
    for k, label in enumerate(source.labels):
        rows = np.flatnonzero(source.codes == k)
        left = config.epochs * len(rows)
        if label not in skip:
            x, y, groups, acting = data.Xn[rows], data.yn[rows], data.modulators.groups, allowed.get(label)
            seed = seed_of(config.seed, target, str(label))
            steps = type_steps(x, y, groups, _niche(data, k, rows, device), config, seed, profile, acting)
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    fitted: TypeFit = end.value
                    break
                if step.cells:
                    bar.update(step.cells)
                    left -= step.cells
                    describe(f"{target} | {k + 1}/{len(source.labels)} | {step.loss:.4f}")
            trained.models[label] = _network(fitted, data, k, config, device)
            trained.scores[label] = fitted.fit_r2
            trained.seed_scores[label] = fitted.seed_r2
            trained.held_out_scores[label] = held_out_score(data, rows, acting, config, profile)
            trained.losses[label] = list(fitted.losses)
        if left:
            bar.update(left)


def held_out_score(
    data: Data,
    rows: NDArray[np.intp],
    acting: NDArray[np.bool_] | None,
    config: TravlrConfig,
    profile: CompatibilityProfile,
) -> float:
    """Return the R² of the seed on a fifth of the tissue that it has not seen.

    The cells of the type are cut into tiles of equally many cells; the tiles of one fold are held out as a whole.
    """
    out = blocked_folds(data.xy[rows], config.seed) == 0
    if min(out.sum(), (~out).sum()) < FEWEST_HELD_OUT:
        return float("nan")
    kept = np.flatnonzero(np.ones(len(data.modulators), dtype=np.bool_) if acting is None else acting)
    x, y = data.Xn[rows].astype(np.float64), data.yn[rows].astype(np.float64)
    groups = data.modulators.groups[kept]
    anchors = drained(seed_steps(x[~out][:, kept], y[~out], groups, config, profile.group_scaling))
    return r_squared(y[out], anchors[0] + x[out][:, kept] @ anchors[1:])


def betas_of_types(
    models: Mapping[Label, Network], data: Data, batch_norm: BatchNorm, device: torch.device
) -> NDArray[np.float32]:
    """Return the (cells, 1 + modulators) coefficients of all cells; zeros where the type has no model."""
    source = data.source
    values = np.zeros((len(source.codes), 1 + len(data.modulators)), dtype=np.float32)
    for k, label in enumerate(source.labels):
        rows = np.flatnonzero(source.codes == k)
        if label not in models or not len(rows):
            continue
        network = models[label]
        if network.seed_only:
            values[rows] = network.anchors.cpu().numpy()
        else:
            values[rows] = betas_of(network, _niche(data, k, rows, device), batch_norm)
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


def _niche(data: Data, k: int, rows: NDArray[np.intp], device: torch.device) -> Niche:
    return Niche.of(data.xy[rows], data.spatial_features.to_numpy()[rows], data.maps[k], device)


def _network(fitted: TypeFit, data: Data, k: int, config: TravlrConfig, device: torch.device) -> Network:
    """Return the trained network, or one that returns the anchors as they are."""
    if fitted.network is not None:
        return fitted.network
    maps = data.maps[k]
    seen = (maps.channels, *maps.shape)
    network = new_network(seen, len(data.source.labels), fitted.anchors, config, config.seed, device)
    network.seed_only = True
    return network.eval()
