"""Upgrades of the schema in a service, whose threads open databases when they please."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from gatefront.search.storage.database.engine import open_engine
from gatefront.search.storage.database.migrate import VERSION_TABLE, upgrade_schema
from gatefront.search.storage.tables.schema import StudyRow


def test_threads_may_upgrade_at_once(tmp_path: Path) -> None:
    engines = [open_engine(f"sqlite:///{tmp_path / f'{number}.db'}") for number in range(24)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(upgrade_schema, engines))
    for engine in engines:
        assert sa.inspect(engine).has_table(VERSION_TABLE)
        assert sa.inspect(engine).has_table(StudyRow.__tablename__)
        engine.dispose()
