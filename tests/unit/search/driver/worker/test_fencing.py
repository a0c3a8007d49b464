"""Workers that wake up late, and disks that are full: neither harms a trial."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gatefront.search.driver.worker import trainable
from gatefront.search.driver.worker.fencing import FencingToken, StaleWorkerError
from gatefront.search.driver.worker.messages import (
    EpochFinished,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    decode,
    encode,
)
from gatefront.search.results.states import TrialState
from gatefront.trainer.checkpoints import disk_full as full_disk
from gatefront.trainer.checkpoints.disk_full import ran_out_of_disk
from gatefront.trainer.reporting import EpochReport

EPOCH = EpochReport(
    epoch=1, num_epochs=3, phase="train", losses={}, metrics={}, learning_rate=0.1, seconds=1.0, flops=5
)


def test_the_worker_that_came_last_has_the_trial(tmp_path: Path) -> None:
    early, late = FencingToken(tmp_path), FencingToken(tmp_path)
    late.check()
    with pytest.raises(StaleWorkerError, match="another worker"):
        early.check()


@pytest.mark.parametrize("moment", ["before an epoch", "before the result"])
def test_a_worker_that_wakes_up_late_says_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(trainable, "_send", said.append)
    monkeypatch.setattr(trainable.TrialSpec, "from_document", lambda spec: spec)

    def run(_spec: object, *, reporter: Callable[[EpochReport], None], **_: object) -> str:
        FencingToken(tmp_path)  # while this one slept
        if moment == "before an epoch":
            reporter(EPOCH)
        return "a result"

    outcome = trainable._attempt(run, "{}", tmp_path, tmp_path)  # type: ignore[arg-type]
    assert isinstance(outcome, TrialInterrupted)
    assert said == []
    assert not (tmp_path / "failure.txt").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_interrupts_the_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(trainable.TrialSpec, "from_document", lambda spec: spec)

    def run(*_: object, **__: object) -> None:
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise RuntimeError("the checkpoint was not written") from error

    outcome = trainable._attempt(run, "{}", tmp_path, tmp_path)  # type: ignore[arg-type]
    assert isinstance(outcome, TrialInterrupted)
    assert str(tmp_path) in outcome.cause
    assert decode(encode(outcome)) == outcome


def test_torchs_word_for_it_is_believed_only_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError("[enforce fail at inline_container.cc] unexpected pos")
    assert not ran_out_of_disk(error, tmp_path)
    assert not ran_out_of_disk(OSError(errno.EACCES, "denied"), tmp_path)
    monkeypatch.setattr(full_disk, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=100)))
    assert ran_out_of_disk(error, tmp_path)
    assert not ran_out_of_disk(KeyError("left"), tmp_path)
    assert shutil.disk_usage(tmp_path).free > 100


def test_an_interrupted_trial_drains_the_study_and_goes_on_at_the_next_sitting(
    open_table_study: Callable[..., Any],
) -> None:
    run = open_table_study()
    for name in ("ray0", "ray1"):
        run.searcher.suggest(name)
    for name in ("ray0", "ray1"):
        run.work(name, EpochFinished(EPOCH), TrialInterrupted("the disk of /data is full"))
        run.searcher.on_trial_complete(name, {})
    assert run.stop_request.reason == "the disk of /data is full"
    # All workers meet the same full disk: that is not a person who asks twice and will not wait for the database.
    assert not run.stop_request.is_at_once
    assert run.searcher.suggest("ray2") == "FINISHED"
    run.searcher.release()
    assert set(run.states().values()) == {TrialState.QUEUED}
    again = open_table_study()
    assert [trial.number for trial in again.recovery.adopted] == [0, 1]


def test_a_late_report_changes_nothing(open_table_study: Callable[..., Any], make_trial: Callable[..., Any]) -> None:
    first = open_table_study()
    first.searcher.suggest("ray0")
    first.finish("ray0", delta_mtl=-1.0)
    before = first.store.load().revision
    # In the same sitting, of a trial that is over; and in the next one, of an attempt that it knows nothing of.
    for searcher in (first.searcher, open_table_study().searcher):
        for message in (EpochFinished(EPOCH), TrialFinished(make_trial(delta_mtl=9.0)), TrialFailed("woke up late")):
            searcher.on_trial_result("ray0", encode(message))
            searcher.on_trial_complete("ray0", encode(message))
        searcher.on_trial_complete("ray0", error=True)
    assert first.store.load().revision == before
    assert first.states() == {0: TrialState.COMPLETE}
    assert first.store.stored_result(0).delta_mtl == -1.0
