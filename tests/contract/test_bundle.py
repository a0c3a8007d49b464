"""A bundle made from a real gated network: whole, verified, deployable without gatefront, and any change is noticed."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import fx, nn

from gatefront.search.bundle import VerifyReport, pull_bundle, runners, verify_bundle
from gatefront.search.bundle.archive import PACKING, archive_bundle
from gatefront.search.bundle.bench import bench_bundle
from gatefront.search.bundle.bench_settings import BenchSettings
from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.latency_store import keep_latency
from gatefront.search.bundle.manifest import Manifest, file_entry, read_manifest, write_manifest
from gatefront.search.bundle.pull import STEPS
from gatefront.search.cli.main import main
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import BenchError, BundleError, NothingToPullError
from gatefront.search.results.formats import format_delta
from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import PointDetail, StudySummary, StudyView, TaskRecord, TrialDetail, TrialPoint
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.results.states import StudyState, TrialState
from gatefront.spaces import (
    Architecture,
    InterroGateNetwork,
    PlainNetwork,
    Task,
    build_gated_network,
    count_parameters,
    prune_network,
)
from gatefront.trainer.checkpoints.checkpoint import save_network
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataSpec, describe_data, load_data
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime

# One pulled bundle for all tests.
pytestmark = pytest.mark.xdist_group("bundle")

STUDY_FILE = """
[study]
name = "digits"
[data]
name = "digits"
[data.options]
train_size = 16
val_size = 8
test_size = 40
"""
OPTIONS = {"train_size": 16, "val_size": 8, "test_size": 40}
FILES = (
    "README.md",
    "architecture.json",
    "front.png",
    "gate_map.png",
    "model.onnx",
    "model.pt2",
    "sample_inputs.safetensors",
    "sample_outputs.safetensors",
    "study.toml",
    "weights.safetensors",
)


class FakeReader:
    """A study of three trials whose networks lie in ``folder``; answers as
    :class:`gatefront.search.snapshots.reader.StudyReader` does.

    Trial 1 has a second network, derived from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        spec = DataSpec(name="digits", options=OPTIONS)
        self.tasks = describe_data(spec).tasks
        self.networks = [self._make(number, 0, open_fraction) for number, open_fraction in enumerate((0.1, 0.4, 0.8))]
        self.derived = self._make(1, 1, 0.2)

    def _make(self, number: int, derived: int, open_fraction: float) -> InterroGateNetwork:
        network = random_network(self.tasks, open_fraction, seed=number)
        save_network(network, self.network_path("digits", number, derived))
        return network

    def network_path(self, study: str, number: int, derived: int, /) -> Path:
        return self.folder / f"{PointLabel(number, derived)}.pt"

    def cache_dir(self, study: str, /) -> Path:
        return self.folder / "cache"

    def study_file(self, study: str, /) -> str:
        return STUDY_FILE

    def config(self, study: str, /) -> StudyConfig:
        return parse_study(self.study_file(study))

    def view(self, study: str, /) -> StudyView:
        names = [task.name for task in self.tasks]
        records = tuple(
            TaskRecord(name=n, kind="classification", metric="accuracy %", higher_is_better=True) for n in names
        )
        cost = self.networks[0].cost
        summary = StudySummary(
            name=study,
            state=StudyState.COMPLETE,
            message="",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            num_trials=3,
            state_counts={TrialState.COMPLETE: 3},
            flop_budget=self.networks[1].flops(),
            flop_budget_text="55%",
            single_task_flops=cost.single_task,
            floor_flops=cost.hard_sharing,
            tasks=records,
            best_trial=1,
            best_label="1",
            best_delta_mtl=1.0,
            hypervolume=0.5,
            seconds_spent=10.0,
            eta_seconds=None,
            data="digits",
            backbone="smallconv",
            storage_dir=str(self.folder),
        )
        references = (
            _reference("single_task", cost.single_task, 0.0, names),
            _reference("hard_sharing", cost.hard_sharing, -5.0, names),
        )
        points = tuple(self._point(number) for number in range(3))
        return StudyView(
            revision="1",
            summary=summary,
            points=points,
            references=references,
            hypervolume=(),
            derived=(self._derived_point(),),
        )

    def trial(self, study: str, number: int, /) -> TrialDetail:
        return TrialDetail(
            study=study,
            point=self._point(number),
            delta_per_task={"left": 1.0, "right": 0.5, "orientation": 1.5},
            flops_before_cut=None,
            gate_map=self.networks[number].gate_map(),
            epochs=(),
            seed=number,
            environment={"torch": torch.__version__},
            device="cpu",
            train_flops=1e9,
            peak_memory_mib=100.0,
            attempts=1,
            pull_command="",
            derived=(self._derived_detail(),) if number == 1 else (),
        )

    def _derived_detail(self) -> PointDetail:
        return PointDetail(
            point=self._derived_point(),
            delta_per_task={"left": 0.25, "right": 0.5, "orientation": 0.75},
            gate_map=self.derived.gate_map(),
            train_flops=1e8,
            pull_command="",
        )

    def _derived_point(self) -> TrialPoint:
        flops = self.derived.flops()
        metrics = {"left": 89.0, "right": 90.0, "orientation": 91.5}
        own = self._point(1)
        return replace(own, derived=1, delta_mtl=0.5, flops=flops, flop_target=flops + 7, metrics=metrics)

    def _point(self, number: int) -> TrialPoint:
        return TrialPoint(
            number=number,
            state=TrialState.COMPLETE,
            cause="",
            delta_mtl=float(number),
            flops=self.networks[number].flops(),
            num_parameters=None,
            metrics={"left": 90.0, "right": 91.0, "orientation": 92.5},
            params={},
            on_front=True,
            is_feasible=number < 2,
            epoch=1,
            num_epochs=1,
            started_at=None,
            finished_at=None,
            seconds=1.0,
        )


