"""Which comparisons of a backbone with its original are recorded, and when they are made again."""

import sys
from pathlib import Path
from typing import Any

import pytest

from gatefront.spaces import Architecture, Task, UntraceableBackboneError
from gatefront.spaces.networks import encoder, passed_comparisons
from gatefront.spaces.networks.encoder import build_encoder

TASKS = (Task(name="label", kind="classification", num_outputs=3),)
USERS_MODULE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
"""


def _architecture(backbone: str = "smallconv", **changes: Any) -> Architecture:
    return Architecture(backbone=backbone, tasks=TASKS, in_channels=3, **({"input_size": (16, 16)} | changes))


@pytest.fixture(autouse=True)
def _own_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEFRONT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backbones that were compared, in order."""
    found: list[str] = []
    compare = encoder._compare_with_original

    def comparing(architecture: Architecture) -> None:
        found.append(architecture.backbone)
        compare(architecture)

    monkeypatch.setattr(encoder, "_compare_with_original", comparing)
    return found


def _build_in_new_process(architecture: Architecture) -> None:
    encoder._require_equal_to_original.cache_clear()
    build_encoder(architecture)


@pytest.mark.parametrize("backbone", ["smallconv", "test_resnet"])
def test_what_has_passed_is_not_compared_again(backbone: str, compared: list[str]) -> None:
    for _ in range(2):
        _build_in_new_process(_architecture(backbone, input_size=(64, 64)))
    assert compared == [backbone]
    _build_in_new_process(_architecture(backbone, input_size=(96, 64)))
    assert compared == [backbone, backbone]


@pytest.mark.parametrize("changed", ["_own_code", "_code_of"])
def test_other_code_is_compared_again(changed: str, compared: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _build_in_new_process(_architecture())
    monkeypatch.setattr(passed_comparisons, changed, lambda *_: "changed")
    _build_in_new_process(_architecture())
    assert compared == ["smallconv", "smallconv"]


def test_the_code_of_timm_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    file = tmp_path / "layers" / "one.py"
    states = []
    for text in ("x = 1", "x = 1", "x = 12"):
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        passed_comparisons._state_of_timm.cache_clear()
        states.append(passed_comparisons._state_of_timm(tmp_path))
    passed_comparisons._state_of_timm.cache_clear()
    assert states[0] == states[1] != states[2]


def test_a_module_of_the_user_is_always_compared(
    compared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users_net.py").write_text(USERS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    for _ in range(2):
        _build_in_new_process(_architecture("users_net:build"))
    del sys.modules["users_net"]
    assert compared == ["users_net:build"] * 2


def test_an_architecture_that_is_registered_elsewhere_is_always_compared(
    compared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import timm

    _build_in_new_process(_architecture("test_resnet", input_size=(64, 64)))
    monkeypatch.setattr(timm.model_entrypoint("test_resnet"), "__module__", "nets.of_mine")
    _build_in_new_process(_architecture("test_resnet", input_size=(64, 64)))
    assert compared == ["test_resnet", "test_resnet"]


def test_what_has_failed_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_architecture: Architecture) -> None:
        raise UntraceableBackboneError("it differs.")

    monkeypatch.setattr(encoder, "_compare_with_original", refuse)
    for _ in range(2):
        with pytest.raises(UntraceableBackboneError, match="it differs"):
            _build_in_new_process(_architecture())


def test_without_a_folder_to_write_to_every_process_compares(
    compared: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GATEFRONT_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        _build_in_new_process(_architecture())
    assert compared == ["smallconv", "smallconv"]


def test_the_record_lies_with_the_studies_or_with_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passed_comparisons._folder() == tmp_path / "cache" / "compared"
    monkeypatch.delenv("GATEFRONT_CACHE")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "runs"))
    assert passed_comparisons._folder() == tmp_path / "runs" / "cache" / "compared"
    monkeypatch.delenv("GATEFRONT_STORAGE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert passed_comparisons._folder() == tmp_path / "gatefront" / "compared"
