"""Source of a bundle: its parts and facts, gathered before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gatefront.search.bundle.manifest import Manifest
from gatefront.search.bundle.manifest_builder import TaskResults, describe_network, describe_trial
from gatefront.search.bundle.measurement_on_test import measure_chosen
from gatefront.search.bundle.pictures import draw_front
from gatefront.search.bundle.selection import Wanted, choose_point
from gatefront.search.errors import NothingToPullError
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces import PlainNetwork
from gatefront.trainer.checkpoints.network_file import Delivered, load_delivered
from gatefront.trainer.data import MultiTaskData, load_data

NUM_SAMPLES = 4

Progress = Callable[[str], None]
"""Callback that receives each step as it begins, in words such as ``exporting it``."""

READING, PRUNING = "reading the study and its data", "pruning the trained network"
MEASURING = "measuring it on the test split"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSource:
    """Trained network with everything that its bundle contains.

    ``network`` is made from ``delivered``. ``manifest`` has no files yet, and does not name what the export leaves out.
    ``draw_front`` draws the network among others to a file.
    """

    delivered: Delivered
    network: PlainNetwork
    data: MultiTaskData
    study_file: str
    manifest: Manifest
    draw_front: Callable[[Path], None]

    @property
    def samples(self) -> Tensor:
        """First images of the validation split, normalized, ``[images, channels, height, width]``."""
        count = min(NUM_SAMPLES, self.data.description.num_val)
        # At least two, so that no exporter mistakes the batch axis for a constant of one.
        return torch.stack([self.data.val[index % count].image for index in range(max(2, count))]).float()


def study_source(
    reader: Reader, study: str, wanted: Wanted, *, cache_dir: Path | None, progress: Progress
) -> BundleSource:
    """Choose the point, and load everything that its bundle contains.

    Raises:
        NothingToPullError: no finished trial fits, or its network file is missing.
        StudyNotFoundError: no such study, or no such trial.
        StudyFileError: the FLOP budget cannot be read.
        DataError: the study's data are not where they were.
    """
    progress(READING)
    view = reader.view(study)
    budgets = wanted.budgets(view.summary)
    point = choose_point(view, budgets=budgets, label=wanted.trial)
    network_path = reader.network_path(study, point.number, point.derived)
    if not network_path.is_file():
        raise NothingToPullError(
            f"the network of trial {point.label} is not at {network_path} any more.",
            hint="Restore the study's storage folder, or name another trial with --trial.",
        )
    study_file = reader.study_file(study)
    section = reader.config(study).data
    data = load_data(section.as_spec(), cache_dir or reader.cache_dir(study))
    detail = reader.trial(study, point.number)
    progress(PRUNING)
    delivered = load_delivered(network_path)
    network = delivered.make_plain()
    progress(MEASURING)
    point = measure_chosen(reader, view, point, network, delivered.architecture.tasks, data)
    chosen = replace(next(found for found in detail.networks if found.point.derived == point.derived), point=point)
    alone = next((found for found in view.references if found.kind == "single_task"), None)
    results = TaskResults(
        records=view.summary.tasks,
        metrics=point.metrics,
        single_task={} if alone is None else alone.metrics,
        deltas=chosen.delta_per_task,
        on_test=point.on_test,
        single_task_on_test={} if alone is None else alone.test_metrics,
    )
    common = describe_network(delivered, network, section.name, data, results)
    requested = wanted.flop_budget or (None if budgets.flops is None else view.summary.flop_budget_text)
    return BundleSource(
        delivered=delivered,
        network=network,
        data=data,
        study_file=study_file,
        manifest=describe_trial(view, detail, chosen, common, requested=requested, flop_budget=budgets.flops),
        draw_front=partial(draw_front, view, point, flop_budget=budgets.flops or view.summary.flop_budget),
    )