def _reference(kind: str, flops: int, delta_mtl: float, names: list[str]) -> ReferencePoint:
    metrics = dict.fromkeys(names, 89.0)
    assert kind in ("single_task", "hard_sharing")
    return ReferencePoint(
        kind=kind,  # type: ignore[arg-type]
        flops=flops,
        delta_mtl=delta_mtl,
        metrics=metrics,
        num_parameters=1,
        seconds=1.0,
        test_metrics=dict.fromkeys(names, 80.0),
        test_delta_mtl=2 * delta_mtl,
    )


def random_network(tasks: tuple[Task, ...], open_fraction: float, *, seed: int) -> InterroGateNetwork:
    """A gated network with random gates, mixing logits and norm statistics, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    architecture = Architecture(backbone="smallconv", tasks=tasks, in_channels=1, input_size=(12, 14))
    network = build_gated_network(architecture)
    pattern = [torch.rand(own.shape, generator=generator) < open_fraction for own in network.gate_pattern()]
    network.set_gate_pattern(tuple(pattern))
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if name.endswith(("beta", "running_mean")):
            tensor.data.copy_(torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var"):
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    network.freeze_gates()
    return network.eval()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> FakeReader:
    return FakeReader(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def bundle(reader: FakeReader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pull_bundle(reader, "digits", output=tmp_path_factory.mktemp("pulled") / "best")


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_the_folder_holds_what_the_format_says(bundle: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == sorted((*FILES, "manifest.json"))


def test_without_a_wish_the_study_s_own_budget_decides(reader: FakeReader, bundle: Path) -> None:
    manifest = read_manifest(bundle)
    # Trial 2 has the best Δ_MTL, but costs more than the study's budget.
    assert manifest.trial == 1
    assert manifest.flops.requested == "55%"
    assert manifest.flops.value == reader.networks[1].flops() <= (manifest.flops.flop_budget or 0)


def test_the_manifest_tells_what_was_measured(reader: FakeReader, bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert [task.name for task in manifest.tasks] == ["left", "right", "orientation"]
    orientation = manifest.tasks[2]
    assert (orientation.value, orientation.single_task_value, orientation.delta) == (92.5, 89.0, 1.5)
    assert orientation.output_shape == ("batch", 4)
    assert orientation.class_names == ("0 degrees", "45 degrees", "90 degrees", "135 degrees")
    assert manifest.num_parameters == count_parameters(prune_network(reader.networks[1]))
    assert (manifest.data.num_train, manifest.data.num_val) == (16, 8)
    assert manifest.delta_mtl == 1.0


def test_a_pulled_network_is_measured_on_the_test_split(reader: FakeReader, bundle: Path) -> None:
    manifest = read_manifest(bundle)
    data = load_data(DataSpec(name="digits", options=OPTIONS), reader.cache_dir("digits"))
    runtime = resolve_runtime(TrainConfig(epochs=1, batch_size=8, device="cpu"))
    network = prune_network(reader.networks[1]).eval()
    expected = evaluate(network, data.test_split, reader.tasks, runtime=runtime, batch_size=8).metrics
    assert {task.name: task.test_value for task in manifest.tasks} == pytest.approx(expected)
    deltas = [100 * (value - 80.0) / 80.0 for value in expected.values()]
    assert [task.test_delta for task in manifest.tasks] == pytest.approx(deltas)
    assert [task.test_single_task_value for task in manifest.tasks] == [80.0] * 3
    assert manifest.test_delta_mtl == pytest.approx(sum(deltas) / 3)
    assert manifest.test_gap == pytest.approx(sum(deltas) / 3 - 1.0)
    assert manifest.data.num_test == 40
    card = (bundle / "README.md").read_text()
    assert f"| on the test split | Δ_MTL {format_delta(manifest.test_delta_mtl)}; gap (test less validation) " in card
    assert "| on the test split | single-task there | change there |" in card


def test_a_point_that_was_measured_on_the_test_split_is_not_measured_again(reader: FakeReader, tmp_path: Path) -> None:
    known = SplitFigures(
        delta_mtl=-3.0, delta_per_task=dict.fromkeys(("left", "right", "orientation"), -3.0),
        metrics=dict.fromkeys(("left", "right", "orientation"), 77.6),
    )  # fmt: skip

    class Measured(FakeReader):
        def __init__(self) -> None:
            self.__dict__.update(reader.__dict__)

        def _point(self, number: int) -> TrialPoint:
            return replace(super()._point(number), on_test=known)

    manifest = read_manifest(pull_bundle(Measured(), "digits", output=tmp_path / "best"))
    assert (manifest.test_delta_mtl, manifest.test_gap) == (-3.0, -4.0)
    assert [task.test_value for task in manifest.tasks] == [77.6] * 3


def test_a_study_without_a_test_split_has_validation_figures_only(reader: FakeReader, tmp_path: Path) -> None:
    class Untested(FakeReader):
        def __init__(self) -> None:
            self.__dict__.update(reader.__dict__)

        def study_file(self, study: str, /) -> str:
            return STUDY_FILE.replace("test_size = 40", "test_size = 0")

        def view(self, study: str, /) -> StudyView:
            view = super().view(study)
            untested = tuple(replace(point, test_metrics={}, test_delta_mtl=None) for point in view.references)
            return replace(view, references=untested)

    folder = pull_bundle(Untested(), "digits", output=tmp_path / "best")
    manifest = read_manifest(folder)
    assert (manifest.data.num_test, manifest.test_delta_mtl, manifest.tasks[0].test_value) == (0, None, None)
    assert "| on the test split | validation only: the data have no test split |" in (folder / "README.md").read_text()


def test_a_derived_point_is_packed_with_its_own_network_and_numbers(reader: FakeReader, tmp_path: Path) -> None:
    steps: list[str] = []
    archive = archive_bundle(reader, "digits", PointLabel(1, 1), tmp_path, progress=steps.append)
    assert [path.name for path in tmp_path.iterdir()] == [archive.name] == ["digits-1.1.zip"]
    assert steps == [*STEPS, PACKING]
    shutil.unpack_archive(archive, tmp_path)
    folder = tmp_path / "digits-1.1"
    report = verify_bundle(folder)
    assert report.trial == "1.1"
    assert all(check.passed for check in report.checks)
    manifest = read_manifest(folder)
    flops = reader.derived.flops()
    assert flops != reader.networks[1].flops()
    assert (manifest.trial, manifest.derived, manifest.label) == (1, 1, "1.1")
    assert (manifest.flops.value, manifest.flops.flop_target, manifest.flops.requested) == (flops, flops + 7, None)
    assert manifest.num_parameters == count_parameters(prune_network(reader.derived))
    assert (manifest.delta_mtl, manifest.tasks[2].value, manifest.tasks[2].delta) == (0.5, 91.5, 0.75)
    assert "--trial 1.1 -o FOLDER" in manifest.reproduce[1]
    images = load_file(folder / "sample_inputs.safetensors")["images"]
    with torch.no_grad():
        expected = reader.derived(images)
    for name, output in load_file(folder / "sample_outputs.safetensors").items():
        torch.testing.assert_close(output, expected[name], rtol=1e-4, atol=1e-4)


def test_a_derived_point_is_chosen_where_the_trials_own_networks_cost_too_much(
    reader: FakeReader, tmp_path: Path
) -> None:
    """Between what the cheapest trial and the derived point cost, the derived one is the better."""
    budget = str(reader.derived.flops())
    folder = pull_bundle(reader, "digits", flop_budget=budget, output=tmp_path / "best")
    manifest = read_manifest(folder)
    assert (manifest.label, manifest.flops.requested) == ("1.1", budget)


def test_the_samples_hold_the_trained_network_s_outputs(reader: FakeReader, bundle: Path) -> None:
    images = load_file(bundle / "sample_inputs.safetensors")["images"]
    outputs = load_file(bundle / "sample_outputs.safetensors")
    with torch.no_grad():
        expected = reader.networks[1](images)
    assert set(outputs) == set(expected)
    for name, output in outputs.items():
        torch.testing.assert_close(output, expected[name], rtol=1e-4, atol=1e-4)


def test_a_whole_bundle_passes_every_check(bundle: Path) -> None:
    report = verify_bundle(bundle)
    assert isinstance(report, VerifyReport)
    assert {check.name for check in report.checks} >= {
        *FILES,
        "manifest.json",
        "outputs of model.pt2",
        "outputs of model.onnx",
        "outputs of architecture.json + weights.safetensors",
        "FLOPs",
        "parameters",
        "FLOP budget",
    }
    assert all(check.passed for check in report.checks)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_changed_byte_in_any_file_is_named(copied: Path, name: str, place: float) -> None:
    path = copied / name
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        verify_bundle(copied)
    assert name in caught.value.message
    assert "SHA-256" in caught.value.message


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_shortened_file_is_named(copied: Path, name: str) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=f"{name} has"):
        verify_bundle(copied)
    path.unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        verify_bundle(copied)


def test_every_failed_check_is_named_at_once(copied: Path) -> None:
    (copied / "README.md").unlink()
    (copied / "study.toml").write_text("other")
    (copied / "left_over.txt").write_text("stray")
    with pytest.raises(BundleError) as caught:
        verify_bundle(copied)
    for name in ("README.md", "study.toml", "left_over.txt"):
        assert name in caught.value.message


def test_another_network_under_the_same_manifest_is_noticed(reader: FakeReader, copied: Path, tmp_path: Path) -> None:
    """Whoever swaps a file and re-seals the manifest still meets the checks of outputs and FLOPs."""
    other = pull_bundle(reader, "digits", trial=PointLabel(0), output=tmp_path / "other")
    for name in ("model.pt2", "model.onnx", "architecture.json", "weights.safetensors"):
        shutil.copy(other / name, copied / name)
    _reseal(copied)
    with pytest.raises(BundleError) as caught:
        verify_bundle(copied)
    for name in ("outputs of model.pt2", "outputs of model.onnx", "outputs of architecture.json", "FLOPs"):
        assert name in caught.value.message


def test_nan_outputs_are_noticed(copied: Path) -> None:
    weights = load_file(copied / "weights.safetensors")
    save_file(
        {name: torch.full_like(w, torch.nan) if w.is_floating_point() else w for name, w in weights.items()},
        copied / "weights.safetensors",
    )
    _reseal(copied)
    with pytest.raises(BundleError, match=r"outputs of architecture\.json .* differ"):
        verify_bundle(copied)


def test_a_network_that_fits_no_plan_is_exported_all_the_same(tmp_path: Path) -> None:
    class Body(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (torch.logcumsumexp(images, dim=1).mean((2, 3)),)

    network = PlainNetwork(fx.symbolic_trace(Body()), ("left",))
    exported = export_network(network, torch.randn(2, 3, 4, 4), tmp_path)
    assert "logcumsumexp" in (exported.no_plan_because or "")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"model.pt2", "model.onnx", "sample_inputs.safetensors", "sample_outputs.safetensors"}


def test_a_bundle_without_a_plan_is_verified_by_its_exports(copied: Path) -> None:
    for name in ("architecture.json", "weights.safetensors"):
        (copied / name).unlink()
    _reseal(copied, no_plan_because="operation cumsum fits none")
    names = {check.name for check in verify_bundle(copied).checks}
    assert {"outputs of model.pt2", "outputs of model.onnx", "FLOPs"} <= names
    assert not any("architecture" in name for name in names)


def test_a_manifest_that_forgets_an_export_is_no_whole_bundle(copied: Path) -> None:
    (copied / "model.onnx").unlink()
    _reseal(copied)
    with pytest.raises(BundleError, match=r"model\.onnx is not in the manifest"):
        verify_bundle(copied)


def _reseal(folder: Path, **changes: str) -> None:
    """Write a manifest whose hashes are right for what lies in the folder now."""
    document = json.loads((folder / "manifest.json").read_text()) | {"manifest_sha256": ""} | changes
    files = {name: file_entry(folder / name) for name in FILES if (folder / name).exists()}
    manifest = Manifest.model_validate_json(json.dumps(document))
    write_manifest(manifest.model_copy(update={"files": files}), folder)


def test_bench_measures_the_network_and_the_bundle_stays_whole(copied: Path) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir()}
    settings = BenchSettings(runtimes=("onnx", "eager"), batches=(1, 3), repeats=3)
    report = bench_bundle(copied, settings)
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == before
    keep_latency(copied, report.manifest, report.measured)
    verify_bundle(copied)
    kept = read_manifest(copied).latency
    assert kept == report.measured
    assert {(one.runtime, one.batch) for one in kept} == set(product(settings.runtimes, settings.batches))
    assert all(0 < one.p10_ms <= one.median_ms <= one.p90_ms for one in kept)
    after = {path.name: path.read_bytes() for path in copied.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"README.md", "manifest.json"}
    assert "## How long it takes" in (copied / "README.md").read_text()


def test_bench_runs_what_it_says_it_runs(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads and precision reach the network, and torch's threads are afterwards as they were."""
    seen: list[tuple[int, torch.Size, torch.dtype]] = []

    def spy(network: nn.Module, images: torch.Tensor) -> None:
        assert {parameter.dtype for parameter in network.parameters()} == {images.dtype}
        network(images)
        seen.append((torch.get_num_threads(), images.shape, images.dtype))

    monkeypatch.setattr(runners, "_predict", spy)
    settings = BenchSettings(runtimes=("eager",), threads=2, batches=(5,), precision="bf16", repeats=1)
    assert [one.precision for one in bench_bundle(bundle, settings).measured] == ["bf16"]
    assert set(seen) == {(2, torch.Size((5, 1, 12, 14)), torch.bfloat16)}
    assert torch.get_num_threads() == 1


