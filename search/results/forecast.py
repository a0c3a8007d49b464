"""Forecast of what another hour of a study adds to its hypervolume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gatefront.search.results.records import HypervolumePoint, StudyView, TrialPoint
from gatefront.search.results.states import DONE_STATES

# With fewer complete trials a doubling adds three or less, so its gain depends more on luck than on the search.
_FEWEST_TRIALS = 8
# Share of the hypervolume that an hour has to gain to be worth the wait.
_LITTLE = 0.01
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Estimate of the gain of another hour, with the figures it is based on.

    ``expected_gain`` is the gain of the hour, ``last_gain`` that of the latest doubling of the trials. Both are shares
    of the present hypervolume. ``num_trials`` is the number of trials that fit into the hour.
    """

    expected_gain: float
    last_gain: float
    num_trials: float

    @property
    def is_little(self) -> bool:
        return self.expected_gain < _LITTLE


def study_outlook(view: StudyView) -> Forecast | None:
    """Estimate the gain of another hour; None if too little is known.

    It assumes that each doubling of the trials gains as much as the last one did. The gain of a search shrinks with
    every trial, at about this rate. A constant gain per trial would predict too much.
    """
    seconds = _seconds_per_trial(view)
    half = _halfway(view.hypervolume)
    if seconds == 0 or half is None:
        return None
    now = view.hypervolume[-1]
    num_trials = _HOUR_S * view.summary.num_workers / seconds
    last_gain = 1 - half.hypervolume / now.hypervolume
    doublings = math.log2(now.num_complete / half.num_complete)
    return Forecast(
        expected_gain=last_gain / doublings * math.log2(1 + num_trials / len(_ended(view))),
        last_gain=last_gain / doublings,
        num_trials=num_trials,
    )


def outlook_sentence(outlook: Forecast) -> str:
    """Return the advice to end a study whose next hour :attr:`~Forecast.is_little`, with its assumption."""
    return (
        f"another hour (about {outlook.num_trials:,.0f} trials) will likely buy little: "
        f"{_percent(outlook.expected_gain)} of hypervolume, if doubling the trials goes on bringing what it did last "
        f"({_percent(outlook.last_gain)})"
    )


def _halfway(history: Sequence[HypervolumePoint]) -> HypervolumePoint | None:
    """Return the history's entry when half as many trials were complete; None if there is too little history."""
    if len(history) < _FEWEST_TRIALS or history[-1].hypervolume <= 0:
        return None
    return history[len(history) // 2 - 1]


def _ended(view: StudyView) -> list[TrialPoint]:
    return [point for point in view.points if point.state in DONE_STATES and point.seconds is not None]


def _seconds_per_trial(view: StudyView) -> float:
    """Return the mean time over all done trials, including their derived points."""
    ended = {point.number: point.seconds or 0.0 for point in _ended(view)}
    derived = sum(point.seconds or 0.0 for point in view.derived if point.number in ended)
    return (sum(ended.values()) + derived) / len(ended) if ended else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"
