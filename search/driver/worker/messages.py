"""Messages from a worker to the driver.

Each is sent as one JSON text, because Ray would flatten a nested result into its leaves.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from gatefront.spaces.json_codec import from_json, to_json
from gatefront.trainer.reporting import EpochReport, TrialResult

KEY = "message"


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """Message that a worker, named by its process identity, begins or continues a trial."""

    worker: str


@dataclass(frozen=True, slots=True)
class EpochFinished:
    report: EpochReport


@dataclass(frozen=True, slots=True)
class TrialFinished:
    result: TrialResult


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """Message that the trial raised an error. With ``is_deterministic`` its point would fail with any seed."""

    cause: str
    is_deterministic: bool = False


@dataclass(frozen=True, slots=True)
class TrialInterrupted:
    """Message that the trial cannot continue now, for a reason outside it. A resume continues it."""

    cause: str


Message = AttemptStarted | EpochFinished | TrialFinished | TrialFailed | TrialInterrupted
_KINDS: Final[Mapping[str, type[Message]]] = {kind.__name__: kind for kind in get_args(Message)}


def encode(message: Message) -> dict[str, str]:
    """Return the dictionary to hand to ``tune.report``."""
    return {KEY: json.dumps({type(message).__name__: to_json(message)})}


def decode(result: Mapping[str, Any]) -> Message | None:
    """Return the message in one Ray result. None: the result carries none."""
    text = result.get(KEY)
    if text is None:
        return None
    ((kind, document),) = json.loads(text).items()
    return from_json(_KINDS[kind], document)
