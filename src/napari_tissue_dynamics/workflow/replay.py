"""Replay an action log without a window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_tissue_dynamics.data.io.action_log import ARROWS, IMAGE, LOAD, REGULATION, VELOCITY
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.progress import Progress, part_of
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.workflow.files import save
from napari_tissue_dynamics.workflow.origin import origin_of
from napari_tissue_dynamics.workflow.regulation import many_genes_steps, regulation_steps
from napari_tissue_dynamics.workflow.results import PROJECTION
from napari_tissue_dynamics.workflow.stored import settings_from, stored_regulation_steps, stored_steps
from napari_tissue_dynamics.workflow.trained_network import apply_steps
from napari_tissue_dynamics.workflow.velocity import velocity_steps

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from napari_tissue_dynamics.data.io import ReadOptions
    from napari_tissue_dynamics.data.io.action_log import Action
    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.progress import StopToken
    from napari_tissue_dynamics.workflow.results import VelocityResult


def replay_steps(
    actions: Sequence[Action], out: Path, stop: StopToken | None = None, *, source: Path | None = None
) -> Generator[Progress, None, Path]:
    """Load, fit and save as in a log; with the same file and machine the results are the same.

    Parameters
    ----------
    actions
        The log, see :func:`.data.io.action_log.read_log`. Of what was tried several times the last
        is in the result, as it was in the window. Actions that only display results are skipped.
    out
        Where the result is written, whatever name it was saved under.
    stop
        Ends the work early; nothing is written then.
    source
        The file to load, if it is not where it was.

    Raises
    ------
    DataError
        If the log does not begin with a tissue, names unknown settings, or the tissue is another one.
    FitError
        If the work was stopped.
    """
    redone = {LOAD, IMAGE, VELOCITY, ARROWS, REGULATION}
    work = _with_last_arrows([action for action in actions if action.name in redone])
    begin = max((k for k, action in enumerate(work) if action.name == LOAD), default=None)
    if begin is None:
        raise DataError("The log contains no loaded tissue. Choose a complete log.")
    last = {action.name: action for action in work[begin:]}
    work = [action for action in work[begin:] if action is last[action.name]]
    done = _Replay(source)
    for k, action in enumerate(work):
        yield from part_of(done.steps(action, stop), k / len(work), (k + 1) / len(work))
    yield Progress(f"writing {out.name}", 0, 1, 1.0)
    return done.save(out)


def _with_last_arrows(actions: Sequence[Action]) -> list[Action]:
    """Return the actions with the arrows of each velocity drawn at once as they were drawn in the end."""
    found: list[Action] = []
    for action in actions:
        if action.name != ARROWS:
            found.append(action)
            continue
        last = max((k for k, each in enumerate(found) if each.name == VELOCITY), default=None)
        if last is not None:
            found[last] = replace(found[last], details={**found[last].details, **action.details})
    return found


class _Replay:
    """What has been made again so far."""

    def __init__(self, source: Path | None) -> None:
        self._source = source
        self._tissue: Tissue | None = None
        self._velocity: VelocityResult | None = None
        self._regulation: RegulationField | None = None
        self._settings: dict[str, Any] = {}

    def steps(self, action: Action, stop: StopToken | None) -> Generator[Progress, None, None]:
        if action.name == LOAD:
            yield Progress("reading the tissue", 0, 1, 0.0)
            self._load(action.details)
        elif action.name == IMAGE:
            self._place(action.details)
        elif action.name == VELOCITY:
            yield from self._fit_velocity(action.details, stop)
        else:
            yield from self._fit_regulation(action.details, stop)

    def save(self, out: Path) -> Path:
        return save(
            out,
            self._given(),
            source=self._source,
            velocity=self._velocity,
            regulation=self._regulation,
            settings=[each for each in self._settings.values() if each is not None],
        )

    def _given(self) -> Tissue:
        if self._tissue is None:
            raise DataError("The log contains no loaded tissue. Choose a complete log.")
        return self._tissue

    def _load(self, details: Mapping[str, Any]) -> None:
        if details.get("path") is None:
            from napari_tissue_dynamics.simulators.tissue import simulate_tissue

            self._tissue = simulate_tissue().tissue
        else:
            from napari_tissue_dynamics.data.io import read_h5ad

            self._source = self._source or Path(details["path"])
            self._tissue = read_h5ad(self._source, read_options_from(details.get("options")))
        expected = details.get("cells"), details.get("genes")
        found = self._tissue.n_cells, self._tissue.n_genes
        if expected != (None, None) and expected != found:
            raise DataError(
                f"{self._tissue.source} has {found[0]} cells and {found[1]} genes, but the log was made with "
                f"{expected[0]} and {expected[1]}. Name the file that the log was made with."
            )

    def _place(self, details: Mapping[str, Any]) -> None:
        from napari_tissue_dynamics.data.image_placement import Placement

        tissue, wanted = self._given(), Placement.parse(str(details.get("placement", "")))
        images = (
            image.moved(image.placement.undone.then(wanted)) if image.name == details.get("image") else image
            for image in tissue.histology
        )
        self._tissue = tissue.with_(histology=tuple(images))

    def _fit_velocity(self, details: Mapping[str, Any], stop: StopToken | None) -> Generator[Progress, None, None]:
        tissue, config = self._given(), settings_from(details.get("settings"))
        projection = settings_from(details.get("projection")) or PROJECTION
        network = details.get("network")
        if network is not None:
            device = details.get("device", "auto")
            steps = apply_steps(tissue, Path(network), stop, projection=projection, device=device)
            self._velocity = yield from steps
            return
        if details.get("stored") and self._source is not None:
            self._velocity = yield from stored_steps(tissue, self._source, stop, projection=projection)
            return
        known = details.get("origin") or {}
        origin = origin_of(tissue, source=self._source, **known)
        if config is None:
            raise DataError("The log has a velocity without the settings of its model; it cannot be fitted again.")
        steps = velocity_steps(tissue, config, stop, origin=origin, projection=projection)
        self._velocity, self._settings["velocity"] = (yield from steps), config

    def _fit_regulation(self, details: Mapping[str, Any], stop: StopToken | None) -> Generator[Progress, None, None]:
        if details.get("stored") and self._source is not None:
            read = yield from stored_regulation_steps(self._given(), self._source, stop)
            self._regulation, self._settings["regulation"] = read
            return
        from napari_tissue_dynamics.travlr.priors.regulatory_network import build_network

        tissue, config = self._given(), settings_from(details.get("settings"))
        if not isinstance(config, TravlrConfig):
            raise DataError("The log has a regulation without its settings; it cannot be fitted again.")
        choice = details.get("network", {})
        targets = tuple(details.get("targets", ()))
        network = build_network(
            tissue.genes,
            targets,
            regulators=choice.get("regulators") or (),
            links=_path(choice.get("links")),
            pairs=choice.get("pairs", "bundled"),
            tf_ligands=_path(choice.get("tf_ligands")),
        )
        if details.get("many"):
            from napari_tissue_dynamics.travlr.batch.batch_fit import Place

            fit = many_genes_steps(tissue, targets, network, config, stop, place=Place())
        else:
            fit = regulation_steps(tissue, targets, network, config, stop)
        self._regulation = yield from fit
        self._settings["regulation"] = config


def read_options_from(saved: Mapping[str, Any] | None) -> ReadOptions:
    """Return how a file was read, by what :func:`.action_log.plain` made of it; the best guess for None."""
    from napari_tissue_dynamics.data.image_placement import Placement
    from napari_tissue_dynamics.data.io import ReadOptions

    values = dict(saved["values"]) if saved else {}
    if values.get("image") is not None:
        values["image"] = Path(values["image"])
    if values.get("placement") is not None:
        values["placement"] = Placement(**values["placement"]["values"])
    if values.get("only") is not None:
        values["only"] = tuple(values["only"])
    return ReadOptions(**values)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
