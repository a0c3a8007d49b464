"""What a worker says of a trial that failed: whether its settings are to blame, told by the kind of error."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gatefront.search.driver.worker.messages import AttemptStarted, Message, TrialFailed, TrialInterrupted, decode
from gatefront.search.driver.worker.trainable import SPEC, TRIAL_NUMBER, make_trainable
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.spaces import BudgetBelowFloorError
from gatefront.trainer.data import DataError
from gatefront.trainer.loop.loss_log import DivergedError
from gatefront.trainer.reporting import TrialResult
from gatefront.trainer.trial.spec import TrialSpec


@pytest.mark.parametrize(
    ("error", "is_deterministic"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (DivergedError("the loss of left is nan."), True),
        (BudgetBelowFloorError("the budget is under the floor."), True),
        (OSError(5, "Input/output error"), False),
        (DataError("an image is damaged."), False),
        (RuntimeError("CUDA out of memory, or so this text says"), False),
    ],
)
def test_settings_are_to_blame_by_the_kind_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, is_deterministic: bool
) -> None:
    sent: list[Message | None] = []
    monkeypatch.setattr(
        "gatefront.search.driver.worker.trainable.tune.report", lambda message: sent.append(decode(message))
    )
    train = SimpleNamespace(batch_size=8, samples_at_once=8, checkpoint_activations=False)
    spec = SimpleNamespace(architecture=SimpleNamespace(width=1.0), train=train)
    monkeypatch.setattr(TrialSpec, "from_document", lambda _: spec)

    def run_trial(*_: Any, **__: Any) -> TrialResult:
        raise error

    make_trainable(run_trial, StudyFolders(tmp_path, "study"))({TRIAL_NUMBER: 3, SPEC: "{}"})
    started, failed = sent
    assert isinstance(started, AttemptStarted)
    assert isinstance(failed, TrialFailed)
    assert failed.is_deterministic is is_deterministic
    assert type(error).__name__ in failed.cause or str(error).rstrip(".") in failed.cause


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EDQUOT])
def test_a_trial_that_finds_no_room_for_its_folder_waits_for_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_number: int
) -> None:
    sent: list[Message | None] = []
    monkeypatch.setattr(
        "gatefront.search.driver.worker.trainable.tune.report", lambda message: sent.append(decode(message))
    )

    def mkdir(*_: Any, **__: Any) -> None:
        raise OSError(error_number, "no room")

    monkeypatch.setattr(Path, "mkdir", mkdir)

    def run_trial(*_: Any, **__: Any) -> TrialResult:
        pytest.fail("there is nowhere to train")

    make_trainable(run_trial, StudyFolders(tmp_path, "study"))({TRIAL_NUMBER: 3, SPEC: "{}"})
    assert isinstance(sent[-1], TrialInterrupted)
    assert "full" in sent[-1].cause
