"""Jobs: slow work in separate threads, whose progress a page asks for."""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from gatefront.spaces.errors import GatefrontError

logger = logging.getLogger(__name__)
_KEPT = 16

Report = Callable[[Any], None]
Work = Callable[[Report], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Progress of a job: its reports, and once it ``is_done`` its result or the error that ended it."""

    reports: tuple[Any, ...]
    is_done: bool
    result: Any = None
    error: str = ""


@dataclass(slots=True)
class _Job:
    discard: Callable[[Any], None]
    reports: list[Any] = field(default_factory=list)
    is_done: bool = False
    result: Any = None
    error: str = ""


class Jobs:
    """Background jobs, of which at most ``at_once`` run and further ones wait. Thread-safe.

    The latest jobs are remembered. A name is a secret of the page that started the job, and nobody else can ask for it.
    Threads do not keep the server from ending.
    """

    def __init__(self, *, at_once: int) -> None:
        self._turn = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def start(self, work: Work, *, discard: Callable[[Any], None] = lambda _result: None) -> str:
        """Start a job and return its name.

        ``work`` gets a function that records progress. ``discard`` gets the result of a job that is forgotten.
        """
        name = secrets.token_urlsafe(16)
        job = _Job(discard)
        with self._lock:
            self._jobs[name] = job
            forgotten = self._forget()
        for old in forgotten:
            old.discard(old.result)
        # In the context of the caller, so that the work is still done in their name.
        context = copy_context()
        threading.Thread(target=context.run, args=(self._run, job, work), name="gatefront-job", daemon=True).start()
        return name

    def look(self, name: str) -> JobState | None:
        """Return the state of the job, or None for one that is not remembered."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            return None
        # Read first, so that no report from before the end is missed.
        is_done = job.is_done
        return JobState(reports=tuple(job.reports), is_done=is_done, result=job.result, error=job.error)

    def _run(self, job: _Job, work: Work) -> None:
        with self._turn:
            try:
                job.result = work(job.reports.append)
            except GatefrontError as error:
                job.error = str(error)
            except Exception:  # any error ends this job alone, and is shown to the person and logged
                logger.exception("A job failed.")
                job.error = "This failed for a reason that gatefront does not know; the server's log has it."
            job.is_done = True

    def _forget(self) -> list[_Job]:
        """Forget and return the oldest jobs over the limit that have ended. Jobs that run are never forgotten."""
        ended = [name for name, job in self._jobs.items() if job.is_done]
        excess = max(0, len(self._jobs) - _KEPT)
        return [self._jobs.pop(name) for name in ended[:excess]]
