"""The doctor finds what is wrong before hours are spent."""

from pathlib import Path

import pytest

from search.cli import main

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


def test_healthy_study_passes_every_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    assert main(["doctor", str(path), "--db", f"sqlite:///{tmp_path}/g.db", "--storage", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(line.startswith("ok") for line in out.splitlines())
    checks = [line[5:].split(":")[0] for line in out.splitlines()]
    assert checks == [
        "networks", "disk", "database", "labels of left", "labels of right", "labels of orientation",
        "one-batch overfit", "estimated time",
    ]  # fmt: skip
    assert "floor" in out
    assert "journal mode wal" in out


def test_a_network_too_large_to_learn_here_is_only_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.doctor._OVERFIT_SECONDS", 0.0)
    monkeypatch.setattr("search.doctor._CPU_FLOPS_PER_STEP", 1.0)
    path = tmp_path / "study.toml"
    path.write_text(STUDY + '[train]\ndevice = "cpu"\n')
    assert main(["doctor", str(path), "--db", f"sqlite:///{tmp_path}/g.db", "--storage", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "in 1 steps on 1 samples; cpu is too slow to tell" in out
    assert "estimated time" in out


def test_unreachable_database_is_a_failed_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    address = "postgresql+psycopg://nobody:secret@127.0.0.1:9/none"
    assert main(["doctor", str(path), "--db", address, "--storage", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "FAIL database" in out
    assert "secret" not in out
