"""The doctor finds what is wrong before hours are spent."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search.cli import main
from search.config import StudyConfig
from search.doctor.first_steps import FirstSteps
from search.doctor.memory import check_memory
from search.doctor.peak_memory import Peak, measure_peak
from search.plan import plan_study

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
DOCTOR = "search.doctor"


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
        "networks", "disk", "database", "samples", "labels of left", "labels of right", "labels of orientation",
        "contact sheet", "one-batch overfit", "estimated memory", "estimated time",
    ]  # fmt: skip
    assert "floor" in out
    assert "journal mode wal" in out
    assert "256 for training, 128 for validation" in out
    assert "45 degrees: " in out
    with Image.open(tmp_path / "tiny" / "contact-sheet.png") as sheet:
        assert sheet.mode == "RGB"


def test_a_network_too_large_to_learn_here_is_only_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DOCTOR}.first_steps._OVERFIT_SECONDS", 0.0)
    monkeypatch.setattr(f"{DOCTOR}.first_steps._CPU_FLOPS_PER_STEP", 1.0)
    assert doctor(tmp_path, STUDY + '[train]\ndevice = "cpu"\n') == 0
    out = capsys.readouterr().out
    assert "in 1 steps on 1 samples; cpu is too slow to tell" in out
    assert "scaled up from 1 to 64 samples" in out
    assert "estimated time" in out


def test_a_batch_that_does_not_fit_is_not_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DOCTOR}.first_steps.available_bytes", lambda _device: 1)
    monkeypatch.setattr(f"{DOCTOR}.memory.available_bytes", lambda _device: 1)
    assert doctor(tmp_path, STUDY + '[train]\ndevice = "cpu"\ncheckpoint_activations = true\n') == 1
    out = capsys.readouterr().out
    assert "FAIL estimated memory" in out
    assert "scaled up from 16 to 64 samples" in out
    assert "use fewer workers" in out


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
    monkeypatch.setattr(f"{DOCTOR}.memory.available_bytes", lambda _device: 2 * 2**30)
    config = StudyConfig.model_validate({"study": {"name": "tiny", "workers": workers}, "data": {"name": "digits"}})
    steps = FirstSteps(
        device=torch.device("cpu"), losses=(1.0,), num_overfit=1, batch_size=8, num_measured=8, seconds=1.0,
        peak_bytes=2**30, loading_seconds=0.0,
    )  # fmt: skip
    assert check_memory(plan_study(config), steps).passed == fits
