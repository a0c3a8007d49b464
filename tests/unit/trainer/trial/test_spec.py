"""A trial's specification as a document and as a key: checkpoints of earlier releases are found by it."""

import json
from dataclasses import replace

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.checkpoints.initial_network import InitialNetwork
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data.dataset import DataSpec
from gatefront.trainer.trial.family_config import FamilyChoice
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec

SPEC = TrialSpec(
    architecture=Architecture(
        backbone="smallconv",
        tasks=(Task(name="left", kind="classification", num_outputs=10), Task(name="far", kind="depth", num_outputs=1)),
        in_channels=1,
        input_size=(12, 14),
    ),
    data=DataSpec(name="digits", options={"train_size": 640, "noise": 0.5, "classes": "all", "flip": True}),
    train=TrainConfig(epochs=3, batch_size=32, num_threads=2),
    gates=GateConfig(tau=(0.5, 0.25), lambda_s=1.5, derived_points=2),
    budgets=Budgets(flops=90_000, params=5_000),
    flop_target=60_000,
    single_task={
        "left": TrainedReference(metrics={"left": 91.5}, path="/cache/left.pt"),
        "far": TrainedReference(metrics={"far": 0.25}, path="/cache/far.pt", has_learned=False),
    },
    hard_sharing=TrainedReference(metrics={"left": 90.0, "far": 0.5}, path="/cache/both.pt"),
)
FULL = replace(
    SPEC,
    train=replace(SPEC.train, micro_batch_size=8),
    initial=InitialNetwork(label="digits 7.1", path="/runs/network.pt"),
    family=FamilyChoice(name="lomt", settings={"gamma": 0.5}, sparsity=0.01, search_epochs=4),
)
FULL_DOCUMENT = {
    "architecture": {
        "backbone": "smallconv",
        "tasks": [
            {"name": "left", "kind": "classification", "num_outputs": 10, "weight": 1.0, "metric": None},
            {"name": "far", "kind": "depth", "num_outputs": 1, "weight": 1.0, "metric": None},
        ],
        "in_channels": 1,
        "input_size": [12, 14],
        "stem": "default",
        "output_stride": None,
        "resolution": 1.0,
        "width": 1.0,
        "decoder": "light",
        "decoder_width": 32,
        "share_decoder": False,
        "pretrained": False,
        "weights": None,
    },
    "data": {
        "name": "digits",
        "root": None,
        "options": {"train_size": 640, "noise": 0.5, "classes": "all", "flip": True},
        "cache": "auto",
    },
    "train": {
        "epochs": 3,
        "batch_size": 32,
        "learning_rate": 0.003,
        "weight_decay": 0.01,
        "schedule": "one_cycle",
        "gradient_clip": None,
        "seed": 0,
        "device": "auto",
        "precision": "auto",
        "num_threads": 2,
        "num_loader_workers": 0,
        "checkpoint_activations": False,
        "micro_batch_size": 8,
        "weighting": "scalar",
    },
    "gates": {
        "tau": [0.5, 0.25],
        "lambda_s": 1.5,
        "learning_rate": 0.1,
        "initial_logit": 1.0,
        "max_logit": 4.0,
        "finetune_epochs": 1,
        "finetune_rate": 1.0,
        "granularity": "conv",
        "channel_group": 1,
        "sparsity": "hinge",
        "estimator": "straight_through",
        "importance": "logit",
        "derived_points": 2,
        "derived_epochs": 4,
    },
    "flop_budget": 90_000,
    "flop_target": 60_000,
    "param_budget": 5_000,
    "single_task": {
        "left": {"metrics": {"left": 91.5}, "path": "/cache/left.pt"},
        "far": {"metrics": {"far": 0.25}, "path": "/cache/far.pt", "has_learned": False},
    },
    "hard_sharing": {"metrics": {"left": 90.0, "far": 0.5}, "path": "/cache/both.pt"},
    "initial": {"label": "digits 7.1", "path": "/runs/network.pt"},
    "family": {"name": "lomt", "settings": {"gamma": 0.5}, "sparsity": 0.01, "search_epochs": 4},
}


def test_to_json_has_the_documented_layout() -> None:
    assert FULL.to_document() == FULL_DOCUMENT
    assert "micro_batch_size" not in SPEC.to_document()["train"]
    assert (SPEC.to_document()["initial"], SPEC.to_document()["family"]) == (None, None)


def test_from_json_reverses_to_json() -> None:
    for spec in (SPEC, FULL, replace(SPEC, hard_sharing=None, flop_target=None, budgets=Budgets())):
        found = TrialSpec.from_document(json.loads(json.dumps(spec.to_document())))
        assert found == spec
        assert found.key("data") == spec.key("data")


def test_from_json_without_newer_keys_takes_their_defaults() -> None:
    document = SPEC.to_document()
    for key in ("initial", "family"):
        del document[key]
    for key in ("root", "cache"):
        del document["data"][key]
    del document["gates"]["estimator"]
    del document["train"]["weighting"]
    assert TrialSpec.from_document(document) == SPEC


def test_key_stays_as_earlier_releases_had_it() -> None:
    assert SPEC.key("data") == "7595e66a44e8d1a77ef5f043cc22810293526c64cac707b37124fe7c452e971f"
    assert FULL.key("data") == "2d27d30c607512d02293b1dbb051c1a3a8175a617318779a55b98b8f3e09dbf6"
    whole_number = replace(SPEC, train=replace(SPEC.train, weight_decay=0))
    assert whole_number.key("data") == "2fe5246340117a4b006e28849b046f51c1aa712e742ab3e3af9f5fadbab522f3"
