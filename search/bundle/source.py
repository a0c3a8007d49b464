"""What a bundle is made from, gathered before anything is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from gatefront.search.bundle.selection import Wanted, choose_point
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import NothingToPullError
from gatefront.search.results.records import PointDetail, StudyView, TrialDetail
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.data import MultiTaskData, load_data

NUM_SAMPLES = 4


class StudySource(Protocol):
    """The part of :class:`gatefront.search.snapshots.reader.StudyReader` that a bundle needs."""

    def view(self, study: str, /) -> StudyView: ...

    def trial(self, study: str, number: int, /) -> TrialDetail: ...

    def study_file(self, study: str, /) -> str: ...

    def network_path(self, study: str, number: int, derived: int, /) -> Path: ...

    def cache_dir(self, study: str, /) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSource:
    """One chosen point of a trial with everything its bundle tells.

    ``requested`` is the FLOP budget as a person wrote it; ``budgets`` are what the point was held against.
    ``samples`` are the first images of the validation split, normalised.
    """

    view: StudyView
    trial: TrialDetail
    chosen: PointDetail
    study_file: str
    network_path: Path
    data_name: str
    data: MultiTaskData
    samples: Tensor
    requested: str | None
    budgets: Budgets


def gather_source(reader: StudySource, study: str, wanted: Wanted, *, cache_dir: Path | None) -> PullSource:
    """Choose the point and load what its bundle tells of.

    Raises:
        NothingToPullError: no finished trial fits, or its network file is gone.
        StudyNotFoundError: no such study, or no such trial.
        StudyFileError: the FLOP budget cannot be read.
        DataError: the study's data are not where they were.
    """
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
    section = parse_study(study_file).data
    data = load_data(section.as_spec(), cache_dir or reader.cache_dir(study))
    detail = reader.trial(study, point.number)
    return PullSource(
        view=view,
        trial=detail,
        chosen=next(network for network in detail.networks if network.point.derived == point.derived),
        study_file=study_file,
        network_path=network_path,
        data_name=section.name,
        data=data,
        samples=first_images(data),
        requested=wanted.flop_budget or (None if budgets.flops is None else view.summary.flop_budget_text),
        budgets=budgets,
    )


def first_images(data: MultiTaskData) -> Tensor:
    """The first images of the validation split, ``[images, channels, height, width]``."""
    count = min(NUM_SAMPLES, data.description.num_val)
    # At least two, so that no exporter mistakes the batch axis for a constant of one.
    return torch.stack([data.val[index % count].image for index in range(max(2, count))]).float()
