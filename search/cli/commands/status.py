"""The commands status and front, which show studies."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gatefront.search.cli.commands.options import AsJson, Database, Server, StudyName, open_reader, resolve_study_name
from gatefront.search.cli.front_table import front_csv, front_document, front_notes, front_table, point_document
from gatefront.search.cli.json_output import to_text
from gatefront.search.cli.live import progress_line
from gatefront.search.config.latency import LatencyRule
from gatefront.search.results.best_point import front_points
from gatefront.search.results.cost import cost_line, study_cost
from gatefront.search.results.empty_front import is_over, no_front_reason
from gatefront.search.results.forecast import outlook_sentence, study_outlook
from gatefront.search.results.formats import format_delta, format_flops, format_latency, format_share, format_signed
from gatefront.search.results.records import EventKind, StudyEvent, StudySummary, StudyView, num_done
from gatefront.search.results.states import TrialState
from gatefront.search.results.unlearned_tasks import unlearned_sentences
from gatefront.search.results.words_on_test import on_test_text

if TYPE_CHECKING:
    from gatefront.search.service.client import RemoteReader
    from gatefront.search.snapshots.reader import StudyReader

_EVENTS: Mapping[EventKind, str] = {
    "started": "started",
    "resumed": "resumed",
    "stop_asked": "asked to stop",
    "hours_set": "hours capped",
    "extended": "extended",
    "voided": "declared void",
    "unvoided": "void no longer",
    "started_from": "started from",
}
AsCsv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values and nothing else.")]


def status(study: StudyName = None, as_json: AsJson = False, db: Database = None, server: Server = None) -> None:
    """Show one study, or the list of all if there are several and none is named."""
    reader = _reader(db, server)
    studies = reader.list_studies()
    if study is None and len(studies) != 1:
        _show_list(studies, as_json)
        return
    view = reader.view(resolve_study_name(reader, study))
    if as_json:
        typer.echo(to_text(status_document(view)))
        return
    for line in _status_lines(view):
        typer.echo(line)


def front(
    study: StudyName = None, as_json: AsJson = False, as_csv: AsCsv = False, db: Database = None, server: Server = None
) -> None:
    """Show a study's Pareto front: the points that are best at their cost, under the budget."""
    reader = _reader(db, server)
    view = reader.view(resolve_study_name(reader, study))
    if as_json:
        typer.echo(to_text(front_document(view)))
    elif as_csv:
        typer.echo(front_csv(view), nl=False)
    else:
        if front_points(view):
            _console().print(front_table(view))
        for line in front_notes(view):
            typer.echo(line)


def _reader(db: str | None, server: str | None) -> "StudyReader | RemoteReader":
    if server is None:
        return open_reader(db)
    # Imported here, so that commands without --server do not wait for the import.
    from gatefront.search.cli.commands.remote import remote_reader

    return remote_reader(server, db=db)


def status_document(view: StudyView) -> dict[str, Any]:
    """Return the document of ``status --json`` for one study.

    It holds the summary, costs, forecast, references, all trials with derived points and replicates, and the events.
    """
    summary = view.summary
    fields = {name: getattr(summary, name) for name in StudySummary.__dataclass_fields__}
    return fields | {
        "num_done": num_done(view),
        "cost": study_cost(view),
        "outlook": study_outlook(view),
        "references": list(view.references),
        "trials": list(view.points),
        "derived": [point_document(view, point) for point in view.derived],
        "repeats": [point_document(view, point) for point in view.replicates],
        "events": list(view.events),
    }


