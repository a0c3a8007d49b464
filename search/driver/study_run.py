"""StudyRun: the parts of one session of a study."""

from collections import Counter
from dataclasses import dataclass, field

import optuna

from gatefront.search.driver.measurement_on_test import MeasurementsOnTest
from gatefront.search.driver.phases import StudyProgress
from gatefront.search.driver.recovery import Recovery
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.driver.worker.trainable import RunTrial
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.planning.worker_resources import WorkerResources
from gatefront.search.results.confirmation import Key
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.study_store import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """All parts that one session of a study needs. The caller holds the lease.

    ``unmeasurable`` are the networks that could not be measured on the test split in this session.
    """

    plan: StudyPlan
    store: StudyStore
    reader: StudyReader
    study: optuna.Study
    recovery: Recovery
    folders: StudyFolders
    workers: WorkerResources
    stop_request: StopRequest
    run_trial: RunTrial
    address: str | None = None
    memory_kills: Counter[int] = field(default_factory=Counter)
    unmeasurable: set[Key] = field(default_factory=set)

    @property
    def progress(self) -> StudyProgress:
        return StudyProgress(
            store=self.store,
            reader=self.reader,
            study=self.study,
            space=self.plan.search_space,
            recovery=self.recovery,
            stop_request=self.stop_request,
        )

    @property
    def measurements(self) -> MeasurementsOnTest:
        return MeasurementsOnTest(
            store=self.store, reader=self.reader, stop_request=self.stop_request, given_up=self.unmeasurable
        )

    @property
    def has_work(self) -> bool:
        """Return True if a phase or a measurement is left; False if all is done or a stop is requested already."""
        return next(self.progress.phases(), None) is not None or bool(self.measurements.due())
