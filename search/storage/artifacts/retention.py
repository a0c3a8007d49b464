"""Retention rule: removable are files that nobody can need any more, and networks far from the front."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import numpy as np

from gatefront.search.results.confirmation import Key
from gatefront.search.results.records import StudyView, TrialPoint
from gatefront.search.results.states import TrialState
from gatefront.search.storage.artifacts.files import FileKind, TrialFile

_SPARE_TRIALS = 2
_ENDED = (TrialState.COMPLETE, TrialState.FAILED, TrialState.STOPPED_EARLY, TrialState.VOID)
_NEVER_PULLED = (TrialState.FAILED, TrialState.STOPPED_EARLY)


def spent_files(files: Iterable[TrialFile], states: Mapping[int, TrialState]) -> Iterator[TrialFile]:
    """Yield useless files: resume points of ended trials, and networks of failed or stopped ones.

    A void trial keeps its networks, as a void can be undone.
    """
    for file in files:
        state = states.get(file.key[0])
        useless = {FileKind.RESUME_POINT: _ENDED, FileKind.NETWORK: _NEVER_PULLED}.get(file.kind, ())
        if state in useless:
            yield file


def distant_networks(files: Iterable[TrialFile], view: StudyView, *, repeated: int = 0) -> Iterator[TrialFile]:
    """Yield networks of complete trials that are far from the front, and of replicates.

    ``repeated`` is the number of trials that replicates may still move off the front, in addition to voided ones.
    """
    kept = kept_networks(view, spare=_SPARE_TRIALS + repeated)
    complete = {point.number for point in view.trials if point.state is TrialState.COMPLETE}
    for file in files:
        if file.kind is FileKind.NETWORK and file.key[0] in complete and file.key not in kept:
            yield file


def kept_networks(view: StudyView, *, spare: int = _SPARE_TRIALS) -> Set[Key]:
    """Return the points whose networks stay: the front, the best, repeated ones, and possible later front points.

    The last are all points that would be on the front without some ``spare`` trials. If that many are declared void, or
    lose rank when they are repeated, the points that replace them can be pulled. Latency counts as a cost if it was
    measured, so the best point under any latency budget stays too.
    """
    points = [point for point in view.all_points if point.state is TrialState.COMPLETE and point.flops is not None]
    kept = {_key(point) for point in points if point.on_front or point.confirmation is not None}
    if view.best is not None:
        kept.add(_key(view.best))
    kept.update(_key(point) for point in _near_the_front(points, spare))
    repeated = {point.confirms for point in view.replicates}
    return kept | {_key(point) for point in view.points if point.number in repeated}


def _near_the_front(points: Sequence[TrialPoint], spare: int) -> Iterator[TrialPoint]:
    """Yield points that are dominated by points of at most ``spare`` other trials and by none of their own trial."""
    has_latency = all(point.latency_ms is not None for point in points)
    costs = np.array([_costs(point, has_latency=has_latency) for point in points])
    numbers = np.array([point.number for point in points])
    for point, own in zip(points, costs, strict=True):
        dominating = np.unique(numbers[(costs <= own).all(axis=1) & (costs < own).any(axis=1)])
        if len(dominating) <= spare and point.number not in dominating:
            yield point


def _costs(point: TrialPoint, *, has_latency: bool) -> list[float]:
    """Return the point's objectives as costs, where lower is better."""
    costs = [-(point.expected_delta_mtl or 0.0), float(point.flops or 0)]
    return [*costs, point.latency_ms or 0.0] if has_latency else costs


def _key(point: TrialPoint) -> Key:
    return point.number, point.derived
