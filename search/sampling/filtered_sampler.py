"""FilteredSampler: a sampler that does not see every stored trial, but sees some that are not stored."""

from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from gatefront.search.sampling.replicates import REPLICATE_OF
from gatefront.search.storage.optuna_internals import StudyWithTrials

Hidden = Callable[[], Container[int]]
"""Current numbers of the trials to ignore. A person may declare a trial void at any time."""


class FilteredSampler(BaseSampler):
    """Sampler ``inner`` without the ``hidden`` trials and replicates, and with the ``added`` trials before all others.

    Optuna cannot change a finished trial, so a voided one stays in its tables and is left out here. A replicate is left
    out because the sampler did not propose it, and because what is learned about a point should not depend on whether
    it was repeated.
    """

    def __init__(self, inner: BaseSampler, hidden: Hidden, added: Sequence[FrozenTrial] = ()) -> None:
        self.inner = inner
        self._hidden = hidden
        self._added = tuple(added)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(self._shown(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.inner.sample_relative(self._shown(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.inner.sample_independent(self._shown(study), trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if REPLICATE_OF not in trial.user_attrs:
            self.inner.before_trial(self._shown(study), trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: OptunaState, values: Sequence[float] | None
    ) -> None:
        if REPLICATE_OF not in trial.user_attrs:
            self.inner.after_trial(self._shown(study), trial, state, values)

    def reseed_rng(self) -> None:
        self.inner.reseed_rng()

    def _shown(self, study: optuna.Study) -> optuna.Study:
        hidden = self._hidden()

        def shown(stored: list[FrozenTrial]) -> list[FrozenTrial]:
            visible = (trial for trial in stored if trial.number not in hidden and REPLICATE_OF not in trial.user_attrs)
            return [*self._added, *visible]

        return StudyWithTrials(study, shown)
