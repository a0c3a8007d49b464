"""What a worker sends is what the driver reads."""

import math
from dataclasses import replace

import pytest

from gatefront.search.driver.worker.messages import (
    AttemptStarted,
    EpochFinished,
    Message,
    TrialFailed,
    TrialFinished,
    decode,
    encode,
)
from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.trainer.reporting import EpochReport, NetworkResult, TrialResult

EPOCH = EpochReport(
    epoch=2,
    num_epochs=3,
    phase="finetune",
    losses={"left": 0.5},
    metrics={"left": 50.0},
    learning_rate=1e-3,
    seconds=1.0,
    delta_mtl=-5.0,
    flops=10**13,
)
GATES = GateMap(tasks=("left",), sites=(GateSite(name="conv1", own=("10",), flops_per_channel=5.0),))
RESULT = TrialResult(
    metrics={"left": 90.0},
    delta_per_task={"left": -1.0},
    delta_mtl=-1.0,
    flops=10**13,
    flop_budget=None,
    flops_before_cut=10**13,
    num_parameters=5,
    gate_map=GATES,
    seconds=12.0,
    device="cpu",
    train_flops=1e12,
    peak_memory_mib=300.0,
    environment={"torch": "2.13.0"},
    network_path="trials/0/network.pt",
)


DERIVED = tuple(
    NetworkResult(
        index=index,
        flop_target=10**13 // index,
        metrics={"left": 80.0},
        delta_per_task={"left": -2.0},
        delta_mtl=-2.0,
        flops=10**12,
        num_parameters=4,
        gate_map=GateMap(tasks=("left",), sites=(GateSite(name="conv1", own=("00",), flops_per_channel=5.0),)),
        seconds=1.5,
        train_flops=1e11,
        network_path=f"trials/0/derived-{index}.pt",
    )
    for index in (1, 2)
)


@pytest.mark.parametrize(
    "message",
    [
        AttemptStarted("host/ns/1/2"),
        EpochFinished(EPOCH),
        EpochFinished(replace(EPOCH, gates=GateCounts.of(GATES))),
        TrialFinished(RESULT),
        TrialFinished(replace(RESULT, flop_target=10**13, derived=DERIVED)),
        TrialFailed("why: τ"),
    ],
)
def test_message_comes_back_equal(message: Message) -> None:
    assert decode(encode(message)) == message


def test_nan_travels() -> None:
    sent = EpochFinished(
        EpochReport(
            epoch=1, num_epochs=1, phase="train", losses={"left": math.nan}, metrics={}, learning_rate=0.1, seconds=1.0
        )
    )
    received = decode(encode(sent))
    assert isinstance(received, EpochFinished)
    assert math.isnan(received.report.losses["left"])


def test_result_without_a_message_is_none() -> None:
    assert decode({"done": True, "training_iteration": 3}) is None
