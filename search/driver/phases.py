"""Phases of a study: first the search, then the replicates of its best trials."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import optuna

from gatefront.search.driver.recovery import Recovery
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.results.states import DONE_STATES
from gatefront.search.sampling.optuna_study import ask
from gatefront.search.sampling.replicates import REPLICATE_OF, due_replicates, start_replicate
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.study_store import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPhase:
    """Trials to hand out until ``limit`` is reached: the ``adopted`` ones first, then those that ``ask`` returns.

    If ``is_search`` is True, the sampler proposes them. Otherwise they are replicates.
    """

    ask: Callable[[], optuna.Trial]
    adopted: Sequence[optuna.Trial]
    limit: int
    is_search: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProgress:
    """Work that is left, as the database has it now. `extend` and `void` change it while a study runs."""

    store: StudyStore
    reader: StudyReader
    study: optuna.Study
    space: SearchSpace
    recovery: Recovery
    stop_request: StopRequest = field(default_factory=StopRequest)

    def phases(self) -> Iterator[StudyPhase]:
        """Yield the phases that are left. Each must be run to its end before the next is asked for.

        There are no more phases once a stop is requested, or if no trial ended in the last one.
        """
        adopted, replicates = self._still_open(self.recovery.adopted), self._still_open(self.recovery.replicates)
        before = None
        while not self.stop_request.is_requested and before != (before := self._num_ended()):
            left = self.num_left()
            if left:
                yield StudyPhase(ask=self._ask, adopted=adopted[:left], limit=left, is_search=True)
                adopted = ()
                continue
            due = self._without(replicates)
            if due or replicates:
                handed_out = iter(due)
                yield StudyPhase(
                    ask=lambda: start_replicate(self.study, next(handed_out)),  # noqa: B023  # run before the next round
                    adopted=replicates,
                    limit=len(replicates) + len(due),
                    is_search=False,
                )
                replicates = ()

    def num_left(self) -> int:
        """Return the number of trials of the search that are still to be done."""
        states = self.store.trial_states().values()
        return max(0, self.store.load().num_trials - sum(state in DONE_STATES for state in states))

    def due_replicates(self) -> list[int]:
        """Return the trials that need more replicates, once per missing replicate.

        Replicates that were handed out before are not missing.
        """
        section = self.space.config.study
        view = self.store.retry_policy(lambda: self.reader.view(self.store.study))
        return due_replicates(view, points=section.confirm_points, seeds=section.confirm_seeds)

    def _still_open(self, adopted: Sequence[optuna.Trial]) -> tuple[optuna.Trial, ...]:
        """Return the ``adopted`` trials that this session has not finished yet."""
        states = self.store.told_states()
        return tuple(trial for trial in adopted if states.get(trial.number) not in DONE_STATES)

    def _without(self, replicates: Sequence[optuna.Trial]) -> list[int]:
        """Return the due replicates, except adopted ones that have no row in our tables.

        A driver that was killed may have created such replicates in Optuna alone.
        """
        known = self.store.told_states()
        unknown = Counter(trial.user_attrs[REPLICATE_OF] for trial in replicates if trial.number not in known)
        return list((Counter(self.due_replicates()) - unknown).elements())

    def _ask(self) -> optuna.Trial:
        return ask(self.study, self.space)

    def _num_ended(self) -> int:
        """Return the number of ended trials, including replicates and voided ones.

        A phase in which any trial ended has raised it.
        """
        return sum(state in DONE_STATES for state in self.store.told_states().values())
