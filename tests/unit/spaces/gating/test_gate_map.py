"""Gate maps and gate counts as documents: databases and records of earlier releases hold them."""

import json

from gatefront.spaces.gating.gate_counts import GateCounts
from gatefront.spaces.gating.gate_map import GateMap, GateSite
from gatefront.spaces.json_codec import from_json, to_json

GATES = GateMap(
    tasks=("left", "far"),
    sites=(
        GateSite(name="stem", own=("1010", "----"), flops_per_channel=12.5),
        GateSite(name="top", own=("00", "11"), flops_per_channel=3.0),
    ),
)
DOCUMENT = {
    "tasks": ["left", "far"],
    "sites": [
        {"name": "stem", "own": ["1010", "----"], "flops_per_channel": 12.5},
        {"name": "top", "own": ["00", "11"], "flops_per_channel": 3.0},
    ],
}
COUNTS = {
    "tasks": ["left", "far"],
    "sites": [
        {"name": "stem", "num_channels": 4, "flops_per_channel": 12.5, "own": [2, -1]},
        {"name": "top", "num_channels": 2, "flops_per_channel": 3.0, "own": [0, 2]},
    ],
}


def test_gate_map_has_its_documented_layout() -> None:
    assert from_json(GateMap, DOCUMENT) == GATES
    assert _lists(to_json(GATES)) == DOCUMENT


def test_gate_counts_have_their_documented_layout() -> None:
    assert from_json(GateCounts, COUNTS) == GateCounts.of(GATES)
    assert _lists(to_json(GateCounts.of(GATES))) == COUNTS


def _lists(document: object) -> object:
    return json.loads(json.dumps(document))
