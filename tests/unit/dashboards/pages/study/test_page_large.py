"""Ten thousand trials: what a look at the study's page asks of the database, counted rather than timed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from gatefront.dashboards.pages.study.page import study_update
from gatefront.dashboards.pages.study.points import rows_answer
from gatefront.dashboards.widgets.figure_cache import ShownPoints
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.reader import StudyReader

pytestmark = pytest.mark.soak

FEW, MANY, FURTHER = 500, 10_000, 60
ROWS = {"startRow": 0, "endRow": 100, "sortModel": [{"colId": "link", "sort": "desc"}]}


@pytest.fixture(scope="module")
def large_study(load_module: Callable[[str, Path], ModuleType]) -> ModuleType:
    """The benchmarks' writer of large studies."""
    return load_module("large_study", Path(__file__).parents[5] / "benchmarks" / "large_study.py")


class Watched:
    """A study and a reader that has looked at it, whose statements and rows are counted."""

    def __init__(self, module: ModuleType, folder: Path, number: int) -> None:
        self.name, self.number = module.NAME, number
        self.study = module.write_large_study(f"sqlite:///{folder / f'{number}.db'}", number)
        # Nobody drives it: the state would change as soon as a driver had been silent for long enough.
        self.study.store.set_state(StudyState.STOPPED)
        self.reader = StudyReader(self.study.url)
        self.seen = self.look(ClientState())
        assert self.reader._engine is not None
        self._engine = self.reader._engine

    def look(self, seen: ClientState) -> ClientState:
        """One tick of the page, with the rows on the screen if anything is new."""
        outputs = study_update(self.reader, self.name, seen, "light")
        found = outputs[-1]
        if not isinstance(found, dict):
            return seen
        rows_answer(self.reader, self.name, ROWS, None)
        return ClientState.from_json(found)

    def finish_one(self) -> None:
        self.study.finish_one(self.number)
        self.number += 1

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        found: Counter[str] = Counter()

        def count_rows(_cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
            found["rows"] += 1
            return row

        def count_statement(connection: sa.Connection, *_: Any) -> None:
            found["statements"] += 1
            connection.connection.dbapi_connection.row_factory = count_rows  # type: ignore[union-attr]

        def stop_counting(connection: sa.Connection) -> None:
            connection.connection.dbapi_connection.row_factory = None  # type: ignore[union-attr]

        sa.event.listen(self._engine, "before_cursor_execute", count_statement)
        sa.event.listen(self._engine, "rollback", stop_counting)
        try:
            yield found
        finally:
            sa.event.remove(self._engine, "before_cursor_execute", count_statement)
            sa.event.remove(self._engine, "rollback", stop_counting)


@pytest.fixture(scope="module")
def studies(large_study: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Watched, Watched]:
    folder = tmp_path_factory.mktemp("large")
    return Watched(large_study, folder, FEW), Watched(large_study, folder, MANY)


def test_a_tick_without_news_reads_two_rows(studies: tuple[Watched, Watched]) -> None:
    for study in studies:
        with study.counting() as found:
            assert study.look(study.seen) == study.seen
        assert 1 <= found["rows"] <= found["statements"] <= 3


def test_a_finished_trial_costs_what_it_costs_in_a_small_study(studies: tuple[Watched, Watched]) -> None:
    asked = []
    for study in studies:
        study.finish_one()
        with study.counting() as found:
            study.seen = study.look(study.seen)
        asked.append((found["statements"], found["rows"]))
    (few_statements, few_rows), (many_statements, many_rows) = asked
    assert many_statements == few_statements <= 30
    assert 1 <= many_rows == few_rows <= 60


def test_pictures_are_drawn_again_for_the_front_and_for_every_hundredth_trial(studies: tuple[Watched, Watched]) -> None:
    study = studies[1]
    tokens, fronts = set(), set()
    for _ in range(FURTHER):
        study.finish_one()
        view = study.reader.view(study.name)
        tokens.add(ShownPoints.of(view, "light").token)
        fronts.add(tuple(point.label for point in view.all_points if point.on_front))
    assert len(fronts) <= len(tokens) <= len(fronts) + 3
