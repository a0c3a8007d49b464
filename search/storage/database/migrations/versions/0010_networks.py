"""One row per network of a trial, its own and the derived ones; parameters beside the trial."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from optuna.distributions import json_to_distribution

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Gate maps are large: few trials at a time are held in memory.
_BATCH = 500
_OF_TRIAL = ("flops_before_cut", "device", "peak_memory_mib", "environment")
_OF_NETWORK = ("delta_mtl", "flops", "flop_target", "num_parameters", "latency_ms", "seconds", "train_flops", "metrics")
_JSON = sa.JSON(none_as_null=True)

_TRIALS = sa.table(
    "gatefront_trials",
    *(sa.column(name) for name in ("study", "number", "initial", "flops_before_cut", "device", "peak_memory_mib")),
    *(sa.column(name, _JSON) for name in ("params", "environment", "result", "gate_map")),
)
_DERIVED = sa.table(
    "gatefront_derived_points",
    *(sa.column(name) for name in ("study", "number", "derived", "delta_mtl", "flops", "flop_target")),
    *(sa.column(name) for name in ("num_parameters", "seconds")),
    *(sa.column(name, _JSON) for name in ("metrics", "result", "gate_map")),
)
_NETWORKS = sa.table(
    "gatefront_networks",
    *(sa.column(name) for name in ("study", "number", "derived")),
    *(sa.column(name, _JSON if name == "metrics" else None) for name in _OF_NETWORK),
    *(sa.column(name, _JSON) for name in ("delta_per_task", "gate_map")),
)


def upgrade() -> None:
    op.create_table(
        "gatefront_networks",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("derived", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("delta_mtl", sa.Double, nullable=False),
        sa.Column("flops", sa.BigInteger, nullable=False),
        sa.Column("flop_target", sa.BigInteger),
        sa.Column("num_parameters", sa.BigInteger, nullable=False),
        sa.Column("latency_ms", sa.Double),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("train_flops", sa.Double),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("delta_per_task", sa.JSON, nullable=False),
        sa.Column("gate_map", sa.JSON),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )
    for column in (
        sa.Column("params", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("initial", sa.Text),
        sa.Column("flops_before_cut", sa.BigInteger),
        sa.Column("device", sa.Text),
        sa.Column("peak_memory_mib", sa.Double),
        sa.Column("environment", sa.JSON),
    ):
        op.add_column("gatefront_trials", column)
    connection = op.get_bind()
    _split_results(connection)
    if {"studies", "trials", "trial_params", "trial_user_attributes"} <= set(sa.inspect(connection).get_table_names()):
        _copy_params(connection)
        _copy_initial(connection)
    op.drop_table("gatefront_derived_points")
    op.drop_column("gatefront_trials", "result")
    op.drop_column("gatefront_trials", "gate_map")


def downgrade() -> None:
    op.create_table(
        "gatefront_derived_points",
        sa.Column("study", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("derived", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("delta_mtl", sa.Double, nullable=False),
        sa.Column("flops", sa.BigInteger, nullable=False),
        sa.Column("flop_target", sa.BigInteger, nullable=False),
        sa.Column("num_parameters", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("gate_map", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["study", "number"], ["gatefront_trials.study", "gatefront_trials.number"]),
    )
    op.add_column("gatefront_trials", sa.Column("result", sa.JSON))
    op.add_column("gatefront_trials", sa.Column("gate_map", sa.JSON))
    _join_results(op.get_bind())
    op.drop_table("gatefront_networks")
    for name in ("params", "initial", *_OF_TRIAL):
        op.drop_column("gatefront_trials", name)


def _split_results(connection: sa.Connection) -> None:
    """Move every trial's result into a row per network, and what is of the whole trial into columns."""
    for trials in _batches(connection, _TRIALS, ("study", "number", "result", "gate_map")):
        known = [trial for trial in trials if trial["result"]]
        _insert(connection, [_network(trial | trial["result"], 0) for trial in known])
        for trial in known:
            of_trial = {name: trial["result"].get(name) for name in _OF_TRIAL}
            connection.execute(sa.update(_TRIALS).where(*_is(_TRIALS, trial)).values(of_trial))
    for points in _batches(connection, _DERIVED, tuple(_DERIVED.columns.keys())):
        _insert(connection, [_network(point["result"] | point, point["derived"]) for point in points])


