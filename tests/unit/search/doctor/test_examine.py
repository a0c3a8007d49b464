"""The doctor finds what is wrong before hours are spent."""

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gatefront.search.cli.main import main
from gatefront.search.config.family import FamilyName
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.config.train import TrainSection
from gatefront.search.doctor.duration import check_duration
from gatefront.search.doctor.first_steps import FirstSteps, _small_batch, take_first_steps
from gatefront.search.doctor.memory import check_memory
from gatefront.search.doctor.peak_memory import Peak, measure_peak
from gatefront.search.doctor.probe_network import Trainee
from gatefront.search.planning.family_costs import family_flops, most_flops
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.results.formats import format_duration
from gatefront.spaces import build_gated_network, count_parameters
from gatefront.spaces.families import build_family
from gatefront.trainer.data import load_data
from gatefront.trainer.data.loader import num_samples

STUDY = """
[study]
name = "tiny"
flop_budget = "60%"
trials = 2
workers = 1
[data]
name = "digits"
options = {train_size = 256, val_size = 128}
[network]
stem = "small"
"""
MIXED = (
    STUDY.replace('flop_budget = "60%"\n', "")
    + """
[family]
name = {choices = ["interrogate", "cross-stitch", "etr-nlp", "lomt"]}
gamma = {low = 0.25, high = 0.75}
"""
)
DOCTOR = "gatefront.search.doctor"


def doctor(tmp_path: Path, text: str = STUDY, db: str | None = None) -> int:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return main(["doctor", str(path), "--db", db or f"sqlite:///{tmp_path}/g.db", "--storage", str(tmp_path)])


def test_healthy_study_passes_every_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(tmp_path) == 0
    out = capsys.readouterr().out
    assert all(line.startswith(("ok   ", "     ")) for line in out.splitlines())
    checks = [line[5:].split(":")[0] for line in out.splitlines() if line.startswith("ok")]
    assert checks == [
        "networks", "disk", "database", "samples", "brightness",
        "labels of left", "labels of right", "labels of orientation",
        "contact sheet", "journey to a bundle", "one-batch overfit", "estimated memory", "estimated time",
    ]  # fmt: skip
    assert "floor" in out
    assert "journal mode wal" in out
    assert "256 for training, 128 for validation" in out
    assert "45 degrees: " in out
    with Image.open(tmp_path / "tiny" / "contact-sheet.png") as sheet:
        assert sheet.mode == "RGB"


def test_take_first_steps_network_over_the_flop_limit_takes_one_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DOCTOR}.first_steps._USUAL_FLOPS", 1.0)
    monkeypatch.setattr(f"{DOCTOR}.first_steps._MOST_FLOPS", 1.2e6)
    assert doctor(tmp_path, STUDY + '[train]\ndevice = "cpu"\n') == 0
    out = capsys.readouterr().out
    assert "not tried: the network computes " in out
    assert "60 steps are taken up to 10.00 kFLOPs on CPU" in out
    assert "scaled up from 2 to 64 samples" in out
    assert "estimated time" in out


@pytest.mark.parametrize(
    ("flops", "device", "expected"),
    [
        (10**6, "cpu", (16, 60)),
        (2 * 10**9, "cpu", (8, 60)),
        (3 * 10**10, "cpu", (2, 60)),
        (4 * 10**10, "cpu", (2, 1)),
        (4 * 10**10, "cuda", (16, 60)),
    ],
)
def test_small_batch_follows_from_the_flops_alone(flops: int, device: str, expected: tuple[int, int]) -> None:
    assert _small_batch(flops, torch.device(device)) == expected


def test_overfit_on_a_slow_machine_takes_every_step(mixed: StudyPlan, tmp_path: Path) -> None:
    """A clock on which every look lasts a day changes the seconds and no verdict."""
    data = load_data(mixed.data, tmp_path)
    usual = take_first_steps(mixed, data, "interrogate")
    ticks = count(step=86_400.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: next(ticks))
        slow = take_first_steps(mixed, data, "interrogate")
    assert {len(losses) for losses in slow.losses.values()} == {60}
    assert slow.losses == usual.losses
    assert (slow.num_overfit, slow.num_measured) == (usual.num_overfit, usual.num_measured)
    assert slow.check_overfit().passed


