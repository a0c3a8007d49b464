"""Options that several commands share, and the choice of the study when none is named."""

from pathlib import Path
from typing import Annotated, Protocol

import typer

from gatefront.search.config.environment import database_url
from gatefront.search.errors import StudyNotFoundError
from gatefront.search.results.records import StudySummary
from gatefront.search.snapshots.reader import StudyReader

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="The study file.", show_default=False)]
StudyName = Annotated[
    str | None, typer.Argument(metavar="STUDY", help="The study's name; may be left out if there is only one.")
]
Database = Annotated[
    str | None, typer.Option("--db", metavar="URL", help="Database; default: GATEFRONT_DB, else ./runs/gatefront.db.")
]
Storage = Annotated[
    Path | None, typer.Option("--storage", metavar="DIR", help="Folder; default: GATEFRONT_STORAGE, else ./runs.")
]
FlopBudgetText = Annotated[
    str | None, typer.Option("--flop-budget", metavar="60M|1.2G|45%", help="FLOP budget; % of the single-task cost.")
]
ParamBudgetText = Annotated[
    str | None, typer.Option("--param-budget", metavar="2M|350K", help="Most parameters a delivered network may have.")
]
LatencyBudgetText = Annotated[
    str | None,
    typer.Option(
        "--latency-budget", metavar="20ms|0.5s", help="Most time of a forward pass, as [latency] measures it."
    ),
]
Server = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="Ask the service there; GATEFRONT_TOKEN is your token.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def open_reader(db: str | None) -> StudyReader:
    return StudyReader(database_url(db))


class StudyLister(Protocol):
    """Source of a list of all studies."""

    def list_studies(self) -> tuple[StudySummary, ...]: ...


def resolve_study_name(reader: StudyLister, name: str | None) -> str:
    """Return ``name``, or the name of the only study if ``name`` is None.

    Raises:
        StudyNotFoundError: ``name`` is None, and there is not exactly one study.
    """
    if name is not None:
        return name
    known = [summary.name for summary in reader.list_studies()]
    if len(known) == 1:
        return known[0]
    if not known:
        raise StudyNotFoundError("there is no study yet.", hint="Begin with `gatefront start STUDY.toml`.")
    raise StudyNotFoundError("STUDY is missing.", hint=f"Name one of {', '.join(known)}.")
