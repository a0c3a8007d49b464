"""Opening of a database with both schemas in place."""

import optuna
import sqlalchemy as sa

from gatefront.search.storage.database.engine import open_engine, open_optuna_storage, unreachable
from gatefront.search.storage.database.locks import initialization_lock
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.database.optuna_storage import StudyStorage


def open_store(url: str) -> tuple[sa.Engine, StudyStorage]:
    """Open a database and create or upgrade both schemas, Optuna's first because readers join its tables to ours.

    Raises:
        StoreError: the database cannot be reached or written.
    """
    engine = open_engine(url)
    try:
        with engine.connect():
            pass
        with initialization_lock(engine):
            storage = open_optuna_storage(url)
    except (sa.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise unreachable(engine.url, error) from error
    upgrade_schema(engine)
    return engine, storage
