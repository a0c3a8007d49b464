"""The commands start and resume, which drive a study."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.console import Console

from gatefront.search.cli.commands.options import (
    Database,
    FlopBudgetText,
    LatencyBudgetText,
    ParamBudgetText,
    Server,
    Storage,
    StudyFile,
    StudyName,
    open_reader,
    resolve_study_name,
)
from gatefront.search.cli.live import PlainDisplay, RichDisplay, watching
from gatefront.search.config.environment import database_url, storage_folder
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.quantities import parse_latency_budget
from gatefront.search.config.study_file import read_study_file
from gatefront.search.driver.recovery import Recovery
from gatefront.search.driver.signals import signals
from gatefront.search.driver.start_and_resume import DriverSession, resume_study, start_study
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.results.empty_front import no_front_reason
from gatefront.search.results.forecast import outlook_sentence, study_outlook
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader

Trials = Annotated[int | None, typer.Option("--trials", min=1, help="How many trials; default: the study file's.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Workers; default: one per GPU or CPU core.")]
Hours = Annotated[float | None, typer.Option("--hours", min=0.0, help="Stop cleanly after this long; resume goes on.")]
Earlier = Annotated[
    str | None, typer.Option("--from", metavar="STUDY", help="Go on from what an earlier study of the same data found.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:6379", help="Train on the Ray cluster there, not on one of its own."),
]
Force = Annotated[bool, typer.Option("--force", help="Start although the doctor's checks of the data fail.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show only how the study ended.")]
Plain = Annotated[bool, typer.Option("--plain", help="Plain lines also on a terminal.")]


def start(  # noqa: PLR0913  # one parameter per option of the command line
    file: StudyFile,
    flop_budget: FlopBudgetText = None,
    param_budget: ParamBudgetText = None,
    latency_budget: LatencyBudgetText = None,
    trials: Trials = None,
    hours: Hours = None,
    workers: Workers = None,
    db: Database = None,
    storage: Storage = None,
    earlier: Earlier = None,
    address: Address = None,
    server: Server = None,
    force: Force = False,
    quiet: Quiet = False,
    plain: Plain = False,
) -> None:
    """Start a study and run it to its end. Ctrl-C stops it after the current epochs, and `resume` continues it."""
    overrides = StudyOverrides(
        flop_budget=flop_budget,
        param_budget=param_budget,
        latency_budget_ms=None if latency_budget is None else parse_latency_budget(latency_budget),
        trials=trials,
        workers=workers,
    )
    if server is not None:
        from gatefront.search.cli.commands.remote import start_remote

        options = asdict(overrides) | {"hours": hours, "earlier": earlier}
        # Left out unless it is set, because a service of an earlier version does not know it.
        options |= {"force": True} if force else {}
        start_remote(server, file, options, db=db, storage=storage, address=address)
        return
    text, _ = read_study_file(file)
    folder = storage_folder(storage)
    if not quiet:
        typer.echo(f"Reading {file} and its data ...", err=True)
    _run(
        lambda driver_session: start_study(
            text, overrides, folder, replace(driver_session, address=address), earlier=earlier, force=force
        ),
        db,
        hours,
        _mode(quiet, plain),
    )


def resume(  # noqa: PLR0913  # one parameter per option of the command line
    study: StudyName = None,
    workers: Workers = None,
    hours: Hours = None,
    db: Database = None,
    address: Address = None,
    server: Server = None,
    quiet: Quiet = False,
    plain: Plain = False,
) -> None:
    """Continue a study that was stopped, or whose driver died, until all its trials are done."""
    if server is not None:
        from gatefront.search.cli.commands.remote import resume_remote

        resume_remote(server, study, {"workers": workers, "hours": hours}, db=db, address=address)
        return
    name = resolve_study_name(open_reader(db), study)
    _run(
        lambda driver_session: resume_study(name, replace(driver_session, address=address), workers=workers),
        db,
        hours,
        _mode(quiet, plain),
        say_plan=True,
    )


def _mode(quiet: bool, plain: bool) -> str:
    if quiet:
        return "quiet"
    return "plain" if plain or not sys.stderr.isatty() else "rich"


def _run(
    drive: Callable[[DriverSession], StudyState],
    db: str | None,
    hours: float | None,
    mode: str,
    *,
    say_plan: bool = False,
) -> None:
    stop_request = StopRequest(max_seconds=None if hours is None else hours * 3600)
    url = database_url(db)
    reader = StudyReader(url)
    seen: list[str] = []

    @contextmanager
    def watch(study: str, recovery: Recovery) -> Iterator[None]:
        seen.append(study)
        if say_plan:
            typer.echo(_plan_line(recovery), err=True)
        with _shown(reader, study, mode):
            yield

    with signals(stop_request):
        state = drive(DriverSession(url=url, stop_request=stop_request, watch=watch))
    _say_end(reader, seen[0], state)


@contextmanager
def _shown(reader: StudyReader, study: str, mode: str) -> Iterator[None]:
    if mode == "quiet":
        yield
    elif mode == "plain":
        with watching(reader, study, PlainDisplay(lambda line: typer.echo(line, err=True))):
            yield
    else:
        with RichDisplay(Console(stderr=True)) as display, watching(reader, study, display):
            yield


def _plan_line(recovery: Recovery) -> str:
    requeued = len(recovery.adopted) + len(recovery.replicates)
    return (
        f"kept {recovery.num_done} finished trials, re-queued {requeued} from their checkpoints, "
        f"{recovery.num_left - len(recovery.adopted)} new ones remain"
    )


def _say_end(reader: StudyReader, study: str, state: StudyState) -> None:
    view = reader.view(study)
    typer.echo(f"{study}: {state}. {view.summary.message}")
    outlook = study_outlook(view)
    if outlook is not None and outlook.is_little:
        typer.echo(f"Forecast: {outlook_sentence(outlook)}.")
    if state is StudyState.COMPLETE and not view.front:
        typer.echo(f"No point is on the front: {no_front_reason(view)}")
    elif state is StudyState.COMPLETE:
        typer.echo(f"See `gatefront front {study}`, then `gatefront pull {study} -o DIR`.")
    elif state is StudyState.STOPPED:
        typer.echo(f"Go on with `gatefront resume {study}`.")
    else:
        raise typer.Exit(1)
