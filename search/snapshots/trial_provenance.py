"""TrialProvenance: a trial's origin, its worker, and its log."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.artifacts.trial_log import log_tail
from gatefront.search.storage.process_identity import host_and_process
from gatefront.search.storage.tables.schema import ReferenceRow, StudyRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProvenance:
    """Origin, worker and log of a trial.

    ``initial`` names the network that the trial started from, empty if it started from references alone. ``references``
    are the roles of the references that the study trained so far. ``worker`` is the host and the process that trained
    the trial last. ``log`` is the end of its workers' log, in the storage folder ``log_dir``.
    """

    confirms: int | None
    confirmed_by: tuple[int, ...]
    started_from: str | None
    initial: str
    references: tuple[str, ...]
    worker: str
    log: str
    log_dir: str


def read_trial_provenance(session: Session, study: StudyRow, trial: TrialRow) -> TrialProvenance:
    """Read the provenance from the rows of one trial and the files beside its checkpoint."""
    folder = StudyFolders(Path(study.storage_dir), study.name).trial(trial.number)
    replicates = sa.select(TrialRow.number).where(TrialRow.study == study.name, TrialRow.confirms == trial.number)
    roles = sa.select(ReferenceRow.role).where(ReferenceRow.study == study.name).order_by(ReferenceRow.role)
    return TrialProvenance(
        confirms=trial.confirms,
        confirmed_by=tuple(session.scalars(replicates.order_by(TrialRow.number))),
        started_from=study.started_from,
        initial=trial.initial or "",
        references=tuple(session.scalars(roles)),
        worker=host_and_process(trial.worker),
        log=log_tail(folder),
        log_dir=str(folder),
    )
