"""Entry point of a driver that a service starts: ``python -m gatefront.search.cli.driver_process``.

The environment holds its job.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer

from gatefront.search.cli.live import PlainDisplay, watching
from gatefront.search.cli.logging_setup import show_log_lines
from gatefront.search.cli.main import tell_error
from gatefront.search.config.environment import database_url
from gatefront.search.config.study_file import parse_study
from gatefront.search.doctor import examine
from gatefront.search.driver.recovery import Recovery
from gatefront.search.driver.signals import signals
from gatefront.search.driver.start_and_resume import DriverSession, resume_study, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.results.states import StudyState
from gatefront.search.service.control.driver_job import DriverJob
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.errors import GatefrontError


def main() -> int:
    """Do the job from the environment, and return the exit status.

    Returns:
        0 if it is done or stopped, 1 if the work failed, 2 if the input is wrong.
    """
    show_log_lines()
    order = DriverJob.from_environment()
    try:
        if order.action == "examine":
            return _examine(order)
        state = _drive(order)
    except GatefrontError as error:
        return tell_error(error)
    return 0 if state in (StudyState.COMPLETE, StudyState.STOPPED) else 1


def _drive(order: DriverJob) -> StudyState:
    options, url = order.options, database_url()
    stop_request = StopRequest(max_seconds=None if options.hours is None else options.hours * 3600)
    reader = StudyReader(url)

    @contextmanager
    def watch(study: str, _recovery: Recovery) -> Iterator[None]:
        with watching(reader, study, PlainDisplay(lambda line: typer.echo(line, err=True))):
            yield

    driver_session = DriverSession(
        url=url, stop_request=stop_request, watch=watch, actor=order.actor, is_kept=True, address=order.address
    )
    with signals(stop_request):
        if order.action == "resume":
            return resume_study(order.study, driver_session, workers=options.workers)
        return start_study(
            order.text,
            options,
            Path(order.storage),
            driver_session,
            earlier=options.earlier,
            force=options.force,
        )


def _examine(order: DriverJob) -> int:
    """Print one line of JSON on standard output for each check."""
    config = order.options.apply(parse_study(order.text))
    for check in examine(config, url=database_url(), storage=Path(order.storage)):
        typer.echo(json.dumps(asdict(check)))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
