"""RemoteReader: studies of a service, in the same records as from the database."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from gatefront.search.results.point_label import PointLabel
from gatefront.search.results.records import HypervolumePoint, StudyEvent, StudySummary, StudyView, TrialPoint
from gatefront.search.results.reference_point import ReferencePoint
from gatefront.search.service.client.client import Client, study_path

_PAGE = 1000
_LOOKS = 5

_SUMMARY: Final = TypeAdapter(StudySummary)
_POINTS: Final = TypeAdapter(tuple[TrialPoint, ...])
_EVENTS: Final = TypeAdapter(tuple[StudyEvent, ...])
_REFERENCES: Final = TypeAdapter(tuple[ReferencePoint, ...])
_HYPERVOLUMES: Final = TypeAdapter(tuple[HypervolumePoint, ...])


class RemoteReader:
    """Read-only access to a service's studies, as `status` and `front` need it. Raises the errors of its client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list_studies(self) -> tuple[StudySummary, ...]:
        """Return all studies, the newest first."""
        return tuple(map(_summary, self._all("/studies")))

    def view(self, study: str) -> StudyView:
        """Return one study. Read it again if it changed meanwhile, so that its parts are consistent."""
        view = self._look(study)
        for _ in range(_LOOKS):
            again = self._look(study)
            if again.revision == view.revision:
                break
            view = again
        return view

    def _look(self, study: str) -> StudyView:
        detail = self._client.get(study_path(study))
        points = _POINTS.validate_python(self._all(study_path(study, "points")))
        return StudyView(
            revision=detail["revision"],
            summary=_summary(detail["study"]),
            points=tuple(point for point in points if point.confirms is None and not point.derived),
            derived=tuple(point for point in points if point.confirms is None and point.derived),
            replicates=tuple(point for point in points if point.confirms is not None),
            references=_REFERENCES.validate_python(detail["references"]),
            hypervolume=_HYPERVOLUMES.validate_python(detail["hypervolume"]),
            events=_EVENTS.validate_python(self._all(study_path(study, "events"))),
        )

    def _all(self, path: str) -> list[Any]:
        items: list[Any] = []
        while True:
            page = self._client.get(path, limit=_PAGE, offset=len(items))
            items += page["items"]
            if len(items) >= page["total"] or not page["items"]:
                return items


def _summary(document: Mapping[str, Any]) -> StudySummary:
    label = document["best_label"]
    best = None if label is None else PointLabel.parse(label).number
    # The service does not send the folder of its files.
    return _SUMMARY.validate_python({**document, "best_trial": best, "storage_dir": ""})