def _show_list(studies: tuple[StudySummary, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(to_text({"studies": list(studies)}))
    elif not studies:
        typer.echo("No study yet. Begin with `gatefront start STUDY.toml`.")
    else:
        table = Table("study", "state", "trials", "best Δ_MTL %", "budget", "data", "backbone")
        for summary in studies:
            complete = summary.state_counts.get(TrialState.COMPLETE, 0)
            table.add_row(
                summary.name,
                summary.state,
                f"{complete}/{summary.num_trials}",
                format_signed(summary.best_delta_mtl),
                summary.flop_budget_text or "no cap",
                summary.data,
                summary.backbone,
            )
        _console().print(table)


def _status_lines(view: StudyView) -> list[str]:
    summary = view.summary
    lines = [f"{summary.name}: {summary.state}. {summary.message}".rstrip()]
    if summary.state == "LOST":
        lines.append(f"Its driver is silent. Go on with `gatefront resume {summary.name}`.")
    lines.append(progress_line(view))
    counts = ", ".join(f"{count} {state}" for state, count in sorted(summary.state_counts.items()))
    derived = f"; {len(view.derived)} points derived from them" if view.derived else ""
    lines.append(f"trials: {counts or 'none so far'}{derived}")
    if view.replicates:
        lines.append(_replicates_line(view))
    budget = "no cap" if summary.flop_budget is None else _flops_of(summary, summary.flop_budget)
    lines.append(
        f"budget: {budget}{_parameter_cap(summary)}; single-task {format_flops(summary.single_task_flops)}, "
        f"floor {_flops_of(summary, summary.floor_flops)}"
    )
    if summary.latency is not None:
        lines.append(_latency_line(view, summary.latency))
    for reference in view.references:
        name = reference.kind.replace("_", "-")
        tested = reference.test_delta_mtl
        on_test = "" if tested is None else f" (test split {format_delta(tested)})"
        cost = _flops_of(summary, reference.flops)
        lines.append(f"{name}: Δ_MTL {format_delta(reference.delta_mtl)}{on_test} at {cost}")
    if view.best is not None:
        lines.append(f"best point {view.best.label}: {on_test_text(view, view.best)}")
    lines.extend(unlearned_sentences(view))
    lines.append(f"cost: {cost_line(study_cost(view))}")
    if is_over(view) and not view.front:
        lines.append(f"no front: {no_front_reason(view)}")
    outlook = study_outlook(view)
    if outlook is not None and outlook.is_little:
        lines.append(f"outlook: {outlook_sentence(outlook)}")
    lines.extend(f"trial {point.number} {point.state}: {point.cause}" for point in view.trials if point.cause)
    lines.extend(_event_line(event) for event in view.events)
    return lines


def _event_line(event: StudyEvent) -> str:
    """Return a line such as ``2026-03-01 12:00 UTC extended by ann: 6 more trials, 18 in all``."""
    actor = f" by {event.actor}" if event.actor else ""
    return f"{event.at:%Y-%m-%d %H:%M} UTC {_EVENTS[event.kind]}{actor}: {event.detail}"


def _replicates_line(view: StudyView) -> str:
    """Return a line such as ``repeats with other seeds: of trial 7, 3 COMPLETE``."""
    counts = Counter((point.confirms, point.state) for point in view.replicates if not point.derived)
    return "repeats with other seeds: " + "; ".join(
        f"of trial {number}, {count} {state}" for (number, state), count in counts.items()
    )


def _latency_line(view: StudyView, rule: LatencyRule) -> str:
    cap = "no cap" if rule.budget_ms is None else f"at most {format_latency(rule.budget_ms)}"
    best = "" if view.best is None else f"; best point {view.best.label} takes {format_latency(view.best.latency_ms)}"
    slow = [point.label for point in view.all_points if "latency" in point.exceeds]
    return f"latency: {cap} ({rule}){best}" + (f"; too slow: {', '.join(slow)}" if slow else "")


def _parameter_cap(summary: StudySummary) -> str:
    return f", at most {summary.param_budget_text} parameters" if summary.param_budget_text else ""


def _flops_of(summary: StudySummary, flops: int) -> str:
    return f"{format_flops(flops)} ({format_share(flops, summary.single_task_flops)})"


def _console() -> Console:
    # A pipe has no width of its own, and tables must not be cut off there.
    console = Console()
    return console if console.is_terminal else Console(width=200)
