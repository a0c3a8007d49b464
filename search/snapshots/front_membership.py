"""Status of each point of a study: the budgets it keeps, its confirmation, and whether it is on the front."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from gatefront.search.results.confirmation import Confirmation, Key, Samples, are_tied, confirmation, replicate_samples
from gatefront.search.results.outcome import Point
from gatefront.search.results.pareto import pareto_front
from gatefront.search.results.point_label import PointLabel
from gatefront.search.snapshots.study_rows import StudyRows
from gatefront.spaces.budgets.budgets import Budgets, Exceeded


class FrontStatus(NamedTuple):
    """Status of a point. ``tied_with`` names neighbors on the front from which its replicates cannot tell it."""

    is_feasible: bool
    on_front: bool
    exceeds: tuple[Exceeded, ...]
    confirmation: Confirmation | None = None
    tied_with: tuple[str, ...] = ()


NOWHERE = FrontStatus(is_feasible=False, on_front=False, exceeds=())


def front_statuses(rows: StudyRows) -> dict[Key, FrontStatus]:
    """Return the status of every point that counts.

    The front consists of points that keep every budget, with a confirmed point at its mean. An unconfirmed point
    removes a confirmed one from the front only if it dominates the upper end of its interval, as it may have had more
    luck. Replicates are not on the front because they are samples of the mean.
    """
    samples = replicate_samples(rows.values, rows.confirms)
    found = {key: confirmation(seeds) for key, seeds in samples.items()}
    confirmed = {key: sure for key, sure in found.items() if sure is not None}
    budgets = budgets_of(rows)
    exceeded = {key: budgets.exceeded_by(flops, rows.latencies.get(key)) for key, (_, flops) in rows.values.items()}
    candidates = [key for key, over in exceeded.items() if not over and key[0] not in rows.confirms]
    front = _front(rows, candidates, confirmed)
    ties = _ties(sorted((rows.values[key][1], key) for key in front), samples)
    return {
        key: FrontStatus(not over, key in front, over, confirmed.get(key), tuple(ties.get(key, ())))
        for key, over in exceeded.items()
    }


def budgets_of(rows: StudyRows) -> Budgets:
    """Return the budgets of the study's points."""
    latency = rows.row.latency
    return Budgets(flops=rows.row.flop_budget, latency_ms=None if latency is None else latency["budget_ms"])


def _front(rows: StudyRows, candidates: Sequence[Key], confirmed: Mapping[Key, Confirmation]) -> set[Key]:
    values = {key: rows.values[key] for key in candidates}
    means = {key: (confirmed[key].mean, flops) for key, (_, flops) in values.items() if key in confirmed}
    once = {key: value for key, value in values.items() if key not in confirmed}
    front = nondominated(rows, values | means)
    for key in nondominated(rows, means) - front:
        at_best = {key: (confirmed[key].high, values[key][1])}
        if key in nondominated(rows, once | at_best):
            front.add(key)
    return front


def nondominated(rows: StudyRows, values: Mapping[Key, Point]) -> set[Key]:
    """Return the points that no other of them dominates in the study's objectives."""
    on_front = pareto_front([_objectives(rows, key, value) for key, value in values.items()])
    return {key for key, is_on in zip(values, on_front, strict=True) if is_on}


def _objectives(rows: StudyRows, key: Key, value: Point) -> tuple[float, ...]:
    """Return the values that points are compared by. A point without latency counts as the slowest of all."""
    latency = rows.row.latency
    if latency is None or not latency.get("is_objective", False):
        return value
    return (*value, rows.latencies.get(key, math.inf))


def _ties(front: Sequence[tuple[int, Key]], samples: Mapping[Key, Samples]) -> dict[Key, list[str]]:
    """Return the labels of tied neighbors by point. ``front`` must be in order of FLOPs."""
    ties: dict[Key, list[str]] = {}
    for (_, cheaper), (_, dearer) in pairwise(front):
        if are_tied(samples.get(cheaper, {}), samples.get(dearer, {})):
            ties.setdefault(cheaper, []).append(str(PointLabel(*dearer)))
            ties.setdefault(dearer, []).append(str(PointLabel(*cheaper)))
    return ties
