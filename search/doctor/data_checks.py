"""Checks of the data alone, cheap enough to run whenever a study starts."""

from collections.abc import Iterator, Sequence

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.duplicates import check_duplicates
from gatefront.search.doctor.file_checks import check_files
from gatefront.search.doctor.label_checks import check_labels
from gatefront.search.errors import DataChecksError
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import MultiTaskData


def check_data(tasks: Sequence[Task], data: MultiTaskData) -> Iterator[Check]:
    """Yield the checks of labels, files and splits in turn."""
    yield from check_labels(tasks, data)
    yield from check_files(data)
    duplicates = check_duplicates(data)
    if duplicates is not None:
        yield duplicates


def require_sound_data(tasks: Sequence[Task], data: MultiTaskData) -> None:
    """Raise :class:`DataChecksError` with every check of the data that fails."""
    failed = [f"{check.name}: {check.detail}" for check in check_data(tasks, data) if not check.passed]
    if failed:
        raise DataChecksError(
            f"Cannot start on these data: {'. '.join(failed)}.",
            hint="Correct the data. If they are meant to be so, start with --force (`force` in REST).",
        )
