"""Disk space of one trial, estimated before it begins."""

from gatefront.search.planning.study_plan import StudyPlan

_FLOAT, _NUM_CHECKPOINTS = 4, 3
_VALUES_PER_WEIGHT = 3  # the weight and the two moments of its gradient


def trial_bytes(plan: StudyPlan) -> int:
    """Return an upper bound of a running trial's disk space in bytes.

    It holds two checkpoints, a third that is being written, and the trial's networks. The gated network has a branch
    per task and the shared one, each with no more parameters than hard sharing.
    """
    weights = plan.largest.num_parameters * (len(plan.tasks) + 1) * _FLOAT
    num_networks = 2 + plan.config.gates.derived_points  # its own, before and after the second phase
    return weights * (_NUM_CHECKPOINTS * _VALUES_PER_WEIGHT + num_networks)
