"""References: trained once, found by content, repaired when damaged."""

import dataclasses
import json
import multiprocessing
from pathlib import Path

import pytest
import torch

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.errors import SpaceError
from gatefront.spaces.json_codec import from_json
from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.baselines.references import reference_key, train_reference
from gatefront.trainer.checkpoints.checkpoint import load_state
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataError, DataSpec, MultiTaskData, load_data
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.reporting import EpochReport, ReferenceResult, StopTraining

CONFIG = TrainConfig(epochs=2, batch_size=32, device="cpu")
SMALL = {"train_size": 640, "val_size": 200}


@pytest.fixture
def architecture(digits: MultiTaskData) -> Architecture:
    description = digits.description
    return Architecture(
        backbone="smallconv",
        tasks=description.tasks,
        in_channels=description.in_channels,
        input_size=description.input_size,
        stem="small",
    )


def train_in_process(cache_dir: Path, architecture: Architecture) -> ReferenceResult:
    torch.set_num_threads(1)
    data = load_data(DataSpec(name="digits", options=SMALL), cache_dir)
    return train_reference("single_task", architecture, "left", data, CONFIG, cache_dir=cache_dir)


def test_weights_give_the_metrics(architecture: Architecture, digits: MultiTaskData, tmp_path: Path) -> None:
    result = train_reference("single_task", architecture, "right", digits, CONFIG, cache_dir=tmp_path)
    assert (result.kind, result.tasks, result.from_cache) == ("single_task", ("right",), False)
    network = build_shared_network(architecture, ["right"])
    network.load_state_dict(load_state(Path(result.path)))
    tasks = [task for task in architecture.tasks if task.name == "right"]
    metrics = evaluate(network, digits.val, tasks, runtime=resolve_runtime(CONFIG), batch_size=100).metrics
    assert metrics == pytest.approx(dict(result.metrics))
    assert result.train_flops == 3 * result.flops * 2 * 640
    assert result.seconds > 0


def test_train_reference_measures_on_the_test_split_too(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path
) -> None:
    result = train_reference("hard_sharing", architecture, None, digits, CONFIG, cache_dir=tmp_path)
    network = build_shared_network(architecture, list(architecture.task_names))
    network.load_state_dict(load_state(Path(result.path)))
    runtime = resolve_runtime(CONFIG)
    metrics = evaluate(network, digits.test_split, architecture.tasks, runtime=runtime, batch_size=100).metrics
    assert dict(metrics) == pytest.approx(dict(result.test_metrics))
    assert result.test_metrics != result.metrics


def test_train_reference_without_a_test_split_has_no_test_figures_and_a_key_of_its_own(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path
) -> None:
    description = dataclasses.replace(digits.description, num_test=0)
    without = dataclasses.replace(digits, test=None, description=description)
    result = train_reference("single_task", architecture, "left", without, CONFIG, cache_dir=tmp_path)
    assert result.test_metrics == {}
    # What was cached without test figures is not taken for a set that has a test split.
    again = train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    assert (again.from_cache, again.metrics) == (False, result.metrics)
    assert set(again.test_metrics) == {"left"}


def test_second_time_comes_from_the_cache(architecture: Architecture, digits: MultiTaskData, tmp_path: Path) -> None:
    first = train_reference("hard_sharing", architecture, None, digits, CONFIG, cache_dir=tmp_path)
    again = train_reference("hard_sharing", architecture, None, digits, CONFIG, cache_dir=tmp_path)
    assert again == dataclasses.replace(first, from_cache=True)
    assert set(first.metrics) == {"left", "right", "orientation"}
    assert len(list((tmp_path / "references").iterdir())) == 1


@pytest.mark.parametrize("damage", ["short weights", "no weights", "no record", "odd record"])
def test_damaged_entry_is_trained_again(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    weights = Path(first.path)
    record = weights.parent / "reference.json"
    if damage == "short weights":
        weights.write_bytes(weights.read_bytes()[:-7])
    elif damage == "no weights":
        weights.unlink()
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text("{")
    again = train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    assert not again.from_cache
    assert again.metrics == first.metrics
    assert "damaged and is made anew" in caplog.text


def test_interrupted_reference_goes_on(architecture: Architecture, digits: MultiTaskData, tmp_path: Path) -> None:
    whole = train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path / "a")
    epochs = []

    def stop_once(report: EpochReport) -> None:
        epochs.append(report.epoch)
        if len(epochs) == 1:
            raise StopTraining

    cache_dir = tmp_path / "b"
    with pytest.raises(StopTraining):
        train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=cache_dir, reporter=stop_once)
    again = train_reference(
        "single_task", architecture, "left", digits, CONFIG, cache_dir=cache_dir, reporter=stop_once
    )
    assert epochs == [1, 2]
    first, second = load_state(Path(whole.path)), load_state(Path(again.path))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [path.name for path in (cache_dir / "references").iterdir()] == [Path(again.path).parent.name]


