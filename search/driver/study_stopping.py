"""The early stopping of one study, taken up where its last sitting left it."""

from gatefront.search.config.parameters import largest
from gatefront.search.driver.early_stopping import EarlyStopping
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.storage.study_store import StudyStore


def early_stopping(plan: StudyPlan, store: StudyStore) -> EarlyStopping | None:
    """The study's rule with the rungs as the database knows them; None where trials are not stopped."""
    rule = plan.config.early_stopping
    if rule is None or not rule.enabled:
        return None
    # Another seed of a point of the front is there to say what that point is worth. Asked in Ray's loop: nobody waits.
    stopping = EarlyStopping(rule, flop_budget=_budget_at_rungs(plan), is_exempt=store.as_reader().is_confirmation)
    for epoch in store.rung_epochs(rule.rungs_until(largest(plan.config.train.epochs))):
        stopping.record(*epoch)
    return stopping


def _budget_at_rungs(plan: StudyPlan) -> int | None:
    """The study's budget, unless every trial has a target of its own.

    Such a trial ends at its target, whatever it costs on the way: being over the budget at a rung says only that its
    target is one of the larger ones.
    """
    return plan.flop_budget if plan.config.gates.target_knob is None else None
