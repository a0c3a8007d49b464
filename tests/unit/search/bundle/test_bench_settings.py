"""What cannot be measured is refused before anything is loaded, with the option's name."""

from pathlib import Path

import pytest
import torch

from gatefront.search.bundle.bench_settings import RUNTIMES, BenchSettings
from gatefront.search.cli.main import main
from gatefront.search.errors import BenchError


def test_default_is_every_runtime_alone_on_one_thread() -> None:
    settings = BenchSettings()
    assert (settings.runtimes, settings.threads, settings.batches) == (RUNTIMES, 1, (1,))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--batch", "0"], "--batch must be at least 1, found 0."),
        (["--batch", "1,-8"], "--batch must be at least 1, found -8."),
        (["--batch", "1,eight"], "--batch must be whole numbers such as 1,8, found '1,eight'."),
        (["--batch", ","], "--batch must name one or more, each once, found []."),
        (["--batch", "8,1,8"], "--batch must name one or more, each once, found [8, 1, 8]."),
        (["--threads", "0"], "--threads must be at least 1, found 0."),
        (["--repeats", "0"], "--repeats must be at least 1, found 0."),
        (["--runtimes", "onnx,tvm"], "--runtimes must be one of onnx, eager, compiled, found 'tvm'."),
        (["--device", "tpu"], "--device must be one of cpu, cuda, found 'tpu'."),
        (["--precision", "int8"], "--precision must be one of fp32, bf16, found 'int8'."),
    ],
)
def test_wrong_input_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["bench", str(tmp_path), *words]) == 2
    assert f"gatefront: {sentence}" in capsys.readouterr().err


def test_folder_without_a_bundle_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert main(["bench", str(folder)]) == 2
        assert "DIR must be a bundle's folder, found" in capsys.readouterr().err


def test_cuda_where_there_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BenchError, match="torch finds no CUDA GPU here"):
        BenchSettings(device="cuda")
