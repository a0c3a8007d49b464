"""What another hour of a study may bring, from what its hypervolume has gained so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gatefront.search.results.records import HypervolumePoint, StudyView, TrialPoint
from gatefront.search.results.states import DONE_STATES

# With fewer complete trials a doubling is a step of three or less, and says more about luck than about the search.
_FEWEST_TRIALS = 8
# Of the hypervolume, for an hour: less is not worth waiting for.
_LITTLE = 0.01
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """An estimate of what an hour more brings, and what it rests on.

    ``expected_gain``, of the hour, and ``last_gain``, of the latest doubling of the trials, are shares of the present
    hypervolume. ``num_trials`` is how many the hour has room for.
    """

    expected_gain: float
    last_gain: float
    num_trials: float

    @property
    def is_little(self) -> bool:
        return self.expected_gain < _LITTLE


def study_outlook(view: StudyView) -> Forecast | None:
    """Assumes that each doubling of the trials goes on bringing what the last one did; None where too little is known.

    The gain of a search shrinks with every trial, about as fast as this says; a rate per trial would promise too much.
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
    """The advice to end a study whose next hour :attr:`~Forecast.is_little`, with its assumption."""
    return (
        f"another hour (about {outlook.num_trials:,.0f} trials) will likely buy little: "
        f"{_percent(outlook.expected_gain)} of hypervolume, if doubling the trials goes on bringing what it did last "
        f"({_percent(outlook.last_gain)})"
    )


def _halfway(history: Sequence[HypervolumePoint]) -> HypervolumePoint | None:
    """The history when half as many trials were complete; None while that says nothing."""
    if len(history) < _FEWEST_TRIALS or history[-1].hypervolume <= 0:
        return None
    return history[len(history) // 2 - 1]


def _ended(view: StudyView) -> list[TrialPoint]:
    return [point for point in view.points if point.state in DONE_STATES and point.seconds is not None]


def _seconds_per_trial(view: StudyView) -> float:
    """Mean over all trials that ended, complete or not, with what was derived from them."""
    ended = {point.number: point.seconds or 0.0 for point in _ended(view)}
    derived = sum(point.seconds or 0.0 for point in view.derived if point.number in ended)
    return (sum(ended.values()) + derived) / len(ended) if ended else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"
