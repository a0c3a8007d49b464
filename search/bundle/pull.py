"""Pulling: from a study to a verified folder that a person deploys."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import (
    CARD,
    FRONT_PICTURE,
    GATE_MAP_PICTURE,
    STUDY_FILE,
)
from gatefront.search.bundle.manifest import file_entry, write_manifest
from gatefront.search.bundle.manifest_builder import describe
from gatefront.search.bundle.pictures import draw_front, draw_gate_map, format_flops
from gatefront.search.bundle.selection import Wanted
from gatefront.search.bundle.source import PullSource, StudySource, gather_source
from gatefront.search.bundle.staging import placing, require_free
from gatefront.search.bundle.verify import TOLERANCE, verify_bundle
from gatefront.search.errors import BundleError
from gatefront.search.results.point_label import PointLabel
from gatefront.spaces import PlainNetwork, count_flops
from gatefront.trainer.checkpoints.network_file import Delivered, load_delivered

Progress = Callable[[str], None]
"""Told of every step as it begins, in words such as ``exporting it``."""

STEPS = (
    "reading the study and its data",
    "pruning the trained network",
    "exporting it",
    "comparing it with the trained network",
    "drawing its pictures",
    "verifying the bundle",
)
"""The steps of a pull, in order."""


def silent(_step: str) -> None:
    """The progress of a pull that nobody watches."""


def pull_bundle(  # noqa: PLR0913  # one parameter per wish of whoever pulls
    reader: StudySource,
    study: str,
    *,
    flop_budget: str | None = None,
    latency_budget_ms: float | None = None,
    trial: PointLabel | None = None,
    output: Path,
    cache_dir: Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the bundle of one network to ``output`` and verify it; nothing appears there if anything fails.

    Args:
        reader: the studies.
        study: the study's name.
        flop_budget: ``"45%"`` of the single-task cost, ``"60M"``, ``"1.2G"``; absent: the study's own budget.
        latency_budget_ms: what a forward pass may take, as the study measured it; absent: the study's own budget.
        trial: a trial, or a point derived from one; absent: the best Δ_MTL among all of them at or under the budget.
        output: a folder that does not exist yet, or is empty.
        cache_dir: where the data are cached; absent: where the study cached them.
        progress: told of each of the ``STEPS`` as it begins.

    Raises:
        OutputFolderError: ``output`` holds something already.
        NothingToPullError: no finished trial fits.
        BundleError: the exported network does not do what the trial was measured to do.
    """
    require_free(output)
    wanted = Wanted(flop_budget=flop_budget, latency_budget_ms=latency_budget_ms, trial=trial)
    reading, *writing, verifying = STEPS
    progress(reading)
    source = gather_source(reader, study, wanted, cache_dir=cache_dir)
    output = output.absolute()
    with placing(output) as partial:
        _write(source, partial, writing, progress)
        progress(verifying)
        verify_bundle(partial)
    return output


def _write(source: PullSource, folder: Path, steps: Sequence[str], progress: Progress) -> None:
    pruning, exporting, comparing, drawing = steps
    progress(pruning)
    delivered = load_delivered(source.network_path)
    network = delivered.make_plain()
    _check_cost(network, source)
    progress(exporting)
    exported = export_network(network, source.samples, folder)
    progress(comparing)
    with torch.no_grad():
        expected = delivered.network(source.samples)
    for name, output in zip(network.task_names, exported.outputs, strict=True):
        if not torch.allclose(output, expected[name], rtol=TOLERANCE, atol=TOLERANCE):
            raise BundleError(f"task {name}: the pruned network's outputs differ from the trained network's.")
    progress(drawing)
    (folder / STUDY_FILE).write_text(source.study_file)
    _draw(source, delivered, folder)
    manifest = describe(source, network, delivered, no_plan_because=exported.no_plan_because)
    (folder / CARD).write_text(write_card(manifest))
    files = {path.name: file_entry(path) for path in sorted(folder.iterdir())}
    write_manifest(manifest.model_copy(update={"files": files}), folder)


def _check_cost(network: PlainNetwork, source: PullSource) -> None:
    description, point = source.data.description, source.chosen.point
    counted = count_flops(network, (description.in_channels, *description.input_size))
    if counted != point.flops:
        raise BundleError(
            f"trial {point.label} is recorded with {point.flops:,} FLOPs, its network costs {counted:,}.",
            hint="Its file in the study's storage folder is not the one the trial wrote.",
        )


def _draw(source: PullSource, delivered: Delivered, folder: Path) -> None:
    point, summary = source.chosen.point, source.view.summary
    budget = source.budgets.flops if source.budgets.flops is not None else summary.flop_budget
    draw_front(source.view, point, folder / FRONT_PICTURE, flop_budget=budget)
    if delivered.family != "interrogate":
        return
    if source.chosen.gate_map is None:
        raise BundleError(f"trial {point.label} has no gate map in the database.")
    title = (
        f"{summary.name}, trial {point.label}: {format_flops(point.flops or 0)} FLOPs, Δ_MTL {point.delta_mtl:+.2f} %"
    )
    draw_gate_map(source.chosen.gate_map, folder / GATE_MAP_PICTURE, title=title)
