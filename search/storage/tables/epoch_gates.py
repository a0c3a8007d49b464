"""Gates per epoch in the database: counts in a row per epoch, and what they are counts of once per trial."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.results.gate_history import EpochGates, GateCourse
from gatefront.search.storage.tables.schema import EpochGatesRow, EpochRow, TrialRow
from gatefront.spaces.gating.gate_counts import GateCounts


def write_epoch_gates(session: Session, trial: TrialRow, epoch: int, gates: GateCounts) -> None:
    """Note how the gates stood after an epoch; one that is trained again replaces what it said before."""
    document = gates.to_json()
    own = [list(site.pop("own")) for site in document["sites"]]
    layout = {"tasks": list(document["tasks"]), "sites": list(document["sites"])}
    if trial.gate_layout != layout:
        trial.gate_layout = layout
    session.merge(EpochGatesRow(study=trial.study, number=trial.number, epoch=epoch, own=own))


def read_gate_course(session: Session, trial: TrialRow) -> GateCourse:
    """What is known of a trial's gates, epoch by epoch."""
    layout = trial.gate_layout
    if layout is None:
        return GateCourse(num_epochs=trial.num_epochs, epochs=())
    same = [EpochRow.study == EpochGatesRow.study, EpochRow.number == EpochGatesRow.number]
    query = (
        sa.select(EpochGatesRow.epoch, EpochRow.phase, EpochGatesRow.own)
        .join(EpochRow, sa.and_(*same, EpochRow.epoch == EpochGatesRow.epoch))
        .where(EpochGatesRow.study == trial.study, EpochGatesRow.number == trial.number)
        .order_by(EpochGatesRow.epoch)
    )
    epochs = []
    for epoch, phase, own in session.execute(query):
        sites = [{**site, "own": counts} for site, counts in zip(layout["sites"], own, strict=True)]
        gates = GateCounts.from_json({"tasks": layout["tasks"], "sites": sites})
        epochs.append(EpochGates(epoch=epoch, phase=phase, gates=gates))
    return GateCourse(num_epochs=trial.num_epochs, epochs=tuple(epochs))