@pytest.mark.slow
def test_two_processes_may_train_the_same(architecture: Architecture, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, other = pool.starmap(train_in_process, [(tmp_path, architecture)] * 2)
    assert one.metrics == other.metrics
    assert one.path == other.path
    assert load_state(Path(one.path))
    assert len(list((tmp_path / "references").iterdir())) == 1


def test_key_follows_what_decides_the_result(architecture: Architecture, digits: MultiTaskData) -> None:
    def key(name: str | None = "left", arch: Architecture = architecture, **changes: object) -> str:
        config = dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]
        kind = "hard_sharing" if name is None else "single_task"
        return reference_key(kind, arch, name, digits, config)  # type: ignore[arg-type]

    heavier = dataclasses.replace(
        architecture, tasks=(dataclasses.replace(architecture.tasks[0], weight=2.0), *architecture.tasks[1:])
    )
    assert key() == key(num_threads=2) == key(device="auto") == key(arch=heavier) == key(weighting="dwa")
    others = [
        key("right"),
        key(None),
        key(None, arch=heavier),
        key(None, weighting="dwa"),
        key(seed=1),
        key(epochs=3),
        key(learning_rate=1e-3),
        key(arch=dataclasses.replace(architecture, width=2.0)),
        reference_key("single_task", architecture, "left", dataclasses.replace(digits, fingerprint="x"), CONFIG),
    ]
    assert len({key(), *others}) == 1 + len(others)


def test_key_stays_while_the_training_does(architecture: Architecture, digits: MultiTaskData) -> None:
    # References that kept their last epoch have other keys: they are not compared with what keeps its best.
    description = dataclasses.replace(digits.description, num_test=0)
    known = dataclasses.replace(digits, fingerprint="data", test=None, description=description)
    assert reference_key("single_task", architecture, "left", known, CONFIG) == (
        "aa967cae81e16ad4dc54d0b313889fa5fbe4dbd9a49e753cc8f96a9f361d60e3"
    )
    parts = dataclasses.replace(CONFIG, micro_batch_size=8)
    assert reference_key("hard_sharing", architecture, None, known, parts) == (
        "a500a118d0a9afe336b4090acad8fbfcd50fc6830263adc562ddbfaa4b29fb52"
    )


def test_key_of_a_reference_that_keeps_its_last_epoch_is_that_of_earlier_releases(
    architecture: Architecture, digits: MultiTaskData
) -> None:
    description = dataclasses.replace(digits.description, num_test=0)
    known = dataclasses.replace(digits, fingerprint="data", test=None, description=description)
    last = dataclasses.replace(CONFIG, keep="last")
    assert reference_key("single_task", architecture, "left", known, last) == (
        "65f733b3b4bdf37abb4083a6414a77c67060a440a5cadb95247b4ee97d6267d2"
    )


def test_record_says_how_it_was_made(architecture: Architecture, digits: MultiTaskData, tmp_path: Path) -> None:
    result = train_reference("single_task", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    record = json.loads((Path(result.path).parent / "reference.json").read_text())
    assert from_json(TrainConfig, record["train"]) == CONFIG
    assert from_json(Architecture, record["architecture"]) == architecture


def test_mismatches_are_refused(architecture: Architecture, digits: MultiTaskData, tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="'middle' is not a task"):
        train_reference("single_task", architecture, "middle", digits, CONFIG, cache_dir=tmp_path)
    with pytest.raises(SpaceError, match="hard sharing has all"):
        train_reference("hard_sharing", architecture, "left", digits, CONFIG, cache_dir=tmp_path)
    larger = dataclasses.replace(architecture, input_size=(24, 28))
    with pytest.raises(DataError, match=r"\(1, 24, 28\), the data has \(1, 12, 14\)"):
        train_reference("single_task", larger, "left", digits, CONFIG, cache_dir=tmp_path)
    renamed = dataclasses.replace(
        architecture, tasks=(dataclasses.replace(architecture.tasks[0], name="middle"), *architecture.tasks[1:])
    )
    with pytest.raises(DataError, match="task middle is not in the data"):
        train_reference("single_task", renamed, "middle", digits, CONFIG, cache_dir=tmp_path)


def test_key_follows_the_files_that_an_architecture_names(
    architecture: Architecture, digits: MultiTaskData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    weights, source = tmp_path / "weights.pt", tmp_path / "own_backbone.py"
    own = dataclasses.replace(architecture, backbone="own_backbone:make", weights=str(weights))
    keys = set()
    for one, other in (("a", "x"), ("a", "y"), ("b", "y")):
        weights.write_text(one)
        source.write_text(other)
        keys.add(reference_key("hard_sharing", own, None, digits, CONFIG))
        keys.add(reference_key("hard_sharing", own, None, digits, CONFIG))
    assert len(keys) == 3
