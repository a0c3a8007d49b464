"""The check that every point of the front can be pulled after a void or its undo."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import AmendmentError
from gatefront.search.results.confirmation import Key
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.states import TrialState
from gatefront.search.snapshots.study_rows import read_study_rows
from gatefront.search.snapshots.study_view import study_view
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.tables.schema import StudyRow, TrialRow
from gatefront.search.storage.tables.sql import database_time


@contextmanager
def front_can_be_pulled(session: Session, study: StudyRow, number: int) -> Iterator[None]:
    """Undo the change to trial ``number`` inside the block if it brings a point without network to the front.

    A network is removed by `gatefront gc` or under a quota if points of at least three trials dominate it. Nothing is
    refused if the storage cannot be seen from here, or if every point of the front lacks its network already.

    Raises:
        AmendmentError: a point of the front would have no network; names the trials to declare void first.
    """
    folders = StudyFolders(Path(study.storage_dir), study.name)
    before = _front(session, study)
    gone_before = _without_network(before, folders)
    yield
    if not folders.trial(number).parent.is_dir() or (before and gone_before == before):
        return
    gone = _without_network(_front(session, study), folders) - gone_before
    if gone:
        raise _refusal(session, study, folders, number, gone)


def _refusal(session: Session, study: StudyRow, folders: StudyFolders, number: int, gone: set[Key]) -> AmendmentError:
    """Return the error for the change, with the other trials that would have to be void.

    The trials are found by voiding them in the transaction, which the error then undoes.
    """
    points = ", ".join(str(PointLabel(*key)) for key in sorted(gone))
    message = f"trial {number} of study {study.name!r} stays as it is: else {points} would stand on the front without"
    if number in {found for found, _ in gone}:
        return AmendmentError(f"{message} the network, which was taken away.", hint="Leave the trial void.")
    void: set[int] = set()
    while more := {found for found, _ in gone} - void:
        void |= more
        session.execute(
            sa.update(TrialRow)
            .where(TrialRow.study == study.name, TrialRow.number.in_(more))
            .values(state=TrialState.VOID, voided_from=TrialRow.state, void_reason="no network")
        )
        session.expire_all()
        gone |= _without_network(_front(session, study), folders)
    numbers = sorted(void)
    return AmendmentError(
        f"{message} a network, which gc or the disk quota took away.",
        hint=f"Declare void first: {', '.join(map(str, numbers))}. `gatefront resume` trains others in their place.",
    )


def _front(session: Session, study: StudyRow) -> set[Key]:
    session.flush()
    view = study_view(read_study_rows(session, study), database_time(session))
    return {(point.number, point.derived) for point in view.front}


def _without_network(front: set[Key], folders: StudyFolders) -> set[Key]:
    return {key for key in front if not folders.network(*key).is_file()}
