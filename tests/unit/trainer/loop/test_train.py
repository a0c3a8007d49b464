"""The loop: it learns, it resumes as if it had never stopped, and it does not hide a divergence."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.checkpoints.checkpoint import CheckpointError, CheckpointSlot, read_checkpoint
from gatefront.trainer.checkpoints.rotation import add_checkpoint_file, checkpoint_files
from gatefront.trainer.config import Schedule, TrainConfig, TrainConfigError
from gatefront.trainer.data import MultiTaskData, Sample
from gatefront.trainer.loop.best_epoch import TOLERANCE
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.reporting import EpochReport, StopTraining

Build = Callable[[Sequence[Task]], nn.Module]
CONFIG = TrainConfig(epochs=4, batch_size=32, device="cpu")
LONGER = dataclasses.replace(CONFIG, epochs=12, learning_rate=1e-2)


class Recorder:
    """Keeps every report, and asks to stop after ``stop_after`` epochs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.reports: list[EpochReport] = []
        self._stop_after = stop_after

    def __call__(self, report: EpochReport, /) -> None:
        self.reports.append(report)
        if report.epoch == self._stop_after:
            raise StopTraining


class Relabelled(Dataset[Sample]):
    """A split whose samples were passed through a function of index and sample."""

    def __init__(self, split: Dataset[Sample], change: Callable[[int, Sample], Sample], size: int) -> None:
        self._split, self._change, self._size = split, change, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> Sample:
        return self._change(index, self._split[index])


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def without_seconds(reports: Sequence[EpochReport]) -> list[EpochReport]:
    return [dataclasses.replace(report, seconds=0) for report in reports]


def test_learns(digits: MultiTaskData, build_tiny: Build) -> None:
    recorder = Recorder()
    tasks = digits.description.tasks
    outcome = train(build_tiny(tasks), digits, LONGER, tasks=tasks, reporter=recorder)
    assert [report.epoch for report in recorder.reports] == list(range(1, 13))
    assert recorder.reports[outcome.best_epoch - 1].metrics == outcome.metrics
    assert recorder.reports[outcome.best_epoch - 1].val_losses == outcome.losses
    for task in tasks:
        assert recorder.reports[-1].losses[task.name] < 0.9 * recorder.reports[0].losses[task.name]
    assert outcome.metrics["orientation"] > 40
    assert outcome.num_samples == 12 * 640
    assert outcome.seconds >= sum(report.seconds for report in recorder.reports) - 1e-6


@pytest.mark.parametrize("schedule", ["one_cycle", "poly", "constant"])
def test_interrupted_and_resumed_equals_uninterrupted(
    digits: MultiTaskData, build_tiny: Build, tmp_path: Path, schedule: Schedule
) -> None:
    tasks, config = digits.description.tasks, dataclasses.replace(CONFIG, schedule=schedule, gradient_clip=1.0)
    whole, straight = build_tiny(tasks), Recorder()
    train(whole, digits, config, tasks=tasks, reporter=straight)

    slot = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run")
    reports: list[EpochReport] = []
    for stop_after in (1, 3, None):
        network, recorder = build_tiny(tasks), Recorder(stop_after)
        if checkpoint_files(slot.path):
            torch.manual_seed(99)  # a new process comes with another random state
        with contextlib.suppress(StopTraining):
            outcome = train(network, digits, config, tasks=tasks, reporter=recorder, slot=slot)
        reports += recorder.reports
    assert same(network.state_dict(), whole.state_dict())
    assert without_seconds(reports) == without_seconds(straight.reports)
    assert outcome.seconds == pytest.approx(sum(report.seconds for report in reports))


