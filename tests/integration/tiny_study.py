"""The file of a study whose networks are real, and so tiny that a trial takes seconds."""

import json
from collections.abc import Mapping
from typing import Any

Section = Mapping[str, Any]

_SECTIONS: Mapping[str, Section] = {
    "study": {
        "name": "tiny",
        "flop_budget": "60%",
        "trials": 2,
        "workers": 1,
        "sampler": "random",
        "confirm_points": 0,
        "rank_unlearned": True,
    },
    "data": {"name": "digits", "options": {"train_size": 256, "val_size": 128, "test_size": 64}},
    "network": {"backbone": "smallconv", "stem": "small"},
    "train": {"epochs": 1, "reference_epochs": 1, "hard_sharing_epochs": 1},
    "gates": {"lambda_s": {"low": 0.3, "high": 3.0}, "finetune_epochs": 1},
}


def tiny_study(**changes: Section | None) -> str:
    """Its text, with the keys of whole sections changed or added; None leaves a section or a key out."""
    lines: list[str] = []
    for name in [*_SECTIONS, *(name for name in changes if name not in _SECTIONS)]:
        change = changes.get(name, {})
        if change is not None:
            keys = {**_SECTIONS.get(name, {}), **change}
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in keys.items() if value is not None)]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
