"""The command db, which checks the database and upgrades its schema."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from gatefront.search.cli.commands.options import AsJson, Database
from gatefront.search.cli.json_output import to_text
from gatefront.search.config.environment import database_url
from gatefront.search.storage.database.health_check import (
    SchemaStatus,
    SchemaVersion,
    examine_database,
    upgrade_database,
)


class Action(StrEnum):
    """Action on the database."""

    CHECK = "check"
    UPGRADE = "upgrade"


What = Annotated[Action, typer.Argument(help="check changes nothing; upgrade brings the schema to this release's.")]


def db(action: What, as_json: AsJson = False, url: Database = None) -> None:
    """Check the study database, or bring its schema to this release's. Exit status 1 means that work is left."""
    address = database_url(url)
    condition = examine_database(address) if action is Action.CHECK else upgrade_database(address)
    if as_json:
        typer.echo(to_text(asdict(condition) | {"is_well": condition.is_well}))
    else:
        for line in _lines(condition):
            typer.echo(line)
    if not condition.is_well:
        raise typer.Exit(1)


def _lines(condition: SchemaStatus) -> list[str]:
    lines = [f"{condition.url}: {condition.dialect}, studies: {condition.num_studies}"]
    for schema in condition.schemas:
        lines.append(f"{schema.owner}: {_state(schema)}")
        lines.extend(f"  {step}" for step in schema.steps)
    lines.extend(f"PROBLEM: {problem}" for problem in condition.problems)
    if not all(schema.is_current for schema in condition.schemas):
        lines.append("`gatefront db upgrade` takes these steps; make a copy of the database before.")
    return lines if condition.problems else [*lines, "integrity: ok"]


def _state(schema: SchemaVersion) -> str:
    if schema.is_current:
        return f"schema {schema.head}, as this release wants it"
    return f"schema {schema.current or 'none yet'}, this release wants {schema.head}"
