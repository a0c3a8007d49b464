"""Which trial a worker that Ray ended was training, and when a trial has had enough of that."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import ray

from gatefront.search.driver.ray_backend.memory_kills import MOST_ATTEMPTS, given_up, killed_workers
from gatefront.search.driver.worker.messages import AttemptStarted, encode
from gatefront.search.results.states import TrialState

# As Ray 2.60 says it, shortened; the table of the largest processes follows what was chosen.
SENTENCE = """1 worker(s) were killed due to the node running low on memory.
Considered workers: [(Actor(77): pid=17, actual memory used=0.10GB)]
Selected to kill: (Actor(88): job ID=01, task name=ImplicitFunc.__init__, pid=20708, actual memory used=0.61GB)
]
Top 10 memory users: PID	MEM(GB)	COMMAND
20989	16.30	python pid=4711
"""


def _as_ray_tune_ends(cause: Exception) -> RuntimeError:
    error = RuntimeError(f"Caught unexpected exception: {cause}")
    error.__cause__ = cause
    return error


def _identity(pid: int) -> str:
    return f"host/pid:[1]/{pid}/99"


def test_the_processes_that_were_ended_are_read_from_rays_words() -> None:
    assert killed_workers(_as_ray_tune_ends(ray.exceptions.OutOfMemoryError(SENTENCE))) == {20708}
    assert killed_workers(_as_ray_tune_ends(ray.exceptions.OutOfMemoryError("in other words"))) == frozenset()


def test_other_errors_are_not_taken_for_it() -> None:
    assert killed_workers(_as_ray_tune_ends(ray.exceptions.RayError(SENTENCE))) is None
    assert killed_workers(RuntimeError(SENTENCE)) is None


def test_only_the_trial_that_was_hit_is_given_up_and_only_at_last() -> None:
    kills: Counter[int] = Counter()
    workers = {3: _identity(10), 4: _identity(11)}
    for _ in range(MOST_ATTEMPTS - 1):
        assert given_up(kills, frozenset({11}), workers) == {}
    assert given_up(kills, frozenset({10}), workers) == {}
    causes = given_up(kills, frozenset({11}), workers)
    assert list(causes) == [4]
    assert "train.batch_size" in causes[4]


def test_where_no_trial_is_known_to_be_it_every_one_may_have_been() -> None:
    kills: Counter[int] = Counter()
    for _ in range(MOST_ATTEMPTS - 1):
        assert given_up(kills, frozenset({12}), {3: "", 4: _identity(11)}) == {}
    assert set(given_up(kills, frozenset(), {3: "", 4: _identity(11)})) == {3, 4}


def test_a_trial_that_is_given_up_fails_and_the_others_wait(open_table_study: Callable[..., Any]) -> None:
    run = open_table_study(max_concurrent=2)
    run.searcher.suggest("a")
    run.searcher.suggest("b")
    run.searcher.on_trial_result("a", encode(AttemptStarted(worker=_identity(10))))
    asked = []

    def give_up(workers: Any) -> dict[int, str]:
        asked.append(dict(workers))
        return {0: "memory ran out 3 times"}

    run.searcher.release(give_up)
    assert asked == [{0: _identity(10), 1: ""}]
    assert run.store.trial_states() == {0: TrialState.FAILED, 1: TrialState.QUEUED}
    # The sampler is to keep away from it: a trial that only died would teach it nothing.
    first, second, *_ = run.study.get_trials(deepcopy=False)
    assert first.constraints["trained"] > 0
    assert second.state.name == "RUNNING"
