"""What a worker tells the driver. Sent as one JSON text: Ray would flatten a nested result into its leaves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap
from gatefront.trainer.reporting import EpochReport, NetworkResult, TrialResult

KEY = "message"


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A worker, named by its process identity, begins a trial or goes on with it."""

    worker: str


@dataclass(frozen=True, slots=True)
class EpochFinished:
    report: EpochReport


@dataclass(frozen=True, slots=True)
class TrialFinished:
    result: TrialResult


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """The trial raised an error. ``is_deterministic``: its point of the search space is to blame, with any seed."""

    cause: str
    is_deterministic: bool = False


@dataclass(frozen=True, slots=True)
class TrialInterrupted:
    """The trial cannot go on here and now, through no fault of its own; a resume goes on with it."""

    cause: str


Message = AttemptStarted | EpochFinished | TrialFinished | TrialFailed | TrialInterrupted


def encode(message: Message) -> dict[str, str]:
    """The dictionary to hand to ``tune.report``."""
    return {KEY: json.dumps({type(message).__name__: asdict(message)})}


def decode(result: Mapping[str, Any]) -> Message | None:
    """The message in one Ray result; None if it carries none."""
    text = result.get(KEY)
    if text is None:
        return None
    ((kind, document),) = json.loads(text).items()
    if kind == "AttemptStarted":
        return AttemptStarted(document["worker"])
    if kind == "EpochFinished":
        return EpochFinished(_epoch_report(document["report"]))
    if kind == "TrialInterrupted":
        return TrialInterrupted(document["cause"])
    if kind == "TrialFinished":
        return TrialFinished(_trial_result(document["result"]))
    return TrialFailed(document["cause"], document["is_deterministic"])


def _epoch_report(fields: Mapping[str, Any]) -> EpochReport:
    gates = fields["gates"]
    return EpochReport(**{**fields, "gates": None if gates is None else GateCounts.from_json(gates)})


def _trial_result(fields: Mapping[str, Any]) -> TrialResult:
    derived = tuple(NetworkResult(**_with_gate_map(point)) for point in fields["derived"])
    return TrialResult(**_with_gate_map(fields) | {"derived": derived})


def _with_gate_map(fields: Mapping[str, Any]) -> dict[str, Any]:
    document = fields["gate_map"]
    return {**fields, "gate_map": None if document is None else GateMap.from_json(document)}