def _join_results(connection: sa.Connection) -> None:
    for networks in _batches(connection, _NETWORKS, tuple(_NETWORKS.columns.keys())):
        for network in networks:
            gate_map = network.pop("gate_map")
            if network["derived"]:
                derived = {name: network[name] for name in network if name in _DERIVED.columns}
                rest = {name: network[name] for name in ("delta_per_task", "train_flops", "latency_ms")}
                connection.execute(sa.insert(_DERIVED).values(derived | {"result": rest, "gate_map": gate_map}))
                continue
            columns = [_TRIALS.c[name] for name in _OF_TRIAL]
            found = connection.execute(sa.select(*columns).where(*_is(_TRIALS, network))).mappings().one()
            result = {name: network[name] for name in (*_OF_NETWORK, "delta_per_task")} | dict(found)
            values = {"result": result, "gate_map": gate_map}
            connection.execute(sa.update(_TRIALS).where(*_is(_TRIALS, network)).values(values))


def _copy_params(connection: sa.Connection) -> None:
    """Copy parameters from Optuna, whose tables hold each as a number beside its distribution."""
    query = sa.text(
        "SELECT studies.study_name, trials.number, param_name, param_value, distribution_json FROM trial_params"
        " JOIN trials ON trials.trial_id = trial_params.trial_id JOIN studies ON studies.study_id = trials.study_id"
    )
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for study, number, name, value, distribution in connection.execute(query):
        external = json_to_distribution(distribution).to_external_repr(value)
        found.setdefault((study, number), {})[name] = external
    for (study, number), params in found.items():
        key = {"study": study, "number": number}
        connection.execute(sa.update(_TRIALS).where(*_is(_TRIALS, key)).values(params=params))


def _copy_initial(connection: sa.Connection) -> None:
    """Copy the name of the network that a trial starts from."""
    query = sa.text(
        "SELECT studies.study_name, trials.number, value_json FROM trial_user_attributes"
        " JOIN trials ON trials.trial_id = trial_user_attributes.trial_id"
        " JOIN studies ON studies.study_id = trials.study_id WHERE key = 'initial'"
    )
    for study, number, value in connection.execute(query).all():
        key = {"study": study, "number": number}
        connection.execute(sa.update(_TRIALS).where(*_is(_TRIALS, key)).values(initial=json.loads(value)["label"]))


def _batches(
    connection: sa.Connection, table: sa.TableClause, names: tuple[str, ...]
) -> Iterator[list[dict[str, Any]]]:
    spans = connection.execute(sa.select(table.c.study, sa.func.max(table.c.number)).group_by(table.c.study)).all()
    for study, last in spans:
        for first in range(0, last + 1, _BATCH):
            query = sa.select(*(table.c[name] for name in names)).where(
                table.c.study == study, table.c.number.between(first, first + _BATCH - 1)
            )
            yield [dict(row) for row in connection.execute(query).mappings()]


def _network(fields: dict[str, Any], derived: int) -> dict[str, Any]:
    return {
        "study": fields["study"],
        "number": fields["number"],
        "derived": derived,
        **{name: fields.get(name) for name in _OF_NETWORK},
        "delta_per_task": fields.get("delta_per_task") or {},
        "gate_map": fields["gate_map"],
    }


def _insert(connection: sa.Connection, networks: list[dict[str, Any]]) -> None:
    if networks:
        connection.execute(sa.insert(_NETWORKS), networks)


def _is(table: sa.TableClause, key: dict[str, Any]) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.study == key["study"], table.c.number == key["number"]
