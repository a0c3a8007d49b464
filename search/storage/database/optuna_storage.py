"""Optuna's tables in the study's database: with retries in outages, a check of the lease, and WAL for SQLite."""

from collections.abc import Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState as OptunaState

from gatefront.search.storage.database.retry import NO_RETRY, RetryPolicy, repeated
from gatefront.search.storage.lease import require_holder
from gatefront.search.storage.optuna_internals import STORAGE_METHODS


class StudyStorage(optuna.storages.RDBStorage):
    """``RDBStorage`` that waits for its database.

    Unpickling rebuilds its engine, without the listeners that were attached to it.
    """

    def __init__(self, url: str, engine_kwargs: dict[str, Any], *, skip_compatibility_check: bool = False) -> None:
        super().__init__(url, engine_kwargs=engine_kwargs, skip_compatibility_check=skip_compatibility_check)
        self.retry_policy: RetryPolicy = NO_RETRY

    def write_for(self, study: str, holder: str) -> None:
        """Refuse each later write with :class:`LeaseLostError` if ``holder`` does not hold the study any more."""

        def check(connection: sa.Connection, _cursor: Any, _sql: str, _values: Any, context: Any, _many: bool) -> None:
            if context is not None and (context.isinsert or context.isupdate or context.isdelete):
                require_holder(connection, study, holder)

        # The check follows the statement, as SQLite is locked from the first write on. An error undoes the transaction.
        sa.event.listen(self.engine, "after_cursor_execute", check)

    def set_trial_state_values(self, trial_id: int, state: OptunaState, values: Sequence[float] | None = None) -> bool:
        """Store a trial's state and values. Return True if a call whose response was lost has stored them already."""
        try:
            return self.retry_policy(lambda: super(StudyStorage, self).set_trial_state_values(trial_id, state, values))
        except UpdateFinishedTrialError:
            if self.get_trial(trial_id).state is state:
                return True
            raise


for _name in STORAGE_METHODS:
    setattr(StudyStorage, _name, repeated(getattr(optuna.storages.RDBStorage, _name)))


class SqliteStorage(StudyStorage):
    """Storage in a SQLite file that can be read while it is written."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any], *, skip_compatibility_check: bool = False) -> None:
        super().__init__(url, engine_kwargs, skip_compatibility_check=skip_compatibility_check)
        self._attach()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._attach()

    def _attach(self) -> None:
        sa.event.listen(self.engine, "connect", set_pragmas)
        self.engine.dispose()


def set_pragmas(connection: Any, _record: object) -> None:
    """Set WAL, so that readers and the one writer do not wait for each other."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
