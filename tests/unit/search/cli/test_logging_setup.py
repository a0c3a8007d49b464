"""The layers' log lines reach the person at the terminal, once."""

from pathlib import Path

import pytest

from gatefront.search.cli.main import main

STUDY = """
[study]
name = "rolled"
[data]
name = "rooms"
[network]
backbone = "rolled:Rolled"
"""


BACKBONE = """
import torch
from torch import nn

class Rolled(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
    def forward(self, images):
        return [self.second(torch.roll(self.first(images), 1, dims=1))]
"""


def test_opaque_operations_are_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "rolled.py").write_text(BACKBONE)
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    assert main(["flops", str(file)]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("never pruned inside: roll") == 1
    assert "never pruned" not in captured.out
