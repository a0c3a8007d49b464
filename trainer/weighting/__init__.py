"""Weightings: methods that turn the losses of several tasks into one update of their shared parameters."""

from gatefront.trainer.weighting.registry import WEIGHTINGS, build_weighting, require_weighting, step_cost
from gatefront.trainer.weighting.weighting import TrainingStep, Weighting

__all__ = [
    "WEIGHTINGS",
    "TrainingStep",
    "Weighting",
    "build_weighting",
    "require_weighting",
    "step_cost",
]
