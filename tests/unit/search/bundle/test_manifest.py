"""The manifest is read as it was written, or not at all."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.latency_store import keep_latency
from gatefront.search.bundle.manifest import (
    DataEntry,
    FileEntry,
    FlopsEntry,
    InputEntry,
    Manifest,
    ReferenceEntry,
    TaskEntry,
    WorkerLatencyEntry,
    file_entry,
    read_manifest,
    write_manifest,
)
from gatefront.search.errors import BundleError
from gatefront.search.results.latency import Latency

DOCUMENTED_SCHEMA = Path(__file__).resolve().parents[4] / "docs" / "bundle.schema.json"


def _manifest() -> Manifest:
    task = TaskEntry(
        name="left",
        kind="classification",
        output_shape=("batch", 10),
        units="logits",
        how_to_read="the largest",
        class_names=tuple("0123456789"),
        metric="accuracy %",
        higher_is_better=True,
        value=91.25,
        single_task_value=90.0,
        delta=1.3888,
    )
    return Manifest(
        created_at="2026-01-01T00:00:00+00:00",
        study="digits",
        trial=3,
        seed=7,
        input=InputEntry(
            name="images", channels=1, height=12, width=14, batch="any", dtype="float32", mean=(0.374,), std=(0.183,)
        ),
        tasks=(task,),
        delta_mtl=1.3888,
        flops=FlopsEntry(
            value=450, convention="2 per multiply-add", requested="45%", flop_budget=450, single_task=1000, floor=300
        ),
        references=(ReferenceEntry(kind="hard_sharing", flops=300, delta_mtl=-3.5),),
        num_parameters=99,
        no_plan_because=None,
        data=DataEntry(name="digits", fingerprint="f" * 64, num_train=100, num_val=50, measured_on="validation split"),
        versions={"torch": "2.13.0"},
        trained_with={"device": "cpu"},
        reproduce=("gatefront start study.toml --trials 12",),
        files={"model.pt2": FileEntry(sha256="0" * 64, size=3)},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_manifest(_manifest(), tmp_path)
    read = read_manifest(tmp_path)
    assert read.manifest_sha256
    assert read.model_copy(update={"manifest_sha256": ""}) == _manifest()


@settings(max_examples=150)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_any_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: float, byte: int) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    write_manifest(_manifest(), folder)
    path = folder / "manifest.json"
    content = bytearray(path.read_bytes())
    index = int(place * len(content))
    if content[index] == byte:
        return
    content[index] = byte
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        read_manifest(folder)


def test_a_missing_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        read_manifest(tmp_path)


def test_another_version_is_refused_by_its_number(tmp_path: Path) -> None:
    write_manifest(_manifest(), tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 2}))
    with pytest.raises(BundleError, match="format_version 2; this gatefront reads 1"):
        read_manifest(tmp_path)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    write_manifest(_manifest(), tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": "red"}))
    with pytest.raises(BundleError, match="malformed at colour"):
        read_manifest(tmp_path)


def test_a_bundle_of_an_earlier_release_is_read_though_it_lacks_newer_keys(tmp_path: Path) -> None:
    write_manifest(_manifest(), tmp_path)
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text()) | {"manifest_sha256": ""}
    del document["derived"], document["flops"]["flop_target"], document["latency"]
    sha256 = hashlib.sha256(_spelt(document)).hexdigest()
    path.write_bytes(_spelt(document | {"manifest_sha256": sha256}))
    read = read_manifest(tmp_path)
    assert (read.label, read.derived, read.flops.flop_target, read.latency) == ("3", 0, None, ())


def _spelt(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def test_the_worker_s_time_stands_on_the_card(tmp_path: Path) -> None:
    measured = WorkerLatencyEntry(median_ms=3.214, budget_ms=4.0, runtime="onnx", threads=1, batch=2, precision="fp32")
    manifest = _manifest().model_copy(update={"worker_latency": measured})
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path).worker_latency == measured
    assert "| 3.21 ms on the worker's CPU (onnx, fp32, threads 1, batch 2), budget 4 ms |" in write_card(manifest)
    assert "worker" not in write_card(_manifest())


def _latency(**changes: Any) -> Latency:
    fields: dict[str, Any] = {
        "host": "worker-3",
        "device": "Some CPU",
        "runtime": "onnx",
        "version": "1.31.1",
        "threads": 2,
        "batch": 8,
        "precision": "fp32",
        "median_ms": 4.0,
        "p10_ms": 3.5,
        "p90_ms": 6.25,
        "measured_at": datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    }
    return Latency(**fields | changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch", 0),
        ("threads", -1),
        ("median_ms", 0.0),
        ("runtime", "tvm"),
        ("measured_at", "2026-05-01T12:30:00"),
        ("colour", "red"),
    ],
)
def test_a_latency_that_cannot_be_is_named(tmp_path: Path, key: str, value: object) -> None:
    write_manifest(_manifest().model_copy(update={"latency": (_latency(),)}), tmp_path)
    path = tmp_path / "manifest.json"
    document = json.loads(path.read_text())
    document["latency"][0][key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(BundleError, match=rf"malformed at latency\.0\.{key}"):
        read_manifest(tmp_path)


def test_latencies_stay_in_bundle_and_card_the_last_of_each_setting(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(write_card(_manifest()))
    write_manifest(_manifest(), tmp_path)
    first, other, again = _latency(), _latency(batch=1), _latency(median_ms=3.0, version="2.0")
    keep_latency(tmp_path, read_manifest(tmp_path), [first, other])
    assert read_manifest(tmp_path).latency == (first, other)
    keep_latency(tmp_path, read_manifest(tmp_path), [again])
    manifest = read_manifest(tmp_path)
    assert manifest.latency == (again, other)
    assert manifest.files["README.md"] == file_entry(tmp_path / "README.md")
    assert "| Some CPU (worker-3) | onnx 2.0 | 2 | 8 | fp32 | 3 (3.5 to 6.25) | 2,667 |" in (
        (tmp_path / "README.md").read_text()
    )
    untouched = manifest.model_copy(update={"latency": (), "files": _manifest().files, "manifest_sha256": ""})
    assert untouched == _manifest()


def test_a_card_without_measurements_says_nothing_of_time() -> None:
    assert "How long" not in write_card(_manifest())


def test_the_documented_schema_is_the_code_s() -> None:
    assert json.loads(DOCUMENTED_SCHEMA.read_text()) == Manifest.model_json_schema()


def test_outputs_of_an_older_bundle_are_called_as_its_tasks() -> None:
    document = _manifest().model_dump(mode="json")
    (task,) = document["tasks"]
    del task["output_name"]
    assert Manifest.model_validate_json(json.dumps(document)).output_names == ["left"]


def test_the_card_tells_what_a_person_needs() -> None:
    card = write_card(_manifest())
    for told in (
        "+1.39 %",
        "450 = 45.0 %",
        "asked for as 45%",
        "−3.50 % at 300",
        "91.25",
        "1, 12, 14",
        "gatefront start",
    ):
        assert told in card


def test_the_card_of_a_derived_point_says_what_it_is() -> None:
    manifest = _manifest()
    derived = manifest.model_copy(
        update={"derived": 2, "flops": manifest.flops.model_copy(update={"flop_target": 460})}
    )
    card = write_card(derived)
    for told in ("# digits, trial 3.2", "| FLOPs requested / delivered | 460 / 450 |", "point 2 derived from it"):
        assert told in card
    assert "derived" not in write_card(manifest)


def test_write_card_names_tasks_whose_single_task_network_has_not_learned() -> None:
    manifest = _manifest()
    (left,) = manifest.tasks
    right = left.model_copy(update={"name": "right", "delta": None})
    both = manifest.model_copy(update={"tasks": (left, right), "unlearned": ("right",)})
    sentence = "Left out of Δ_MTL: right. The single-task network is no better than a constant prediction."
    assert sentence in write_card(both)
    counted = write_card(manifest.model_copy(update={"unlearned": ("left",)}))
    assert "Counted in Δ_MTL, which therefore says little: left. The single-task network is no better" in counted
    assert "no better than a constant" not in write_card(manifest)
