"""Early stopping for two objectives: at a few epochs a trial is ranked among all trials that have reached them.

The method is successive halving as in ASHA (Li et al., arXiv 1810.05934), with the constrained non-dominated ranking in
place of its own. :class:`EarlyStopping` knows neither Ray nor a database.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.parameters import max_value
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.results.nondominated_sort import constrained_order
from gatefront.search.results.outcome import Point
from gatefront.search.storage.study_store import StudyStore


class Verdict(NamedTuple):
    """Reason why a trial stops: its place, from 1, among ``num_trials`` at the rung."""

    rung: int
    place: int
    num_trials: int
    num_kept: int

    def __str__(self) -> str:
        return (
            f"place {self.place} of the {self.num_trials} trials that have reached epoch {self.rung}, "
            f"of which the first {self.num_kept} and the front go on"
        )


class EarlyStopping:
    """Reports of all trials of a study at the rungs, and the verdict on each report as it arrives.

    A trial on the front of its rung is never stopped, however many are on it. A trial that continues is not judged
    again before the next rung, whatever other trials report later.

    Args:
        rule: where rungs lie and how many trials continue.
        flop_budget: points at or under it come first at every rung. None: FLOPs are an objective only.
        is_exempt: True for trials that run to their end whatever they report. No other trial is compared with them.
    """

    def __init__(
        self,
        rule: StoppingRule,
        *,
        flop_budget: int | None = None,
        is_exempt: Callable[[int], bool] = lambda _number: False,
    ) -> None:
        self._rule = rule
        self._flop_budget = flop_budget
        self._is_exempt = is_exempt
        self._rungs: dict[int, dict[int, Point]] = {}

    def should_stop(self, number: int, epoch: int, delta_mtl: float, flops: int) -> bool:
        """Record the report of trial ``number`` at ``epoch``, counted from 1, and return True if it should stop."""
        return self.judge(number, epoch, delta_mtl, flops) is not None

    def judge(self, number: int, epoch: int, delta_mtl: float, flops: int) -> Verdict | None:
        """Record a report as :meth:`should_stop` does, and return the reason to stop. None: the trial continues."""
        self.record(number, epoch, delta_mtl, flops)
        rung = self._rungs.get(epoch, {})
        if number not in rung or len(rung) < self._rule.min_trials:
            return None
        place = constrained_order(list(rung.values()), self._flop_budget)[list(rung).index(number)]
        num_kept = math.ceil(len(rung) / self._rule.eta)
        if place.front == 0 or place.position < num_kept:
            return None
        return Verdict(epoch, place.position + 1, len(rung), num_kept)

    def record(self, number: int, epoch: int, delta_mtl: float, flops: int) -> None:
        """Record an epoch without a verdict, as a resumed study does with earlier reports.

        A repeated epoch replaces the earlier one. A Δ_MTL that is not finite is not recorded.
        """
        if self._rule.is_rung(epoch) and math.isfinite(delta_mtl) and not self._is_exempt(number):
            self._rungs.setdefault(epoch, {})[number] = (delta_mtl, flops)


def early_stopping(plan: StudyPlan, store: StudyStore) -> EarlyStopping | None:
    """Return the study's rule with the rungs that the database holds. None: trials are not stopped."""
    rule = plan.config.early_stopping
    if rule is None or not rule.enabled:
        return None
    # Replicates are exempt, because they measure a point of the front. `as_reader` does not block Ray's loop.
    stopping = EarlyStopping(rule, flop_budget=_budget_at_rungs(plan), is_exempt=store.as_reader().is_replicate)
    for epoch in store.rung_epochs(rule.rungs_until(max_value(plan.config.train.epochs))):
        stopping.record(*epoch)
    return stopping


def _budget_at_rungs(plan: StudyPlan) -> int | None:
    """Return the study's budget, or None if every trial has a target of its own.

    Such a trial ends at its target, whatever it costs on the way. A cost over the budget at a rung only means that its
    target is one of the larger ones.
    """
    return plan.budgets.flops if plan.config.gates.target_parameter is None else None
