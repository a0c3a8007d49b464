"""Our tables, which hold all that pages, bundles and the command line show. Only samplers use Optuna's tables."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAME = sa.String(100)
_BIG = sa.BigInteger()


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Column of UTC times stored without a zone, because SQLite would drop the zone silently."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012
        datetime: UtcDateTime,
        dict[str, Any]: sa.JSON,
        list[dict[str, Any]]: sa.JSON,
        list[list[int]]: sa.JSON,
    }


class StudyRow(Base):
    """Study. ``revision`` grows with every write. ``driver`` and ``heartbeat_at`` are the driver's lease.

    ``file_text`` is the study file as it was given. ``config`` is the effective configuration as JSON, null for a study
    of an earlier release. It is text because columns of JSON refuse infinity. ``latency`` is the study's
    :class:`~gatefront.search.config.latency.LatencyRule`; null if nothing is measured. ``started_from`` names the
    earlier study of this database that gave it a warm start. ``max_hours`` limits the driver's session, which began at
    ``driver_since``; null means no limit. A study that ``is_kept`` was started by a service, which resumes it when its
    driver is lost.
    """

    __tablename__ = "gatefront_studies"

    name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    file_text: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    num_trials: Mapped[int]
    num_workers: Mapped[int]
    seed: Mapped[int]
    flop_budget: Mapped[int | None] = mapped_column(_BIG)
    flop_budget_text: Mapped[str] = mapped_column(sa.String(40))
    param_budget_text: Mapped[str] = mapped_column(sa.String(40), default="")
    single_task_flops: Mapped[int] = mapped_column(_BIG)
    hard_sharing_flops: Mapped[int] = mapped_column(_BIG)
    floor_flops: Mapped[int] = mapped_column(_BIG)
    ceiling_flops: Mapped[int] = mapped_column(_BIG)
    tasks: Mapped[list[dict[str, Any]]]
    data: Mapped[str] = mapped_column(sa.String(200))
    backbone: Mapped[str] = mapped_column(sa.Text)
    storage_dir: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(20))
    message: Mapped[str] = mapped_column(sa.Text, default="")
    stop_requested: Mapped[bool] = mapped_column(default=False)
    driver: Mapped[str | None] = mapped_column(sa.String(300))
    heartbeat_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(_BIG, default=0)
    latency: Mapped[dict[str, Any] | None]
    started_from: Mapped[str | None] = mapped_column(_NAME)
    max_hours: Mapped[float | None]
    driver_since: Mapped[datetime | None]
    is_kept: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    config: Mapped[str | None] = mapped_column(sa.Text)


class TrialRow(Base):
    """Trial, by its number in Optuna. Its :class:`NetworkRow` hold the networks that it delivers.

    ``params`` are its parameters as Optuna proposed them. ``initial`` names the network of an earlier study that it
    starts from. ``flops_before_cut``, ``device``, ``peak_memory_mib`` and ``environment`` are stored with its result.
    ``flops_before_cut`` are the FLOPs before the projection to the budget. ``confirms`` is the trial that a replicate
    repeats. A void trial has its ``void_reason``, and the state that it was ``voided_from``. ``gate_layout`` holds the
    sites and tasks of its :class:`EpochGatesRow`.
    """

    __tablename__ = "gatefront_trials"

    study: Mapped[str] = mapped_column(_NAME, sa.ForeignKey("gatefront_studies.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(sa.String(20))
    cause: Mapped[str] = mapped_column(sa.Text)
    seed: Mapped[int]
    attempts: Mapped[int]
    worker: Mapped[str] = mapped_column(sa.String(300))
    epoch: Mapped[int]
    num_epochs: Mapped[int]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    seconds: Mapped[float | None]
    confirms: Mapped[int | None]
    void_reason: Mapped[str | None] = mapped_column(sa.Text)
    voided_from: Mapped[str | None] = mapped_column(sa.String(20))
    gate_layout: Mapped[dict[str, Any] | None]
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    initial: Mapped[str | None] = mapped_column(sa.Text)
    flops_before_cut: Mapped[int | None] = mapped_column(_BIG)
    device: Mapped[str | None] = mapped_column(sa.Text)
    peak_memory_mib: Mapped[float | None]
    environment: Mapped[dict[str, Any] | None]


class EpochRow(Base):
    """Epoch of one trial, with the attempt that trained it. A repeated epoch replaces the earlier row."""

    __tablename__ = "gatefront_epochs"

    study: Mapped[str] = mapped_column(_NAME, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempt: Mapped[int]
    phase: Mapped[str] = mapped_column(sa.String(20))
    losses: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    learning_rate: Mapped[float]
    seconds: Mapped[float]
    delta_mtl: Mapped[float | None]
    flops: Mapped[int | None] = mapped_column(_BIG)

    __table_args__ = (
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


class EpochGatesRow(Base):
    """Number of channels of each site that each task kept for itself after an epoch: ``own[site][task]``.

    This is a separate table, so that queries of epochs do not read it. Sites and tasks are in the trial's layout.
    """

    __tablename__ = "gatefront_epoch_gates"

    study: Mapped[str] = mapped_column(_NAME, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    own: Mapped[list[list[int]]]

    __table_args__ = (
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


class NetworkRow(Base):
    """Network of a trial. The trial's own is ``derived`` 0, and further ones count from 1.

    The large gate map comes last, because SQLite reads a row from its start and stops after the last column asked for.
    """

    __tablename__ = "gatefront_networks"

    study: Mapped[str] = mapped_column(_NAME, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    derived: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delta_mtl: Mapped[float]
    flops: Mapped[int] = mapped_column(_BIG)
    flop_target: Mapped[int | None] = mapped_column(_BIG)
    num_parameters: Mapped[int] = mapped_column(_BIG)
    latency_ms: Mapped[float | None]
    seconds: Mapped[float]
    train_flops: Mapped[float | None]
    metrics: Mapped[dict[str, Any]]
    delta_per_task: Mapped[dict[str, Any]]
    gate_map: Mapped[dict[str, Any] | None]

    __table_args__ = (
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


class LatencyRow(Base):
    """Latency of a trial's network, measured by `gatefront bench`. Each setting has one row."""

    __tablename__ = "gatefront_latencies"

    study: Mapped[str] = mapped_column(_NAME, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    derived: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    host: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    device: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    runtime: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    threads: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    precision: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    version: Mapped[str] = mapped_column(sa.String(100))
    median_ms: Mapped[float]
    p10_ms: Mapped[float]
    p90_ms: Mapped[float]
    measured_at: Mapped[datetime]

    __table_args__ = (
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


class FiguresOnTestRow(Base):
    """Figures of a trial's network on the test split, for confirmed and pulled networks alone."""

    __tablename__ = "gatefront_test_figures"

    study: Mapped[str] = mapped_column(_NAME, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    derived: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    delta_mtl: Mapped[float]
    delta_per_task: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]

    __table_args__ = (
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )


class EventRow(Base):
    """Change by a person to a study, in order of time. ``actor`` names the person."""

    __tablename__ = "gatefront_events"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    study: Mapped[str] = mapped_column(_NAME, sa.ForeignKey("gatefront_studies.name"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(sa.String(20))
    detail: Mapped[str] = mapped_column(sa.Text)
    actor: Mapped[str] = mapped_column(sa.String(100), default="", server_default="")


class ReferenceRow(Base):
    """Trained reference network. ``role`` is its purpose, e.g. ``0/single_task/left`` or ``hard_sharing``."""

    __tablename__ = "gatefront_references"

    study: Mapped[str] = mapped_column(_NAME, sa.ForeignKey("gatefront_studies.name"), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    is_baseline: Mapped[bool]
    delta_mtl: Mapped[float | None]
    finished_at: Mapped[datetime]
    result: Mapped[dict[str, Any]]


class ComparisonRow(Base):
    """System of a comparison, trained from one seed, at its ``position`` in the table.

    ``key`` is the hash of all inputs that determine the result. ``setting`` is the hash of those that all rows of one
    table share.
    """

    __tablename__ = "gatefront_comparisons"

    name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    system: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    setting: Mapped[str] = mapped_column(sa.String(64))
    key: Mapped[str] = mapped_column(sa.String(64))
    finished_at: Mapped[datetime]
    result: Mapped[dict[str, Any]]
