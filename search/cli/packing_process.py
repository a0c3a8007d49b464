"""Process that packs one bundle: ``python -m gatefront.search.cli.packing_process STUDY LABEL FOLDER``.

Exporting a network keeps Python busy for half a minute, in which the service could answer nobody. GATEFRONT_DB names
the database. Standard output has one line for each step.
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
