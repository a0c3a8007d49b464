"""The commands stop, extend and void, which change a study after it began."""

from typing import Annotated

import sqlalchemy as sa
import typer

from gatefront.search.cli.commands.options import Database, Server, StudyName, open_reader, resolve_study_name
from gatefront.search.config.environment import database_url
from gatefront.search.errors import AmendmentError
from gatefront.search.results.point_label import PointLabel
from gatefront.search.service.amendments import extend as extend_study
from gatefront.search.service.amendments import stop_study, unvoid_trial, void_trial
from gatefront.search.storage.database.engine import open_engine

MoreTrials = Annotated[int, typer.Option("--trials", min=1, help="How many more.", show_default=False)]
TrialNumber = Annotated[str, typer.Option("--trial", metavar="N", help="The trial's number.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept and shown.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take an earlier void back.")]


def stop(study: StudyName = None, db: Database = None, server: Server = None) -> None:
    """Ask a running study to stop after the current epochs."""
    if server is not None:
        from gatefront.search.cli.commands.remote import stop_remote

        stop_remote(server, study, db=db)
        return
    name = resolve_study_name(open_reader(db), study)
    if stop_study(name, database_url(db)):
        typer.echo(f"{name} stops after the current epochs. Go on later with `gatefront resume {name}`.")
    else:
        typer.echo(f"{name} is not running.")


def extend(trials: MoreTrials, study: StudyName = None, db: Database = None, server: Server = None) -> None:
    """Ask for more trials of a study. A running driver trains them, otherwise `resume` does."""
    if server is not None:
        from gatefront.search.cli.commands.remote import extend_remote

        is_driven = extend_remote(server, study, trials, db=db)
        typer.echo(f"{trials} more asked for." + ("" if is_driven else " `gatefront resume` trains them."))
        return
    name, engine = _open(study, db)
    if extend_study(engine, name, trials):
        typer.echo(f"{name} is running and goes on to {trials} more. Should it end first: `gatefront resume {name}`.")
    else:
        typer.echo(f"{name} has {trials} more to train: `gatefront resume {name}`.")


def void(
    trial: TrialNumber,
    study: StudyName = None,
    reason: Reason = "",
    undo: Undo = False,
    db: Database = None,
    server: Server = None,
) -> None:
    """Take a finished trial out of front, best point, bundles and sampling, with a reason. --undo reverses that."""
    number = _whole_trial(trial)
    if server is not None:
        from gatefront.search.cli.commands.remote import void_remote

        name = void_remote(server, study, number, reason, undo=undo, db=db)
        typer.echo(f"Trial {number} of {name} is {'void no longer' if undo else 'VOID'}.")
        return
    name, engine = _open(study, db)
    if undo:
        state = unvoid_trial(engine, name, number)
        typer.echo(f"Trial {number} of {name} is {state} again.")
    else:
        void_trial(engine, name, number, reason)
        typer.echo(
            f"Trial {number} of {name} is VOID, with what was derived from it. `gatefront resume {name}` trains "
            f"another in its place; `gatefront void {name} --trial {number} --undo` takes it back."
        )


def _open(study: str | None, db: str | None) -> tuple[str, sa.Engine]:
    """Return the name of the study and its database, which the reader has brought to this release's schema."""
    reader = open_reader(db)
    name = resolve_study_name(reader, study)
    reader.revision(name)
    return name, open_engine(reader.url)


def _whole_trial(text: str) -> int:
    label = PointLabel.parse(text)
    if label.derived:
        raise AmendmentError(
            f"--trial must be a whole trial, found {label}: derived points stand and fall with their trial.",
            hint=f"Write --trial {label.number}.",
        )
    return label.number
