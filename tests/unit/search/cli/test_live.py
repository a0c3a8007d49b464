"""What a person sees of a running study."""

import errno
import io
import os
from collections.abc import Callable
from typing import Any

from rich.console import Console

from gatefront.search.cli.live import PlainDisplay, progress_line, render, watching
from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.lease import Lease

OpenStudy = Callable[..., Any]


def test_plain_lines_tell_each_thing_once(open_table_study: OpenStudy) -> None:
    study = open_table_study(max_concurrent=4)
    Lease(open_engine(study.url), "table").acquire()
    reader = StudyReader(study.url)
    lines: list[str] = []
    display = PlainDisplay(lines.append)
    display.show(reader.view("table"))
    study.searcher.suggest("a")
    study.work("a")
    display.show(reader.view("table"))
    study.finish("a", delta_mtl=-2.0, flops=500)
    study.searcher.suggest("b")
    study.work("b", TrialFailed("the loss of left is nan"))
    for _ in range(3):
        display.show(reader.view("table"))
    told = [line.split(" ", 1)[1] for line in lines]
    assert told == [
        "trial 0 started",
        "trial 0 COMPLETE: Δ_MTL −2.00 % at 500 FLOPs (50.0 % of single-task)",
        "trial 1 FAILED: the loss of left is nan",
        "2/6 trials done, best Δ_MTL under 600 −2.00 % (trial 0), hypervolume –, ETA 24 s",
    ]


def test_plain_display_looks_between_state_and_optuna_and_has_the_figures(
    open_table_study: OpenStudy, make_trial: Any
) -> None:
    """The driver stores a result, and tells Optuna of it a moment later: a look in between is as good as any."""
    study = open_table_study()
    lines: list[str] = []
    reader, display = StudyReader(study.url), PlainDisplay(lines.append)
    study.searcher.suggest("a")
    display.show(reader.view("table"))
    study.store.complete_trial(0, make_trial(delta_mtl=-2.0, flops=500))
    display.show(reader.view("table"))
    told = [line.split(" ", 1)[1] for line in lines]
    assert told[0] == "trial 0 COMPLETE: Δ_MTL −2.00 % at 500 FLOPs (50.0 % of single-task)"
    assert "best Δ_MTL under 600 −2.00 % (trial 0)" in told[1]


def test_progress_line_without_a_point_within_the_budget_says_so(open_table_study: OpenStudy) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.work("a", TrialFailed("the loss of left is nan"))
    line = progress_line(StudyReader(study.url).view("table"))
    assert line.startswith("1/6 trials done, no point on the front yet, hypervolume –")


def test_a_log_without_room_takes_the_line_and_not_the_study(open_table_study: OpenStudy) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.work("a")
    tried: list[str] = []

    def write(line: str) -> None:
        tried.append(line)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    reader, display = StudyReader(study.url), PlainDisplay(write)
    display.show(reader.view("table"))
    study.finish("a")
    display.show(reader.view("table"))
    assert "trial 0 COMPLETE" in " ".join(tried)


def test_what_an_earlier_session_did_is_no_news(open_table_study: OpenStudy) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.finish("a")
    lines: list[str] = []
    PlainDisplay(lines.append).show(StudyReader(study.url).view("table"))
    assert lines == []


def test_live_view_shows_progress_and_trials(open_table_study: OpenStudy) -> None:
    study = open_table_study()
    study.searcher.suggest("a")
    study.finish("a", delta_mtl=-2.0, flops=500)
    view = StudyReader(study.url).view("table")
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(view))
    text = console.export_text()
    assert progress_line(view) in text
    assert "0 *" in text
    assert "−2.00" in text


def test_best_derived_point_is_marked_at_its_trial(open_table_study: OpenStudy, make_derived: Any) -> None:
    study = open_table_study(max_concurrent=4)
    study.searcher.suggest("a")
    lines: list[str] = []
    display = PlainDisplay(lines.append)
    display.show(StudyReader(study.url).view("table"))
    study.finish("a", delta_mtl=-2.0, derived=(make_derived(1), make_derived(2, delta_mtl=-1.0)))
    view = StudyReader(study.url).view("table")
    display.show(view)
    assert "(50.0 % of single-task), and 2 derived points" in lines[0]
    assert "−1.00 % (trial 0.2)" in lines[1]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(view))
    assert "0 *0.2" in console.export_text()


def test_watching_shows_the_end(open_table_study: OpenStudy) -> None:
    study = open_table_study()
    shown: list[int] = []

    class Counter:
        def show(self, view: Any, /) -> None:
            shown.append(len(view.points))

    with watching(StudyReader(study.url), "table", Counter()):
        study.searcher.suggest("a")
    assert shown[-1] == 1