@pytest.mark.parametrize(
    ("other", "passed"),
    [
        ([1.0] * 60, False),
        ([0.2, *[0.19] * 59], False),
        ([float("nan")] * 60, False),
        ([1.0, *[0.7] * 59], True),
        ([1.0, *[0.3] * 58, 0.9], True),
        ([0.0] * 60, True),
    ],
)
def test_check_overfit_names_the_task_that_does_not_learn(other: list[float], passed: bool) -> None:
    check = steps_of("interrogate", losses={"semseg": (3.0, *[0.1] * 59), "depth": tuple(other)}).check_overfit()
    assert check.passed == passed
    assert ("; not learned: depth; look at its labels and their scale" in check.detail) == (not passed)
    assert ("depth: loss" in " ".join(check.more)) == (not passed)
    assert "in 60 steps on 1 samples, 12 s" in check.detail


def test_a_batch_that_does_not_fit_is_not_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DOCTOR}.first_steps.available_bytes", lambda _device: 1)
    monkeypatch.setattr(f"{DOCTOR}.memory.total_bytes", lambda _device: 1)
    assert doctor(tmp_path, STUDY + '[train]\ndevice = "cpu"\ncheckpoint_activations = true\n') == 1
    out = capsys.readouterr().out
    assert "FAIL estimated memory" in out
    assert "scaled up from 16 to 64 samples" in out
    assert "use fewer workers" in out


def test_memory_is_that_of_the_samples_computed_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    factors: list[float] = []

    def scaled(_: Peak, factor: float, *, parameter_bytes: int) -> int:
        factors.append(factor)
        return parameter_bytes

    monkeypatch.setattr(Peak, "scaled", scaled)
    monkeypatch.setattr(f"{DOCTOR}.first_steps._STEPS", 1)
    for size in ("", "micro_batch_size = 8\n", "micro_batch_size = 32\n"):
        doctor(tmp_path, f'{STUDY}[train]\ndevice = "cpu"\n{size}')
    # From 16 samples to 64; from 8 of them at a time to 8; from 16 at a time to 32.
    assert factors == [4.0, 1.0, 2.0]


def test_unreachable_database_is_a_failed_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(tmp_path, db="postgresql+psycopg://nobody:secret@127.0.0.1:9/none") == 1
    out = capsys.readouterr().out
    assert "FAIL database" in out
    assert "secret" not in out


def test_a_peak_grows_with_the_batch_but_not_its_weights() -> None:
    peak = Peak(before=1000, highest=1000 + 100 + 50)  # the gradients of 100 bytes of weights, 50 of activations
    assert peak.scaled(1.0, parameter_bytes=100) == 1000 + 300 + 50
    assert peak.scaled(4.0, parameter_bytes=100) == 1000 + 300 + 200
    assert Peak(before=1000, highest=1000).scaled(4.0, parameter_bytes=100) == 1300


def test_memory_that_is_given_back_counts() -> None:
    size = 128 * 2**20
    peak = measure_peak(lambda: torch.ones(size, dtype=torch.uint8).sum(), torch.device("cpu"))
    assert peak.highest - peak.before > 0.9 * size


def test_mapped_files_do_not_count(tmp_path: Path) -> None:
    size = 128 * 2**20
    np.save(tmp_path / "kept.npy", np.zeros(size, np.uint8))
    without = measure_peak(lambda: None, torch.device("cpu"))
    kept = np.load(tmp_path / "kept.npy", mmap_mode="r")
    assert int(kept.sum()) == 0  # every page of it was there
    assert measure_peak(lambda: None, torch.device("cpu")).highest - without.highest < 0.5 * size


