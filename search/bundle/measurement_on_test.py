"""Figures on the test split of a network that is pulled, measured once and kept beside its trial."""

import logging
from dataclasses import replace

import sqlalchemy as sa

from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.snapshots.protocol import Reader
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.study_store import StudyStore
from gatefront.spaces import PlainNetwork
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import MultiTaskData
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.metrics.delta_mtl import DeltaMtlError, delta_mtl

logger = logging.getLogger(__name__)

_BATCH = 16
"""Samples at a time: few, as trials may be training on the same device."""


def measure_chosen(
    reader: Reader,
    view: StudyView,
    point: TrialPoint,
    network: PlainNetwork,
    tasks: tuple[Task, ...],
    data: MultiTaskData,
) -> TrialPoint:
    """Return the point with its figures on the test split. They are measured and stored if it has none yet.

    The point is the same if there is no test split, or the references were not measured on it.
    """
    if point.on_test is not None or data.test is None or not view.has_test_split:
        return point
    metrics = _evaluate(network, tasks, data)
    try:
        figures = _figures(view, tasks, metrics)
    except DeltaMtlError as error:
        logger.warning("trial %s has no Δ_MTL on the test split: %s", point.label, error)
        return point
    _store(reader, view.summary.name, point, figures)
    return replace(point, on_test=figures)


def _evaluate(network: PlainNetwork, tasks: tuple[Task, ...], data: MultiTaskData) -> dict[str, float]:
    runtime = resolve_runtime(TrainConfig(epochs=1, batch_size=_BATCH))
    runtime.place_network(network)
    try:
        return dict(evaluate(network, data.test_split, tasks, runtime=runtime, batch_size=_BATCH).metrics)
    finally:
        network.cpu()


def _figures(view: StudyView, tasks: tuple[Task, ...], metrics: dict[str, float]) -> SplitFigures:
    (alone,) = (reference for reference in view.references if reference.kind == "single_task")
    ranked = [task for task in tasks if task.name not in alone.unranked]
    delta = delta_mtl(ranked, metrics, alone.test_metrics)
    return SplitFigures(delta_mtl=delta.mean, delta_per_task=delta.per_task, metrics=metrics)


def _store(reader: Reader, study: str, point: TrialPoint, figures: SplitFigures) -> None:
    if not isinstance(reader, StudyReader):
        return
    engine = open_engine(reader.url)
    try:
        StudyStore(engine, study).record_test_figures(point.number, point.derived, figures)
    except (GatefrontError, sa.exc.SQLAlchemyError) as error:
        # A bundle may be pulled from a database that this person can only read.
        logger.warning("the figures of trial %s on the test split are not kept in the database: %s", point.label, error)
    finally:
        engine.dispose()