def test_bench_says_what_it_could_not_measure(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    report = bench_bundle(copied, BenchSettings(runtimes=("onnx", "compiled"), repeats=1))
    assert [one.runtime for one in report.measured] == ["onnx"]
    assert "needs a C++ compiler, and there is no no-such-compiler" in report.not_measured["compiled"]
    with pytest.raises(BenchError, match=r"nothing could be measured\. onnx: model\.onnx holds fp32"):
        bench_bundle(copied, BenchSettings(runtimes=("onnx",), precision="bf16"))
    for name in ("architecture.json", "weights.safetensors"):
        (copied / name).unlink()
    _reseal(copied, no_plan_because="operation cumsum fits none")
    assert main(["bench", str(copied), "--runtimes", "eager"]) == 2
    assert "no architecture.json to rebuild the network: operation cumsum fits none" in capsys.readouterr().err


def test_bench_opens_no_damaged_export(copied: Path) -> None:
    (copied / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"model\.onnx has 5 bytes"):
        bench_bundle(copied, BenchSettings(runtimes=("eager",)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
def test_bench_measures_the_compiled_network(bundle: Path) -> None:
    report = bench_bundle(bundle, BenchSettings(runtimes=("compiled",), repeats=2))
    assert [one.runtime for one in report.measured] == ["compiled"], report.not_measured


def test_bench_prints_one_document_and_leaves_the_bundle_alone_if_told_to(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = (copied / "manifest.json").read_bytes()
    words = ["bench", str(copied), "--runtimes", "onnx", "--batch", "1, 2", "--repeats", "2", "--json"]
    database = ["--db", f"sqlite:///{tmp_path}/none.db"]
    assert main([*words, *database, "--no-save"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["saved"], [one["batch"] for one in document["measured"]]) == (False, [1, 2])
    first = document["measured"][0]
    assert first["images_per_second"] == pytest.approx(1000 / first["median_ms"])
    assert (copied / "manifest.json").read_bytes() == sealed
    assert main([*words, *database]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["saved"]
    assert "there is no study 'digits'" in document["not_recorded"]
    assert len(read_manifest(copied).latency) == 2


@pytest.mark.parametrize("block", [0, 1])
def test_the_card_s_code_runs_as_it_is_printed(bundle: Path, tmp_path: Path, block: int) -> None:
    code = (bundle / "README.md").read_text().split("```python\n")[1 + block].split("```")[0]
    code += "print(*(size for name in ('left', 'right', 'orientation') for size in predictions[name].shape))\n"
    (tmp_path / "card.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "-I", tmp_path / "card.py"], cwd=bundle, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["1", "10", "1", "10", "1", "4"]


def test_an_impossible_budget_leaves_nothing_behind(reader: FakeReader, tmp_path: Path) -> None:
    with pytest.raises(NothingToPullError, match="the smallest, trial 0"):
        pull_bundle(reader, "digits", flop_budget="1%", output=tmp_path / "best")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_not_the_recorded_one_is_refused(reader: FakeReader, tmp_path: Path) -> None:
    class Swapped(FakeReader):
        def __init__(self) -> None:
            vars(self).update(vars(reader))

        def network_path(self, study: str, number: int, derived: int, /) -> Path:
            return reader.network_path(study, 0, 0)

    with pytest.raises(BundleError, match="is recorded with"):
        pull_bundle(Swapped(), "digits", trial=PointLabel(1), output=tmp_path / "best")
    assert list(tmp_path.iterdir()) == []


def test_a_lost_network_file_says_where_it_was(reader: FakeReader, tmp_path: Path) -> None:
    class Lost(FakeReader):
        def __init__(self) -> None:
            vars(self).update(vars(reader))

        def network_path(self, study: str, number: int, derived: int, /) -> Path:
            return tmp_path / "gone.pt"

    with pytest.raises(NothingToPullError, match=r"gone\.pt"):
        pull_bundle(Lost(), "digits", output=tmp_path / "best")
