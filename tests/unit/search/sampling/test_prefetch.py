"""Proposals come in order and as many as asked for, early only where making one would keep a worker waiting."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatefront.search.sampling.prefetch import ProposalPrefetcher


class Proposals:
    """A sampler on a clock of the test: each proposal takes ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.made: list[SimpleNamespace] = []

    def clock(self) -> float:
        return self.now

    def __call__(self) -> Any:
        self.now += self.seconds
        self.made.append(SimpleNamespace(number=len(self.made), thread=threading.current_thread()))
        return self.made[-1]


def _play(proposals: Proposals, *, limit: int, num_workers: int, trial_seconds: float) -> list[Any]:
    """What was fetched, each trial after the first ones when a worker has come free."""
    fetched = []
    with ProposalPrefetcher(proposals, limit=limit, num_workers=num_workers, clock=proposals.clock) as ask:
        for position in range(limit):
            if position >= num_workers:
                proposals.now += trial_seconds / num_workers
            fetched.append(ask())
    return fetched


@given(
    limit=st.integers(1, 12),
    num_workers=st.integers(1, 4),
    seconds=st.floats(0.0, 5.0),
    trial_seconds=st.floats(0.0, 100.0),
)
def test_every_proposal_is_fetched_once_and_none_is_made_in_vain(
    limit: int, num_workers: int, seconds: float, trial_seconds: float
) -> None:
    proposals = Proposals(seconds)
    fetched = _play(proposals, limit=limit, num_workers=num_workers, trial_seconds=trial_seconds)
    assert [trial.number for trial in fetched] == list(range(limit))
    assert proposals.made == fetched


def test_quick_proposals_are_made_when_they_are_fetched() -> None:
    """So each knows every result there is."""
    fetched = _play(Proposals(0.1), limit=10, num_workers=2, trial_seconds=10.0)
    assert {trial.thread for trial in fetched} == {threading.current_thread()}


def test_slow_proposals_are_made_while_workers_train() -> None:
    fetched = _play(Proposals(1.0), limit=10, num_workers=2, trial_seconds=10.0)
    early = [trial.number for trial in fetched if trial.thread is not threading.current_thread()]
    # The first two start the workers; the third tells how long a trial takes.
    assert early == [3, 4, 5, 6, 7, 8, 9]


def test_early_proposal_that_nobody_fetches_is_finished_before_the_end() -> None:
    proposals = Proposals(1.0)
    with ProposalPrefetcher(proposals, limit=9, num_workers=1, clock=proposals.clock) as ask:
        for _ in range(2):
            ask()
    assert len(proposals.made) == 3


def test_error_of_an_early_proposal_is_raised_where_it_is_fetched() -> None:
    proposals = Proposals(1.0)

    def ask() -> Any:
        if len(proposals.made) == 2:
            raise ValueError("no proposal")
        return proposals()

    with ProposalPrefetcher(ask, limit=9, num_workers=1, clock=proposals.clock) as fetch:
        fetch()
        fetch()
        with pytest.raises(ValueError, match="no proposal"):
            fetch()
