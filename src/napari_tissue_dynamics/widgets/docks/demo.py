"""The main job from file to picture, step by step, in a viewer or off-screen."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeAlias

from napari_tissue_dynamics.data.regulation_field import LayerKey
from napari_tissue_dynamics.errors import DataError
from napari_tissue_dynamics.steer.config import SteerConfig
from napari_tissue_dynamics.travlr.config import TravlrConfig
from napari_tissue_dynamics.widgets.docks.display import has_display, virtual_display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_tissue_dynamics.data.regulation_field import RegulationField
    from napari_tissue_dynamics.data.tissue import Tissue
    from napari_tissue_dynamics.terminal import TerminalProgress
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork
    from napari_tissue_dynamics.workflow import VelocityResult

SmallTypes: TypeAlias = Literal["refuse", "mean"]

SIMULATED_CELLS, SIMULATED_GENES = 1200, 150
WINDOW_SIZE = (1440, 900)


class Steps:
    """Prints one line per step with its time and keeps the lines for a file."""

    def __init__(self, path: Path, report: TerminalProgress | None = None) -> None:
        self.path = path
        self.report = report
        self.lines: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        start = time.perf_counter()
        yield
        self.write(f"{name:<44}{time.perf_counter() - start:8.1f} s")

    def write(self, line: str) -> None:
        """Print a line and write all lines so far."""
        if self.report is not None:
            self.report.end()
        self.lines.append(line)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self.path.write_text("\n".join(self.lines) + "\n")


def run_demo(
    out: Path,
    *,
    tissue: Tissue | None = None,
    source: Path | None = None,
    targets: Sequence[str] = (),
    network: RegulatoryNetwork | None = None,
    small_types: SmallTypes = "refuse",
    window: bool = True,
    report: TerminalProgress | None = None,
) -> None:
    """Read, train, fit, draw and save.

    Parameters
    ----------
    out
        Folder for ``result.h5ad``, one screenshot per layer group and ``steps.txt``.
    tissue, source
        A tissue and the file it was read from; a simulated tissue if omitted.
    targets, network
        Target genes and their candidate regulators; regulation is not fitted without them. The simulated tissue has
        its own.
    small_types
        See :class:`.TravlrConfig`.
    window
        Keep the viewer open at the end when there is a screen.
    report
        Shows the progress of the fits.

    Raises
    ------
    DataError
        If the tissue has neither velocity counts nor target genes.
    """
    from napari_tissue_dynamics.workflow import save

    out.mkdir(parents=True, exist_ok=True)
    steps = Steps(out / "steps.txt", report)
    if tissue is None:
        with steps.step("simulate a tissue, write and read it"):
            tissue, source, targets, network = _simulated(out)
    if tissue.spliced is None and not targets:
        raise DataError(
            f"{tissue.source} has no spliced and unspliced counts for a velocity, and no target genes were given. "
            "Name target genes with --targets and their regulators with --regulators or --links."
        )
    steer, travlr = SteerConfig.schedule("quick"), TravlrConfig(small_types=small_types)
    velocity = _velocity(tissue, steer, steps)
    regulation = _regulation(tissue, targets, network, travlr, steps)
    result = out / "result.h5ad"
    with steps.step("write result.h5ad"):
        save(result, tissue, source=source, velocity=velocity, regulation=regulation, settings=[steer, travlr])
    screen = has_display()
    with nullcontext() if screen else virtual_display():
        _show(tissue, source, (velocity, steer), (regulation, travlr), out, steps, keep_open=window and screen)
    steps.write(f"all output is in {out}")


def _simulated(out: Path) -> tuple[Tissue, Path, tuple[str, ...], RegulatoryNetwork]:
    from napari_tissue_dynamics.data.io import read_h5ad, write_h5ad
    from napari_tissue_dynamics.simulators.tissue import simulate_tissue
    from napari_tissue_dynamics.travlr.priors.regulatory_network import RegulatoryNetwork, bundled_pairs, species_of

    simulated = simulate_tissue(SIMULATED_CELLS, SIMULATED_GENES, seed=0)
    path = out / "tissue.h5ad"
    write_h5ad(path, simulated.tissue)
    tissue = read_h5ad(path)
    truth = simulated.truth
    network = RegulatoryNetwork(truth.regulators, bundled_pairs(species_of(tissue.genes)))
    return tissue, path, truth.targets, network


def _velocity(tissue: Tissue, config: SteerConfig, steps: Steps) -> VelocityResult | None:
    from napari_tissue_dynamics.data.velocity_evidence import direction_in_words
    from napari_tissue_dynamics.workflow import velocity

    if tissue.spliced is None or tissue.unspliced is None:
        steps.write("STEER skipped: the file has no spliced and unspliced counts")
        return None
    if tissue.counts_meaning:
        steps.write(f"note on the counts: {tissue.counts_meaning}")
    with steps.step(f"train STEER ({tissue.n_cells} cells)"):
        result = velocity(tissue, config, steps.report)
    steps.write(direction_in_words(result.evidence))
    return result


def _regulation(
    tissue: Tissue,
    targets: Sequence[str],
    network: RegulatoryNetwork | None,
    config: TravlrConfig,
    steps: Steps,
) -> RegulationField | None:
    from napari_tissue_dynamics.travlr import fit

    if network is None or not targets:
        steps.write("SpaceTravLR skipped: no target genes were given (--targets, --regulators or --links)")
        return None
    with steps.step(f"fit SpaceTravLR ({', '.join(targets)})"):
        return fit(tissue, targets, network, config, steps.report)


def _show(
    tissue: Tissue,
    source: Path | None,
    velocity: tuple[VelocityResult | None, SteerConfig],
    regulation: tuple[RegulationField | None, TravlrConfig],
    out: Path,
    steps: Steps,
    *,
    keep_open: bool,
) -> None:
    import napari

    with steps.step("open napari and draw all layers"):
        picture = Picture(napari.Viewer(), out)
        picture.draw(tissue, source, velocity, regulation)
    with steps.step("take the screenshots"):
        picture.take_all()
    if keep_open:
        napari.run()
    picture.viewer.close()


class Picture:
    """A viewer with the three docks, and its screenshots.

    Parameters
    ----------
    viewer
        An empty viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer, out: Path) -> None:
        from napari_tissue_dynamics.widgets.docks.load import LoadDock
        from napari_tissue_dynamics.widgets.docks.travlr import TravlrDock
        from napari_tissue_dynamics.widgets.docks.velocity import VelocityDock

        self.viewer, self.out = viewer, out
        viewer.window.resize(*WINDOW_SIZE)
        self.load, self.steer, self.travlr = LoadDock(viewer), VelocityDock(viewer), TravlrDock(viewer)
        docks = {"Load tissue": self.load, "Velocity": self.steer, "SpaceTravLR regulation": self.travlr}
        self.tabs = {
            dock: viewer.window.add_dock_widget(dock, name=name, area="right", tabify=True)
            for name, dock in docks.items()
        }
        _settle()

    def draw(
        self,
        tissue: Tissue,
        source: Path | None,
        velocity: tuple[VelocityResult | None, SteerConfig],
        regulation: tuple[RegulationField | None, TravlrConfig],
    ) -> None:
        """Show a tissue and its results, each with its settings, as the docks do."""
        from napari_tissue_dynamics.analysis.image.alignment import image_check
        from napari_tissue_dynamics.data.io.file_contents import contents
        from napari_tissue_dynamics.widgets.canvas.open_tissue import show_tissue
        from napari_tissue_dynamics.widgets.state.opened_tissue import OpenedTissue

        found = None if source is None else contents(source)
        opened = OpenedTissue(tissue, source, found, image_check(tissue, source))
        show_tissue(self.viewer, self.load.workspace, opened)
        (result, steer), (field, travlr) = velocity, regulation
        self.steer.form.set_value(steer)
        self.travlr.form.set_value(travlr)
        if result is not None:
            self.steer.show_result(result, steer)
        if field is not None:
            self.travlr.show_result(field, travlr)

    def take_all(self) -> None:
        """Take one screenshot of each layer group."""
        workspace = self.load.workspace
        self.take("tissue", self.load, ["cells"])
        if workspace.velocity is not None:
            self.take("velocity", self.steer, ["velocity"])
            self.take("velocity grid", self.steer, ["latent time", "velocity grid"])
            self.take("expert", self.steer, ["expert"])
            self.take("latent time", self.steer, ["latent time", "velocity"])
        for gene in () if workspace.regulation is None else workspace.regulation.genes:
            self.travlr.show_beta(gene.target, gene.strongest)
            self.take(f"beta {gene.target}", self.travlr, [str(LayerKey("beta", gene.target, gene.strongest))])

    def take(self, name: str, dock: QWidget, visible: Sequence[str]) -> Path:
        """Show the named layers over the histology, bring a dock to the front and save the window as a picture."""
        from napari_tissue_dynamics.widgets.canvas.viewer import activate

        for layer in self.viewer.layers:
            layer.visible = layer.name in visible or layer.name.startswith("histology")
        activate(self.viewer, self.viewer.layers[visible[0]])
        self.tabs[dock].raise_()
        _settle()
        path = self.out / f"{name.replace(' ', '_')}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        return path


def _settle(seconds: float = 0.3) -> None:
    """Let the event loop lay out and draw what was changed."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()
