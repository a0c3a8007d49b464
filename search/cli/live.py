"""Display of a running study in its terminal: a live table, or plain lines where there is no terminal."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gatefront.search.errors import StoreError
from gatefront.search.results.formats import (
    format_amount,
    format_delta,
    format_duration,
    format_flops,
    format_latency,
    format_share,
    format_signed,
)
from gatefront.search.results.records import StudyView, TrialPoint, num_done
from gatefront.search.results.states import DONE_STATES, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.retry import is_outage

_POLL_S = 1.0
_SHOWN_TRIALS = 12


class Display(Protocol):
    """Display that is given a view whenever the view has changed."""

    def show(self, view: StudyView, /) -> None: ...


@contextmanager
def watching(reader: StudyReader, study: str, display: Display) -> Iterator[None]:
    """Show the study's changes for the length of the block, from a thread of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=_follow, args=(reader, study, display, ended), name="gatefront-live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        display.show(reader.view(study))


class PlainDisplay:
    """Display of one line per event."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._said: set[tuple[object, ...]] = set()
        self._is_first = True

    def show(self, view: StudyView, /) -> None:
        summary = view.summary
        if self._is_first:
            self._is_first = False
            # The finished trials of a resumed study are not shown again.
            self._said.update((point.number, point.state) for point in view.trials if point.state in DONE_STATES)
            self._said.add(("done", num_done(view)))
        if summary.message:
            self._say(("message", summary.message), summary.message)
        derived = Counter(point.number for point in (*view.derived, *view.replicates) if point.derived)
        for point in view.trials:
            if point.state in (*DONE_STATES, TrialState.RUNNING):
                outcome = _outcome(point, view, derived[point.number])
                self._say((point.number, point.state), f"trial {point.number}{_repeated(point)} {outcome}")
        done = num_done(view)
        if done:
            self._say(("done", done), progress_line(view))

    def _say(self, what: tuple[object, ...], line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            # If the log's disk is full or the terminal is closed, the line is lost and the study continues.
            with suppress(OSError):
                self._write(f"{datetime.now():%H:%M:%S} {line}")


class RichDisplay:
    """Display of a table that redraws itself: the study's line, its progress, and the latest trials."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> "RichDisplay":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, view: StudyView, /) -> None:
        self._live.update(render(view), refresh=True)


def render(view: StudyView) -> RenderableType:
    """Return the whole live view as one renderable."""
    summary = view.summary
    bar = ProgressBar(total=summary.num_trials, completed=num_done(view), width=60)
    table = Table(box=None, pad_edge=False)
    for title in ("trial", "state", "epoch", "Δ_MTL %", "FLOPs", "of single-task"):
        table.add_column(title, justify="left" if title == "state" else "right", no_wrap=True)
    for point in view.trials[-_SHOWN_TRIALS:]:
        mark = _best_mark(point, view)
        table.add_row(
            f"{point.number}{mark}",
            # Text, because a plain string is read as rich's markup, and causes name tasks, layers and files.
            Text(f"{point.state}{_repeated(point)}" if not point.cause else f"{point.state}: {point.cause[:60]}"),
            f"{point.epoch}/{point.num_epochs}",
            format_signed(point.delta_mtl),
            format_amount(point.flops),
            format_share(point.flops, summary.single_task_flops),
        )
    headline = Text(f"{summary.name}  {summary.state}  {summary.message}")
    return Group(headline, bar, progress_line(view), "", table)


def _best_mark(point: TrialPoint, view: StudyView) -> str:
    """Return the mark of the trial that the best point belongs to, else an empty text.

    The mark is a star, and the best point's label if that is a derived one.
    """
    summary = view.summary
    if point.number != summary.best_trial:
        return ""
    return " *" if point.label == summary.best_label else f" *{summary.best_label}"


def progress_line(view: StudyView) -> str:
    """Return one line with trials done, best Δ_MTL under the budget, hypervolume and ETA."""
    summary = view.summary
    hypervolume = "–" if summary.hypervolume is None else f"{summary.hypervolume:.3f}"
    budget = f" under {summary.flop_budget_text}" if summary.flop_budget_text else ""
    best = (
        "no point on the front yet"
        if summary.best_delta_mtl is None
        else f"best Δ_MTL{budget} {format_delta(summary.best_delta_mtl)} (trial {summary.best_label})"
    )
    return (
        f"{num_done(view)}/{summary.num_trials} trials done, {best}, hypervolume {hypervolume}, "
        f"ETA {format_duration(summary.eta_seconds)}"
    )


def _repeated(point: TrialPoint) -> str:
    return "" if point.confirms is None else f" (another seed of {point.confirms})"


def _outcome(point: TrialPoint, view: StudyView, derived: int) -> str:
    if point.delta_mtl is not None and point.flops is not None:
        share = format_share(point.flops, view.summary.single_task_flops)
        latency = "" if point.latency_ms is None else f", {format_latency(point.latency_ms)}"
        slow = ", too slow" if "latency" in point.exceeds else ""
        more = f", and {derived} derived point{'s' * (derived > 1)}" if derived else ""
        return (
            f"COMPLETE: Δ_MTL {format_delta(point.delta_mtl)} at {format_flops(point.flops)} "
            f"({share} of single-task){latency}{slow}{more}"
        )
    if point.state is TrialState.RUNNING:
        return "started"
    return f"{point.state}: {point.cause}" if point.cause else str(point.state)


def _follow(reader: StudyReader, study: str, display: Display, ended: threading.Event) -> None:
    shown = ""
    while not ended.wait(_POLL_S):
        try:
            revision = reader.revision(study)
            if revision != shown:
                display.show(reader.view(study))
                shown = revision
        except StoreError as error:
            if not is_outage(error):
                raise
            # The driver logs the outage and waits. There is nothing to show until the database answers.