def test_network_ends_with_its_best_epoch(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks, recorder = digits.description.tasks, Recorder()
    # At this rate each epoch undoes much of the one before, so the last is rarely the best.
    config = dataclasses.replace(CONFIG, epochs=6, learning_rate=0.1, schedule="constant")
    network = build_tiny(tasks)
    outcome = train(network, digits, config, tasks=tasks, reporter=recorder)
    scores = [validation_score(tasks, report.metrics) for report in recorder.reports]
    close = [epoch for epoch, score in enumerate(scores, 1) if score >= max(scores) - TOLERANCE]
    assert outcome.best_epoch == max(close) < 6
    assert outcome.score == scores[outcome.best_epoch - 1]
    found = evaluate(network, digits.val, tasks, runtime=resolve_runtime(config), batch_size=100)
    assert found.metrics == pytest.approx(dict(outcome.metrics))

    asked = dataclasses.replace(config, keep="last")
    for one, strategy in ((config, Strategy(keeps_best=False)), (asked, None)):
        last = build_tiny(tasks)
        kept = train(last, digits, one, tasks=tasks, strategy=strategy)
        assert kept.metrics == recorder.reports[-1].metrics
        assert kept.best_epoch == 6
        assert not same(last.state_dict(), network.state_dict())


def test_best_epoch_survives_an_interruption(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    tasks, config = digits.description.tasks, dataclasses.replace(CONFIG, learning_rate=0.1, schedule="constant")
    whole = build_tiny(tasks)
    straight = train(whole, digits, config, tasks=tasks)
    slot = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run")
    for stop_after in (1, 2, 3, None):
        network = build_tiny(tasks)
        with contextlib.suppress(StopTraining):
            outcome = train(network, digits, config, tasks=tasks, reporter=Recorder(stop_after), slot=slot)
    assert dataclasses.replace(outcome, seconds=straight.seconds) == straight
    assert same(network.state_dict(), whole.state_dict())


def test_kept_weights_are_averages_if_asked(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    """Averages of the same steps: the training itself does not change, and an interruption does not show."""
    tasks = digits.description.tasks
    averaged, plain = dataclasses.replace(CONFIG, ema=0.98, dropout=0.2), dataclasses.replace(CONFIG, dropout=0.2)
    network, recorder, other = build_tiny(tasks), Recorder(), Recorder()
    outcome = train(network, digits, averaged, tasks=tasks, reporter=recorder)
    train(build_tiny(tasks), digits, plain, tasks=tasks, reporter=other)
    assert [one.losses for one in recorder.reports] == [one.losses for one in other.reports]
    assert [one.val_losses for one in recorder.reports] != [one.val_losses for one in other.reports]
    found = evaluate(network, digits.val, tasks, runtime=resolve_runtime(averaged), batch_size=100)
    assert found.metrics == pytest.approx(dict(outcome.metrics))

    slot = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run")
    for stop_after in (2, None):
        resumed = build_tiny(tasks)
        with contextlib.suppress(StopTraining):
            train(resumed, digits, averaged, tasks=tasks, reporter=Recorder(stop_after), slot=slot)
    assert same(resumed.state_dict(), network.state_dict())


def test_last_weights_are_no_averages(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks, states = digits.description.tasks, []
    for ema in (0.0, 0.98):
        network = build_tiny(tasks)
        config = dataclasses.replace(CONFIG, epochs=2, ema=ema)
        train(network, digits, config, tasks=tasks, strategy=Strategy(keeps_best=False))
        states.append(network.state_dict())
    assert same(*states)


@pytest.mark.parametrize("option", [{"dropout": 0.3}, {"label_smoothing": 0.1}])
def test_options_change_the_training(digits: MultiTaskData, build_tiny: Build, option: dict[str, float]) -> None:
    tasks, losses = digits.description.tasks, []
    for config in (CONFIG, dataclasses.replace(CONFIG, **option)):  # type: ignore[arg-type]
        recorder = Recorder(stop_after=1)
        with contextlib.suppress(StopTraining):
            train(build_tiny(tasks), digits, config, tasks=tasks, reporter=recorder)
        losses.append(recorder.reports[0].losses)
    assert all(losses[0][task.name] != losses[1][task.name] for task in tasks)


def test_checkpoint_of_an_earlier_release_resumes(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    tasks, slot = digits.description.tasks, CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run")
    train(build_tiny(tasks), digits, CONFIG, tasks=tasks, slot=slot)
    newest = read_checkpoint(slot)
    assert newest is not None
    for file in checkpoint_files(slot.path):
        file.unlink()
    document = {field.name: getattr(newest, field.name) for field in dataclasses.fields(newest) if field.name != "best"}
    add_checkpoint_file(slot.path, lambda fresh: torch.save(document, fresh))
    network, recorder = build_tiny(tasks), Recorder()
    outcome = train(network, digits, CONFIG, tasks=tasks, slot=slot, reporter=recorder)
    assert recorder.reports == []
    assert outcome.best_epoch == CONFIG.epochs
    assert same(network.state_dict(), newest.network)


def test_finished_run_is_not_trained_again(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    tasks = digits.description.tasks
    slot = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="a run")
    first = train(build_tiny(tasks), digits, CONFIG, tasks=tasks, slot=slot)
    recorder = Recorder()
    again = train(build_tiny(tasks), digits, CONFIG, tasks=tasks, slot=slot, reporter=recorder)
    assert recorder.reports == []
    assert again == first


def test_another_runs_checkpoint_is_refused(digits: MultiTaskData, build_tiny: Build, tmp_path: Path) -> None:
    tasks, config = digits.description.tasks, dataclasses.replace(CONFIG, epochs=1)
    path = tmp_path / "checkpoint.pt"
    train(build_tiny(tasks), digits, config, tasks=tasks, slot=CheckpointSlot(path=path, key="one"))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        train(build_tiny(tasks), digits, config, tasks=tasks, slot=CheckpointSlot(path=path, key="two"))


@pytest.mark.parametrize("num_damaged", [1, 2])
@pytest.mark.parametrize("damage", ["cut short", "one bit"])
def test_damaged_checkpoint_gives_way_to_the_one_before(
    digits: MultiTaskData,
    build_tiny: Build,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: str,
    num_damaged: int,
) -> None:
    tasks, config = digits.description.tasks, dataclasses.replace(CONFIG, epochs=3)
    slot = CheckpointSlot(path=tmp_path / "checkpoint.pt", key="one")
    first = train(build_tiny(tasks), digits, config, tasks=tasks, slot=slot)
    files = checkpoint_files(slot.path)
    assert len(files) == 2
    for file in files[:num_damaged]:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 4
        file.write_bytes(content if damage == "one bit" else content[:500])
    recorder = Recorder()
    again = train(build_tiny(tasks), digits, config, tasks=tasks, slot=slot, reporter=recorder)
    assert again.metrics == first.metrics
    # One damaged file costs its epoch; all of them, the run.
    assert [report.epoch for report in recorder.reports] == ([3] if num_damaged == 1 else [1, 2, 3])
    assert caplog.text.count("is damaged") == num_damaged
    assert set(tmp_path.iterdir()) == set(checkpoint_files(slot.path))


def test_missing_labels_train_the_other_tasks_only(digits: MultiTaskData, build_tiny: Build) -> None:
    def drop(index: int, sample: Sample) -> Sample:
        return Sample(sample.image, {"left": sample.labels["left"]} if index % 2 else {})

    tasks = digits.description.tasks
    gappy = dataclasses.replace(digits, train=Relabelled(digits.train, drop, 64))
    network, recorder = build_tiny(tasks), Recorder()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    config = dataclasses.replace(CONFIG, epochs=1, weight_decay=0.0)
    train(network, gappy, config, tasks=tasks, reporter=recorder)
    after = network.state_dict()
    assert recorder.reports[0].losses["right"] == recorder.reports[0].losses["orientation"] == 0
    assert recorder.reports[0].losses["left"] > 0
    assert torch.equal(after["heads.right.weight"], before["heads.right.weight"])
    assert not torch.equal(after["heads.left.weight"], before["heads.left.weight"])


def test_divergence_names_loss_epoch_step_and_value(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks

    def explode(progress: float, _losses: Sequence[Tensor]) -> dict[str, Tensor]:
        # 20 steps per epoch, 4 epochs: step 25 is the 6th of the second epoch.
        return {"sparsity": torch.tensor(torch.nan if progress >= 25 / 80 else 0.0)}

    with pytest.raises(DivergedError, match="loss of sparsity is nan at epoch 2, step 6 of the epoch"):
        train(build_tiny(tasks), digits, CONFIG, tasks=tasks, strategy=Strategy(extra_loss=explode))


def test_divergence_in_the_data_names_the_task(digits: MultiTaskData, build_tiny: Build) -> None:
    def blind(index: int, sample: Sample) -> Sample:
        return Sample(torch.full_like(sample.image, torch.inf), sample.labels)

    broken = dataclasses.replace(digits, train=Relabelled(digits.train, blind, 64))
    with pytest.raises(DivergedError, match="loss of left is nan at epoch 1, step 1 of"):
        train(build_tiny(digits.description.tasks), broken, CONFIG, tasks=digits.description.tasks)


def test_strategy_sees_progress_and_every_step(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks, progress, steps = digits.description.tasks, [], []

    def record(value: float, losses: Sequence[Tensor]) -> dict[str, Tensor]:
        progress.append(value)
        assert len(losses) == len(tasks)
        assert not any(loss.requires_grad for loss in losses)
        return {"extra": torch.tensor(2.0)}

    recorder = Recorder()
    strategy = Strategy(phase="finetune", extra_loss=record, after_step=lambda _: steps.append(1))
    train(build_tiny(tasks), digits, CONFIG, tasks=tasks, strategy=strategy, reporter=recorder)
    assert progress == [step / 80 for step in range(80)]
    assert len(steps) == 80
    assert {report.phase for report in recorder.reports} == {"finetune"}
    assert recorder.reports[0].losses["extra"] == 2


def test_task_weights_scale_the_gradient(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    muted = (dataclasses.replace(tasks[0], weight=1e-12), *tasks[1:])
    config = dataclasses.replace(CONFIG, epochs=2)
    outcome = train(build_tiny(tasks), digits, config, tasks=tasks)
    # AdamW undoes a constant scale of a parameter's own gradient, so what tells is the shared body.
    with_muted = train(build_tiny(tasks), digits, config, tasks=muted)
    assert with_muted.metrics != outcome.metrics


def test_unknown_device_is_refused(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    for device in ("gpu", "cuda:99"):
        with pytest.raises(TrainConfigError, match=device):
            train(build_tiny(tasks), digits, dataclasses.replace(CONFIG, device=device), tasks=tasks)


def test_bf16_trains(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    outcome = train(build_tiny(tasks), digits, dataclasses.replace(LONGER, precision="bf16"), tasks=tasks)
    assert outcome.metrics["orientation"] > 40


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_trains_on_a_gpu(digits: MultiTaskData, build_tiny: Build) -> None:
    tasks = digits.description.tasks
    network = build_tiny(tasks)
    outcome = train(network, digits, dataclasses.replace(LONGER, device="cuda:0"), tasks=tasks)
    assert next(network.parameters()).is_cuda
    assert outcome.metrics["orientation"] > 40


def test_fetching_batches_costs_little(digits: MultiTaskData) -> None:
    from gatefront.trainer.data.loader import epoch_batches

    started = time.process_time()
    for epoch in range(10):
        batches = list(epoch_batches(digits.train, digits.description.tasks, batch_size=64, seed=0, epoch=epoch))
    # A hundred batches of 64; per-sample work in Python would take ten times as long.
    assert len(batches) == 10
    assert time.process_time() - started < 0.5
