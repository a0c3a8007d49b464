"""The layers' log lines reach the person at the terminal, once."""

from pathlib import Path

import pytest

from search.cli import main

STUDY = """
[study]
name = "grouped"
[data]
name = "rooms"
[network]
backbone = "regnetx_002"
"""


def test_opaque_operations_are_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    assert main(["flops", str(file)]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("never pruned inside: s1_b1_conv2_conv") == 1
    assert "never pruned" not in captured.out
