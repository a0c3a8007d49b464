"""The command compare, which trains every system on one study's data and prints one table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gatefront.search.bundle.manifest import read_manifest
from gatefront.search.cli.commands.options import AsJson, Database, FlopBudgetText, Storage, StudyFile
from gatefront.search.cli.commands.start import Force, Workers
from gatefront.search.cli.comparison_text import comparison_document, comparison_notes, comparison_words
from gatefront.search.cli.json_output import to_text
from gatefront.search.comparison.pull import pull_system
from gatefront.search.comparison.ray_workers import ray_workers
from gatefront.search.comparison.run import run_comparison
from gatefront.search.comparison.systems import DEFAULT_WEIGHTINGS, list_systems, parse_weightings
from gatefront.search.config.environment import database_url, storage_folder
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.study_file import read_study_file
from gatefront.search.driver.ray_backend.cluster import local_cluster, plan_workers
from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError
from gatefront.search.driver.signals import signals
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.results.formats import format_delta, format_flops
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.database.open import open_store

Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, counted up from the study's own.")]
Weightings = Annotated[
    str | None, typer.Option("--weightings", metavar="A,B", help="Hard sharing with each of these weightings.")
]

Pull = Annotated[
    str | None, typer.Option("--pull", metavar="SYSTEM", help="Write this row's network to -o, of the first seed.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="With --pull: the folder to write.")]


def compare(  # noqa: PLR0913  # one parameter per option of the command line
    file: StudyFile,
    seeds: Seeds = 3,
    weightings: Weightings = None,
    flop_budget: FlopBudgetText = None,
    workers: Workers = None,
    force: Force = False,
    db: Database = None,
    storage: Storage = None,
    as_json: AsJson = False,
    pull: Pull = None,
    output: Output = None,
) -> None:
    """Train every system of the field on one study's data, for the same training FLOPs each, and print a table.

    The systems are single-task networks, hard sharing with several weightings, cross-stitch, MTAN, ETR-NLP, LOMT, and
    InterroGate at the budget.

    Data that fail the doctor's checks are refused, unless --force is given.

    Networks that were trained before are not trained again. With --pull nothing is trained, and a row's network becomes
    a bundle.
    """
    text, config = read_study_file(file)
    if pull is not None:
        _pull(text, pull, output, StudyFolders(storage_folder(storage), config.study.name), db)
        return
    config = StudyOverrides(flop_budget=flop_budget, workers=workers).apply(config)
    names = DEFAULT_WEIGHTINGS if weightings is None else parse_weightings(weightings)
    systems = list_systems(names, config.train.weightings[0])
    engine, _ = open_store(database_url(db))
    stop_request, resources = StopRequest(), plan_workers(config.study.workers)
    try:
        with signals(stop_request), local_cluster(resources):
            table = run_comparison(
                config,
                systems,
                num_seeds=seeds,
                engine=engine,
                folders=StudyFolders(storage_folder(storage), config.study.name),
                workers=ray_workers(resources, stop_request),
                force=force,
            )
    except PreparationStoppedError as stopped:
        typer.echo(f"Stopped: {stop_request.reason}. Run the same command to go on.", err=True)
        raise typer.Exit(1) from stopped
    if as_json:
        typer.echo(to_text(comparison_document(table)))
    else:
        Console(width=200).print(comparison_words(table))
        for line in comparison_notes():
            typer.echo(line)
    failed = [line.system for line in table.lines if line.num_seeds < seeds]
    if failed:
        typer.echo(f"Not all seeds of {', '.join(failed)} could be trained; see the warnings above.", err=True)
        raise typer.Exit(1)


def _pull(text: str, system: str, output: Path | None, folders: StudyFolders, db: str | None) -> None:
    if output is None:
        raise typer.BadParameter("--pull needs a folder to write.", param_hint="-o")
    engine, _ = open_store(database_url(db))
    folder = pull_system(engine, text, system, folders=folders, output=output)
    manifest = read_manifest(folder)
    typer.echo(
        f"{manifest.label}, seed {manifest.seed}: Δ_MTL {format_delta(manifest.delta_mtl)} at "
        f"{format_flops(manifest.flops.value)}."
    )
    typer.echo(f"Wrote {folder}. Its README.md says how to load it; `gatefront verify {folder}` checks it.")
