"""The commands pull and verify, which write and check a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from gatefront.search.bundle import pull_bundle, verify_bundle
from gatefront.search.bundle.certainty import on_test, sureness
from gatefront.search.bundle.manifest import read_manifest
from gatefront.search.cli.commands.options import (
    Database,
    FlopBudgetText,
    LatencyBudgetText,
    Server,
    StudyName,
    open_reader,
    resolve_study_name,
)
from gatefront.search.config.quantities import parse_latency_budget
from gatefront.search.results.formats import format_delta, format_flops
from gatefront.search.results.point_label import PointLabel

TrialLabel = Annotated[
    str | None, typer.Option("--trial", metavar="N|N.K", help="A trial, or its K-th derived point; default: the best.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="The folder to write.", show_default=False)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A bundle's folder.", show_default=False)]


def pull(
    output: Output,
    study: StudyName = None,
    flop_budget: FlopBudgetText = None,
    latency_budget: LatencyBudgetText = None,
    trial: TrialLabel = None,
    db: Database = None,
    server: Server = None,
) -> None:
    """Write the best pruned network under a budget as a folder that runs without gatefront."""
    label = None if trial is None else PointLabel.parse(trial)
    latency_ms = None if latency_budget is None else parse_latency_budget(latency_budget)
    if server is None:
        reader = open_reader(db)
        name = resolve_study_name(reader, study)
        folder = pull_bundle(
            reader, name, flop_budget=flop_budget, latency_budget_ms=latency_ms, trial=label, output=output
        )
    else:
        from gatefront.search.cli.commands.remote import pull_from

        wanted = {"trial": trial, "flop_budget": flop_budget, "latency_budget_ms": latency_ms}
        folder = pull_from(server, study, wanted, output, db=db)
    manifest = read_manifest(folder)
    typer.echo(
        f"Trial {manifest.label}: Δ_MTL {format_delta(manifest.delta_mtl)} at {format_flops(manifest.flops.value)}. "
        f"With other seeds: {sureness(manifest)}. On the test split: {on_test(manifest)}."
    )
    typer.echo(f"Wrote {folder}. Its README.md says how to load it; `gatefront verify {folder}` checks it.")


def verify(folder: Folder) -> None:
    """Check a bundle: every file's hash, both exports' outputs, the FLOPs."""
    report = verify_bundle(folder)
    for check in report.checks:
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}")
    typer.echo(f"{report.folder} is what {report.origin} delivered.")
