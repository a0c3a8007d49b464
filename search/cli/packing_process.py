"""Packing one bundle in a process of its own: ``python -m gatefront.search.cli.packing_process STUDY LABEL FOLDER``.

Exporting a network keeps Python busy for half a minute, and the service has others to answer. The database is in
GATEFRONT_DB; standard output has one line for each step.
"""

import sys
from pathlib import Path

import typer

from gatefront.search.bundle.archive import archive_bundle
from gatefront.search.cli.main import tell_error
from gatefront.search.config.environment import database_url
from gatefront.search.results.point_label import PointLabel
from gatefront.search.snapshots.reader import StudyReader
from gatefront.spaces.errors import GatefrontError


def main(study: str, label: str, folder: str) -> int:
    try:
        archive_bundle(StudyReader(database_url()), study, PointLabel.parse(label), Path(folder), progress=_say)
    except GatefrontError as error:
        return tell_error(error)
    return 0


def _say(step: str) -> None:
    typer.echo(step)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
