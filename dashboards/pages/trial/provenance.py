"""Cards of the trial page on the trial's origin, its cost and its workers' log."""

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from gatefront.dashboards.widgets.components import Children, card, facts, labelled, reason
from gatefront.dashboards.widgets.links import study_path, trial_path
from gatefront.search.results.formats import NONE, format_count, format_duration, format_flops
from gatefront.search.results.records import StudyView, TrialDetail
from gatefront.search.snapshots.trial_provenance import TrialProvenance


def origin_cards(view: StudyView, detail: TrialDetail, trace: TrialProvenance) -> Component:
    """Return the cards of origin and cost, side by side if there is room."""
    cards: Component = dmc.SimpleGrid(
        [
            card("Where it came from", facts(_origin(detail.study, trace))),
            card("What it cost", facts(_cost(view, detail))),
        ],
        cols={"base": 1, "md": 2},
        spacing="md",
    )
    return cards


def log_card(trace: TrialProvenance) -> Component:
    """Return the card with the end of the log, scrolled to the latest lines."""
    if not trace.log:
        words = f"There is no log of this trial in {trace.log_dir}: it has not begun, or its worker writes elsewhere."
        return card("Log", reason(words))
    # Scrolled to its end by the style sheet: the last line is what a person looks for.
    log = html.Div(html.Pre(trace.log), className="log", tabIndex=0, role="region", **labelled("the end of the log"))
    return card("Log", log, note=f"The end of what its workers said, kept in {trace.log_dir}.")


def _origin(study: str, trace: TrialProvenance) -> list[tuple[str, Children]]:
    rows: list[tuple[str, Children]] = []
    if trace.started_from is not None:
        rows.append(("Its study started from", dcc.Link(trace.started_from, href=study_path(trace.started_from))))
    rows.append(("Began with", trace.initial or _references(trace)))
    if trace.confirms is not None:
        rows.append(("Repeats", _trial_link(study, trace.confirms)))
    if trace.confirmed_by:
        links: list[Component | str] = []
        for number in trace.confirmed_by:
            links += [", " if links else "", _trial_link(study, number)]
        rows.append(("Repeated with other seeds by", links))
    rows.append(("Worker", trace.worker or NONE))
    return rows


def _references(trace: TrialProvenance) -> str:
    """Return the number of references in words, because their full names are long."""
    number = len(trace.references)
    return f"the study's {number} references" if number > 1 else "the study's references"


def _trial_link(study: str, number: int) -> Component:
    return dcc.Link(f"trial {number}", href=trial_path(study, number))


def _cost(view: StudyView, detail: TrialDetail) -> list[tuple[str, Children]]:
    """Return the cost of the trial with all its networks, and its share of the study's cost."""
    derived = [network for network in detail.derived if network.point.seconds is not None]
    own = detail.point.seconds
    total = (own or 0.0) + sum(network.point.seconds or 0.0 for network in derived)
    spent = view.summary.seconds_spent
    share = f", {100 * total / spent:.0f} % of the study's" if own and spent else ""
    flops = [value for value in (detail.train_flops, *(n.train_flops for n in derived)) if value is not None]
    rows: list[tuple[str, Children]] = [("Worker time", format_duration(total) + share if own else NONE)]
    if derived:
        rows.append(("of it for derived points", format_duration(sum(n.point.seconds or 0.0 for n in derived))))
    held = view.summary.gpus_per_worker
    rows.append(("A worker holds", f"{held:g} GPU and 1 CPU core" if held else "1 CPU core"))
    rows.append(("Training FLOPs", format_flops(sum(flops)) if flops else NONE))
    rows.append(("Epochs", f"{detail.point.epoch} of {detail.point.num_epochs}, {_attempts(detail.attempts)}"))
    return rows


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{format_count(number)} attempts"
