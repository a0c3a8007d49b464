"""Trials of other families: run by the same call, with exact costs, kept and loaded again."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gatefront.spaces import BudgetBelowFloorError, count_flops, count_parameters
from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.families import build_family
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.checkpoints.checkpoint import CheckpointError
from gatefront.trainer.checkpoints.initial_network import InitialNetwork
from gatefront.trainer.checkpoints.network_file import load_delivered, save_family
from gatefront.trainer.config import GateConfig, TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.reporting import EpochReport
from gatefront.trainer.trial.family_config import FamilyChoice
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrainedReference, TrialSpec

pytestmark = pytest.mark.xdist_group("family trial")

DATA = DataSpec(name="rooms", options={"train_size": 48, "val_size": 16, "height": 16, "width": 24})
TRAIN = TrainConfig(epochs=2, batch_size=16, learning_rate=1e-2)
SHAPE = (3, 16, 24)
FAMILIES = {
    "hard-sharing": FamilyChoice(name="hard-sharing"),
    "cross-stitch": FamilyChoice(name="cross-stitch"),
    "etr-nlp": FamilyChoice(name="etr-nlp", settings={"gamma": 0.25}),
    "lomt": FamilyChoice(name="lomt", sparsity=1e-9, search_epochs=1),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def spec(cache: Path) -> TrialSpec:
    data = load_data(DATA, cache)
    tasks = data.description.tasks[:2]
    architecture = Architecture(backbone="smallconv", tasks=tasks, in_channels=3, input_size=SHAPE[1:], decoder_width=8)
    references = {
        task.name: train_reference(
            "single_task", architecture, task.name, data, replace(TRAIN, epochs=1), cache_dir=cache
        )
        for task in tasks
    }
    return TrialSpec(
        architecture=architecture,
        data=DATA,
        train=TRAIN,
        gates=GateConfig(tau=(1.0, 1.0), lambda_s=0.0, finetune_epochs=0),
        budgets=Budgets(),
        single_task={name: TrainedReference.from_result(found) for name, found in references.items()},
    )


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_trial_delivers_the_family_s_network(name: str, spec: TrialSpec, cache: Path, tmp_path: Path) -> None:
    trial = replace(spec, family=FAMILIES[name])
    trial = TrialSpec.from_document(json.loads(json.dumps(trial.to_document())))
    reports: list[EpochReport] = []
    result = run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=reports.append)
    expected = build_family(name, spec.architecture, FAMILIES[name].settings)
    assert (result.gate_map, result.derived, result.flop_target) == (None, (), None)
    assert result.flops == result.flops_before_cut == count_flops(expected, SHAPE)
    assert result.num_parameters == count_parameters(expected)
    searched = 2 if name == "lomt" else 0  # one epoch for the sparse network of each task
    assert [report.epoch for report in reports] == list(range(1, searched + 3))
    assert [report.phase for report in reports] == ["sparse"] * searched + ["train"] * 2
    assert {report.num_epochs for report in reports} == {trial.num_epochs} == {searched + 2}
    assert {report.flops for report in reports[searched:]} == {result.flops}
    for report, task in zip(reports[:searched], spec.architecture.task_names, strict=False):
        assert (report.delta_mtl, report.flops, report.gates) == (None, None, None)
        assert set(report.losses) == set(report.metrics) == {task}
    assert reports[-1].delta_mtl == result.delta_mtl
    delivered = load_delivered(Path(result.network_path))
    assert delivered.family == name
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        expected_outputs, plain = delivered.network(images), delivered.make_plain()
        for task, output in zip(plain.task_names, plain(images), strict=True):
            torch.testing.assert_close(output, expected_outputs[task], rtol=1e-3, atol=1e-4)
    again: list[EpochReport] = []
    assert run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=again.append).metrics == result.metrics
    assert again == []


class Interruption(Exception):
    """A worker goes away."""


def test_a_trial_interrupted_while_it_looks_for_layers_goes_on(spec: TrialSpec, cache: Path, tmp_path: Path) -> None:
    """Behind every epoch in turn; what was reported before is not reported again, and nothing else changes."""
    family = FamilyChoice(name="lomt", sparsity=1e-3, search_epochs=2)
    trial = replace(spec, family=family, train=replace(TRAIN, epochs=1))
    whole: list[EpochReport] = []
    expected = run_trial(trial, work_dir=tmp_path / "whole", cache_dir=cache, reporter=whole.append)
    assert [report.epoch for report in whole] == [1, 2, 3, 4, 5] == list(range(1, trial.num_epochs + 1))
    seen: list[EpochReport] = []

    def stop(report: EpochReport, /) -> None:
        seen.append(report)
        raise Interruption

    for _ in whole:
        with pytest.raises(Interruption):
            run_trial(trial, work_dir=tmp_path / "parts", cache_dir=cache, reporter=stop)
    result = run_trial(trial, work_dir=tmp_path / "parts", cache_dir=cache, reporter=stop)
    assert [replace(report, seconds=0.0) for report in seen] == [replace(report, seconds=0.0) for report in whole]
    assert (result.metrics, result.train_flops) == (expected.metrics, expected.train_flops)
    assert result.seconds == pytest.approx(sum(report.seconds for report in seen))


def test_a_sparse_network_without_its_checkpoints_begins_anew(spec: TrialSpec, cache: Path, tmp_path: Path) -> None:
    trial = replace(spec, family=FAMILIES["lomt"], train=replace(TRAIN, epochs=1))
    first = run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=lambda _: None)
    lost = list(tmp_path.glob(f"sparse-{spec.architecture.task_names[1]}-*.pt"))
    assert lost
    for file in lost:
        file.unlink()
    reports: list[EpochReport] = []
    assert run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=reports.append).metrics == first.metrics
    assert [report.epoch for report in reports] == [2]


def test_checkpointed_activations_change_nothing(spec: TrialSpec, cache: Path, tmp_path: Path) -> None:
    frugal = replace(spec.train, checkpoint_activations=True)
    results = [
        run_trial(
            replace(spec, family=FAMILIES["cross-stitch"], train=train),
            work_dir=tmp_path / str(train.checkpoint_activations),
            cache_dir=cache,
            reporter=lambda _: None,
        )
        for train in (spec.train, frugal)
    ]
    assert results[0].metrics == pytest.approx(results[1].metrics, rel=1e-4)
    assert results[0].train_flops == results[1].train_flops


@pytest.mark.parametrize("budgets", [Budgets(flops=1000), Budgets(params=10)], ids=["flops", "parameters"])
def test_a_network_over_the_budget_is_not_trained(
    budgets: Budgets, spec: TrialSpec, cache: Path, tmp_path: Path
) -> None:
    reports: list[EpochReport] = []
    trial = replace(spec, family=FAMILIES["hard-sharing"], budgets=budgets)
    with pytest.raises(BudgetBelowFloorError, match=r"the hard-sharing network has .* at this capacity, the budget is"):
        run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=reports.append)
    assert reports == []


def test_families_are_told_apart_and_interrogate_s_keys_stay(spec: TrialSpec) -> None:
    keys = {replace(spec, family=family).key("data") for family in (None, *FAMILIES.values())}
    assert len(keys) == len(FAMILIES) + 1
    document = spec.to_document()
    assert document.pop("family") is None
    assert TrialSpec.from_document(document).key("data") == spec.key("data")  # as earlier releases wrote it


@pytest.mark.parametrize("name", ["cross-stitch", "etr-nlp", "lomt"])
def test_a_trial_goes_on_from_an_earlier_network_of_its_family(
    name: str, spec: TrialSpec, cache: Path, tmp_path: Path
) -> None:
    short = replace(spec, family=FAMILIES[name], train=replace(TRAIN, epochs=1))
    first = run_trial(short, work_dir=tmp_path / "1", cache_dir=cache, reporter=lambda _: None)
    still = replace(short.train, learning_rate=1e-12, weight_decay=0.0)
    initial = InitialNetwork(label="earlier 1", path=first.network_path)
    reports: list[EpochReport] = []
    later = replace(short, train=still, initial=initial)
    second = run_trial(later, work_dir=tmp_path / "2", cache_dir=cache, reporter=reports.append)
    assert [(report.epoch, report.num_epochs, report.phase) for report in reports] == [(1, 1, "train")]
    assert second.flops == first.flops
    before, after = (load_delivered(Path(one.network_path)).network for one in (first, second))
    for (key, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(new, old, msg=key)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"family": FAMILIES["cross-stitch"]}, r"earlier 1 is a network of etr-nlp, this trial is one of cross-stitch"),
        (
            {"family": FamilyChoice(name="etr-nlp", settings={"gamma": 0.5})},
            r"earlier 1 has gamma 0\.25, this trial 0\.5",
        ),
    ],
    ids=["family", "setting"],
)
def test_an_earlier_network_of_another_kind_is_refused(
    other: dict[str, FamilyChoice], words: str, spec: TrialSpec, cache: Path, tmp_path: Path
) -> None:
    save_family("etr-nlp", build_family("etr-nlp", spec.architecture, {"gamma": 0.25}), tmp_path / "network.pt")
    initial = InitialNetwork(label="earlier 1", path=str(tmp_path / "network.pt"))
    trial = replace(spec, initial=initial, **other)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=words):
        run_trial(trial, work_dir=tmp_path, cache_dir=cache, reporter=lambda _: None)


def test_an_earlier_network_of_another_size_is_refused(spec: TrialSpec, cache: Path, tmp_path: Path) -> None:
    wider = replace(spec.architecture, decoder_width=16)
    save_family("hard-sharing", build_family("hard-sharing", wider), tmp_path / "network.pt")
    initial = InitialNetwork(label="earlier 1", path=str(tmp_path / "network.pt"))
    with pytest.raises(CheckpointError, match="earlier 1 has another architecture than this trial"):
        run_trial(
            replace(spec, family=FAMILIES["hard-sharing"], initial=initial),
            work_dir=tmp_path,
            cache_dir=cache,
            reporter=lambda _: None,
        )


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    with pytest.raises(CheckpointError, match=r"network\.pt does not exist"):
        load_delivered(path)
    torch.save({"architecture": {}, "family": "mtan", "settings": {}, "state": {}}, path)
    with pytest.raises(CheckpointError, match=r"network\.pt does not hold a network of a family"):
        load_delivered(path)
