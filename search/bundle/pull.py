"""Pull of a study's network, as a verified folder that a person deploys."""

from pathlib import Path

import torch

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import CARD, FRONT_PICTURE, GATE_MAP_PICTURE, STUDY_FILE
from gatefront.search.bundle.manifest import file_entry, write_manifest
from gatefront.search.bundle.pictures import draw_gate_map
from gatefront.search.bundle.selection import Wanted
from gatefront.search.bundle.source import (
    MEASURING,
    PRUNING,
    READING,
    BundleSource,
    Progress,
    study_source,
)
from gatefront.search.bundle.staging import placing, require_free
from gatefront.search.bundle.verify import TOLERANCE, verify_bundle
from gatefront.search.errors import BundleError
from gatefront.search.results.formats import format_delta, format_flops
from gatefront.search.results.point_label import PointLabel
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces import InterroGateNetwork, count_flops

_EXPORTING, _COMPARING = "exporting it", "comparing it with the trained network"
_DRAWING, _VERIFYING = "drawing its pictures", "verifying the bundle"

STEPS = (READING, PRUNING, MEASURING, _EXPORTING, _COMPARING, _DRAWING, _VERIFYING)
"""Steps of a pull, in order."""


def silent(_step: str) -> None:
    """Ignore the progress of a pull."""


def pull_bundle(  # noqa: PLR0913  # one parameter per option of a pull
    reader: Reader,
    study: str,
    *,
    flop_budget: str | None = None,
    latency_budget_ms: float | None = None,
    trial: PointLabel | None = None,
    output: Path,
    cache_dir: Path | None = None,
    progress: Progress = silent,
) -> Path:
    """Write the bundle of one network to ``output`` and verify it. If anything fails, nothing appears there.

    Args:
        reader: the studies.
        study: the study's name.
        flop_budget: ``"45%"`` of the single-task cost, ``"60M"``, ``"1.2G"``. None: the study's own budget, unless
            ``trial`` is given.
        latency_budget_ms: the most milliseconds of a forward pass, as the study measured it. None: as for
            ``flop_budget``.
        trial: a trial, or a point derived from one. None: the best Δ_MTL among all points that keep to the budgets.
        output: a folder that does not exist yet, or is empty.
        cache_dir: the folder in which the data are cached. None: the study's own.
        progress: called with each of the ``STEPS`` as it begins.

    Raises:
        OutputFolderError: ``output`` holds something already.
        NothingToPullError: no finished trial fits.
        BundleError: the exported network differs from what was measured in the trial.
    """
    require_free(output)
    wanted = Wanted(flop_budget=flop_budget, latency_budget_ms=latency_budget_ms, trial=trial)
    source = study_source(reader, study, wanted, cache_dir=cache_dir, progress=progress)
    return write_bundle(source, output, progress=progress)


def write_bundle(source: BundleSource, output: Path, *, progress: Progress = silent) -> Path:
    """Write a bundle to ``output`` and verify it. If anything fails, nothing appears there.

    Args:
        source: the network with everything that its bundle contains.
        output: a folder that does not exist yet, or is empty.
        progress: called with each of the ``STEPS`` after the measuring as it begins.

    Returns:
        The folder's absolute path.

    Raises:
        OutputFolderError: ``output`` holds something already.
        BundleError: the exported network differs from what was measured.
    """
    require_free(output)
    output = output.absolute()
    _check_cost(source)
    with placing(output) as partial:
        _write(source, partial, progress)
        progress(_VERIFYING)
        verify_bundle(partial)
    return output


def _check_cost(source: BundleSource) -> None:
    description, manifest = source.data.description, source.manifest
    counted = count_flops(source.network, (description.in_channels, *description.input_size))
    if counted != manifest.flops.value:
        raise BundleError(
            f"{manifest.origin} is recorded with {manifest.flops.value:,} FLOPs, its network costs {counted:,}.",
            hint="Its file in the storage folder is not the one that was measured.",
        )


def _write(source: BundleSource, folder: Path, progress: Progress) -> None:
    progress(_EXPORTING)
    samples, trained = source.samples, source.delivered.network
    exported = export_network(source.network, samples, folder)
    progress(_COMPARING)
    with torch.no_grad():
        expected = trained(samples)
    for name, output in zip(source.network.task_names, exported.outputs, strict=True):
        if not torch.allclose(output, expected[name], rtol=TOLERANCE, atol=TOLERANCE):
            raise BundleError(f"task {name}: the plain network's outputs differ from the trained network's.")
    progress(_DRAWING)
    (folder / STUDY_FILE).write_text(source.study_file)
    source.draw_front(folder / FRONT_PICTURE)
    manifest = source.manifest.model_copy(update={"no_plan_because": exported.no_plan_because})
    if isinstance(trained, InterroGateNetwork):
        cost, delta = format_flops(manifest.flops.value), format_delta(manifest.delta_mtl)
        title = f"{manifest.title}: {cost}, Δ_MTL {delta}"
        draw_gate_map(trained.gate_map(), folder / GATE_MAP_PICTURE, title=title)
    (folder / CARD).write_text(write_card(manifest))
    files = {path.name: file_entry(path) for path in sorted(folder.iterdir())}
    write_manifest(manifest.model_copy(update={"files": files}), folder)
