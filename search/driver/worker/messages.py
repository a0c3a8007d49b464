"""What a worker tells the driver. Sent as one JSON text: Ray would flatten a nested result into its leaves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.reporting import EpochReport, TrialResult

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
_KINDS: Final[Mapping[str, type[Message]]] = {kind.__name__: kind for kind in get_args(Message)}


def encode(message: Message) -> dict[str, str]:
    """The dictionary to hand to ``tune.report``."""
    return {KEY: json.dumps({type(message).__name__: to_json(message)})}


def decode(result: Mapping[str, Any]) -> Message | None:
    """The message in one Ray result; None if it carries none."""
    text = result.get(KEY)
    if text is None:
        return None
    ((kind, document),) = json.loads(text).items()
    return from_json(_KINDS[kind], document)
