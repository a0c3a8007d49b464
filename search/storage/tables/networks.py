"""Networks of trials in the database: each trial's own has index 0, derived ones count from 1."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.storage.tables.figures_on_test import drop_test_figures
from gatefront.search.storage.tables.schema import NetworkRow
from gatefront.spaces.json_codec import to_json
from gatefront.trainer.reporting import NetworkResult

_COPIED = ("delta_mtl", "flops", "flop_target", "num_parameters", "latency_ms", "seconds", "train_flops")


def replace_networks(session: Session, study: str, number: int, networks: Iterable[NetworkResult]) -> None:
    """Store a trial's networks. They replace all earlier ones, with their figures on the test split."""
    drop_test_figures(session, study, number)
    session.execute(sa.delete(NetworkRow).where(NetworkRow.study == study, NetworkRow.number == number))
    session.add_all(_new_row(study, number, network) for network in networks)


def read_networks(session: Session, study: str, number: int) -> Sequence[NetworkRow]:
    """Return one trial's networks with their gate maps, its own first."""
    query = sa.select(NetworkRow).where(NetworkRow.study == study, NetworkRow.number == number)
    return session.scalars(query.order_by(NetworkRow.derived)).all()


def _new_row(study: str, number: int, network: NetworkResult) -> NetworkRow:
    return NetworkRow(
        study=study,
        number=number,
        derived=network.index,
        metrics=dict(network.metrics),
        delta_per_task=dict(network.delta_per_task),
        gate_map=None if network.gate_map is None else to_json(network.gate_map),
        **{name: getattr(network, name) for name in _COPIED},
    )