@pytest.mark.parametrize(("workers", "fits"), [(1, True), (2, True), (3, False)])
def test_workers_share_the_machine(workers: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{DOCTOR}.memory.total_bytes", lambda _device: 2 * 2**30)
    config = StudyConfig.model_validate({"study": {"name": "tiny", "workers": workers}, "data": {"name": "digits"}})
    assert check_memory(plan_study(config), [steps_of("interrogate")]).passed == fits


@pytest.mark.parametrize("available", [1, 2**40])
def test_check_memory_other_programs_decide_nothing(available: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{DOCTOR}.memory.total_bytes", lambda _device: 2 * 2**30)
    monkeypatch.setattr(f"{DOCTOR}.memory.available_bytes", lambda _device: available)
    config = StudyConfig.model_validate({"study": {"name": "tiny", "workers": 2}, "data": {"name": "digits"}})
    check = check_memory(plan_study(config), [steps_of("interrogate")])
    assert check.passed
    assert ("end other programs first" in check.detail) == (available == 1)


def steps_of(family: FamilyName, **seen: Any) -> FirstSteps:
    as_usual: dict[str, Any] = {
        "flops": 10, "device": torch.device("cpu"), "losses": {"left": (1.0,)}, "num_overfit": 1,
        "overfit_seconds": 12.0, "batch_size": 8,
        "num_measured": 8, "seconds": 1.0, "peak_bytes": 2**30, "loading_seconds": 0.0,
    }  # fmt: skip
    return FirstSteps(family=family, **(as_usual | seen))


@pytest.fixture(scope="module")
def mixed() -> StudyPlan:
    return plan_study(parse_study(MIXED))


def test_what_is_tried_is_what_the_study_trains(mixed: StudyPlan) -> None:
    architecture = mixed.largest.architecture
    expected = {
        "interrogate": build_gated_network(architecture),
        "cross-stitch": build_family("cross-stitch", architecture),
        "etr-nlp": build_family("etr-nlp", architecture, {"gamma": 0.25}),  # the dearest it may become
        "lomt": build_family("lomt", architecture),
    }
    for family in mixed.config.family.names:
        trainee = Trainee(mixed, family)
        assert trainee.parameter_bytes == 4 * count_parameters(expected.pop(family))
        if family != "interrogate":
            assert trainee.flops == most_flops(mixed.config.family, family, mixed.largest)
    assert not expected


def test_every_family_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(tmp_path, MIXED) == 0
    out = capsys.readouterr().out
    for family in ("interrogate", "cross-stitch", "etr-nlp", "lomt"):
        assert f"one-batch overfit, {family}: " in out
        assert re.search(rf"^ +{family}: .* per trial, a step takes", out, re.MULTILINE)
    assert re.search(r"^ +etr-nlp: .* to .*\(", out, re.MULTILINE)
    assert re.search(r"^ +lomt: at most ", out, re.MULTILINE)


def test_the_hours_are_those_of_the_families(mixed: StudyPlan, tmp_path: Path) -> None:
    """A second per FLOP and batch for one family, three for the other; the references at the speed of the first."""
    data = load_data(mixed.data, tmp_path)
    batches = num_samples(data.train) // 64
    steps = [steps_of("cross-stitch"), steps_of("lomt", seconds=30.0)]
    plan = replace(mixed, config=mixed.config.model_copy(update={"train": TrainSection(epochs=3, reference_epochs=2)}))
    capacity = plan.largest
    crossed = 0.1 * batches * 3 * family_flops("cross-stitch", capacity.architecture)
    layered = 3.0 * batches * (3 * family_flops("lomt", capacity.architecture) + 2 * capacity.single_task)
    shared_epochs = plan.shared_init_epochs + plan.hard_sharing_epochs
    references = 0.1 * batches * (2 * capacity.single_task + shared_epochs * capacity.hard_sharing)
    check = check_duration(plan, data, steps)
    low, high = (format_duration((5 * each + references) / 1) for each in (crossed, layered))  # 2 trials, 3 repeats
    assert check.detail.startswith(f"{low} to {high} for 2 trials and 3 repeats")
    assert [line.split(" per")[0] for line in check.more] == [
        f"cross-stitch: {format_duration(crossed)}", f"lomt: {format_duration(layered)}"
    ]  # fmt: skip
    alone = check_duration(plan, data, steps[1:])
    assert f"{format_duration(layered)} per trial" in alone.detail
    assert alone.more == ()


def test_the_largest_family_needs_the_memory(mixed: StudyPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{DOCTOR}.memory.total_bytes", lambda _device: 2 * 2**30)
    steps = [steps_of("etr-nlp"), steps_of("cross-stitch", peak_bytes=3 * 2**30)]
    assert check_memory(mixed, steps[:1]).passed
    check = check_memory(mixed, steps)
    assert not check.passed
    assert "about 3 GiB per worker (cross-stitch)" in check.detail
