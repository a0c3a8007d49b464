"""A service goes on with what it started and lost, and with nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.errors import DriverFailedError
from gatefront.search.results.states import StudyState
from gatefront.search.service.amendments import ask_to_stop
from gatefront.search.service.control.supervisor import ACTOR, StudySupervisor
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.lease import Lease
from gatefront.search.storage.tables.schema import StudyRow

OpenStudy = Callable[..., Any]
DEAD = "elsewhere/pid:[1]/1/1"


class RecordingControl:
    def __init__(self) -> None:
        self.resumed: list[tuple[str, float | None, str]] = []

    def resume(self, study: str, *, workers: int | None = None, hours: float | None = None, actor: str) -> None:
        self.resumed.append((study, hours, actor))
        raise DriverFailedError("no driver here.")


@pytest.fixture
def lost(open_table_study: OpenStudy) -> Any:
    """A study that a service started, and whose driver was last heard of a day ago, after an hour's work."""
    study = open_table_study()
    study.store.begin_session("started", "", actor="ann", is_kept=True)
    change(study, driver=DEAD, heartbeat_at=_ago(24), driver_since=_ago(25))
    return study


def change(study: Any, **values: Any) -> None:
    with Session(open_store(study.url)[0]) as session, session.begin():
        session.execute(sa.update(StudyRow).values(**values))


def _ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def look(study: Any, control: RecordingControl) -> None:
    StudySupervisor(study.url, control).look()  # type: ignore[arg-type]


def test_a_lost_study_is_resumed_with_what_is_left_of_its_time(lost: Any) -> None:
    control = RecordingControl()
    look(lost, control)
    change(lost, max_hours=3.0)
    look(lost, control)
    change(lost, max_hours=0.5)
    look(lost, control)
    hours = [found[1] for found in control.resumed]
    assert [found[0] for found in control.resumed] == ["table"] * 3
    assert {found[2] for found in control.resumed} == {ACTOR}
    assert hours == [None, pytest.approx(2.0, abs=0.01), 0.0]


@pytest.mark.parametrize(
    "values",
    [
        {"is_kept": False},
        {"stop_requested": True},
        {"state": StudyState.STOPPED},
        {"state": StudyState.FAILED},
        {"state": StudyState.COMPLETE},
        {"driver": None, "heartbeat_at": None},
    ],
)
def test_what_a_person_stopped_or_drives_is_left_alone(lost: Any, values: dict[str, Any]) -> None:
    change(lost, **values)
    control = RecordingControl()
    look(lost, control)
    assert control.resumed == []


def test_a_living_driver_is_left_alone(lost: Any) -> None:
    change(lost, driver=None, heartbeat_at=None)
    Lease(open_store(lost.url)[0], "table").acquire()
    control = RecordingControl()
    look(lost, control)
    assert ask_to_stop(open_store(lost.url)[0], "table")
    assert control.resumed == []


def test_a_study_that_comes_to_nothing_is_given_up_until_it_gets_on(lost: Any) -> None:
    control = RecordingControl()
    watch = StudySupervisor(lost.url, control)  # type: ignore[arg-type]
    for _ in range(6):
        watch.look()
    assert len(control.resumed) == 3
    lost.searcher.suggest("a")
    lost.finish("a")
    watch.look()
    assert len(control.resumed) == 4
