"""States of trials and studies."""

from enum import StrEnum


class TrialState(StrEnum):
    """States of a trial as people see them."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    STOPPED_EARLY = "STOPPED_EARLY"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    LOST = "LOST"
    VOID = "VOID"


class StudyState(StrEnum):
    """States of a study. In PREPARING references train. In LOST the driver's heartbeat stopped; `resume` continues."""

    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"
    LOST = "LOST"


DRIVEN_STATES = (StudyState.PREPARING, StudyState.RUNNING, StudyState.STOPPING)
"""States of a study that has a driver. STOPPING is never stored but derived from the stop request."""

OPEN_STATES = (TrialState.QUEUED, TrialState.RUNNING)


DONE_STATES = (TrialState.COMPLETE, TrialState.FAILED, TrialState.STOPPED_EARLY)
