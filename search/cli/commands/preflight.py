"""The commands flops and doctor, which examine a study file before anything is trained."""

from typing import Any

import typer

from gatefront.search.cli.commands.options import AsJson, Database, FlopBudgetText, ParamBudgetText, Storage, StudyFile
from gatefront.search.cli.json_output import to_text
from gatefront.search.config.environment import database_url, storage_folder
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.study_file import read_study_file
from gatefront.search.doctor import examine
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.results.formats import format_amount, format_share
from gatefront.spaces import FLOP_CONVENTION


def flops(file: StudyFile, as_json: AsJson = False) -> None:
    """Print exact FLOPs of a study's networks, at its input size and batch 1."""
    _, config = read_study_file(file)
    document = flops_document(plan_study(config.without_budget().without_weights()))
    if as_json:
        typer.echo(to_text(document))
        return
    whole = document["single_task"]
    typer.echo(f"convention    {document['convention']}")
    for name in ("single_task", "hard_sharing", "encoder"):
        typer.echo(_line(name, document[name], whole))
    for task, cost in document["decoders"].items():
        typer.echo(_line(f"  {task}", cost, whole))
    for name in ("floor", "ceiling"):
        typer.echo(_line(name, document[name], whole))
    typer.echo(f"params        {document['params']:,} (hard sharing)")


def doctor(
    file: StudyFile,
    flop_budget: FlopBudgetText = None,
    param_budget: ParamBudgetText = None,
    db: Database = None,
    storage: Storage = None,
) -> None:
    """Check that a study can run: data, backbone, budget, disk, database, memory, and that a network learns a batch."""
    _, config = read_study_file(file)
    config = StudyOverrides(flop_budget=flop_budget, param_budget=param_budget).apply(config)
    healthy = True
    for check in examine(config, url=database_url(db), storage=storage_folder(storage)):
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.detail}")
        for line in check.more:
            typer.echo(f"     {line}")
        healthy = healthy and check.passed
    if not healthy:
        raise typer.Exit(1)


def flops_document(plan: StudyPlan) -> dict[str, Any]:
    """Return the document of ``flops --json``.

    Costs are those of the largest capacity. ``floor`` is the cheapest cost among all capacities, ``ceiling`` the
    highest.
    """
    capacity = plan.largest
    return {
        "convention": FLOP_CONVENTION,
        "single_task": capacity.single_task,
        "hard_sharing": capacity.hard_sharing,
        "encoder": capacity.encoder,
        "decoders": dict(capacity.decoders),
        "floor": plan.floor,
        "ceiling": plan.ceiling,
        "params": capacity.num_parameters,
    }


def _line(name: str, cost: int, whole: int) -> str:
    return f"{name:13} {cost:>16,}  {format_amount(cost):>8}  {format_share(cost, whole):>7}"
