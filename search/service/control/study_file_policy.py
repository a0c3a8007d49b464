"""StudyFilePolicy: the limits of a study file that came over the network."""

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gatefront.search.config.parameters import listed_values
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.service.control.study_control import StartOptions

MAX_STUDY_FILE_BYTES = 64 * 1024
_LONGEST_LINE = 2000
_MOST = 2**31 - 1
_PATH_OPTIONS = ("right_root",)
"""Options of data sets that name a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFilePolicy:
    """Limits of study files. Their author may run the code they import and read the files they name.

    The owner of the service sets these limits. By default a file may only name registered data sets and backbones.
    ``data_roots`` are the folders that must contain every folder and file that it names.
    """

    allow_imports: bool = False
    data_roots: tuple[Path, ...] = ()

    def check(self, text: str) -> StudyConfig:
        """Return the study that the text describes.

        Raises:
            StudyFileError: it breaks a rule of study files, or asks for more than the owner allows.
        """
        if len(text.encode(errors="replace")) > MAX_STUDY_FILE_BYTES:
            raise StudyFileError(f"the study file has more than {MAX_STUDY_FILE_BYTES} bytes.")
        if max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
            # A name of thousands of dots takes tomllib minutes.
            raise StudyFileError(f"the study file has a line of more than {_LONGEST_LINE} characters.")
        config = parse_study(text)
        _require_storable(config)
        for key, name in _names(config):
            if ":" in name and not self.allow_imports:
                raise StudyFileError(
                    f"{key} = {name!r} would import code, which this service does not allow.",
                    hint="Name a registered one, or have its owner start it with --allow-imports.",
                )
        for key, path in _paths(config):
            self._require_allowed(key, path)
        return config

    def _require_allowed(self, key: str, path: str) -> None:
        if "\0" not in path:
            # Symbolic links and ``~`` are followed first, because the real location of the files counts.
            found = Path(os.path.expanduser(path)).resolve()  # leaves unknown users as they are
            if any(found.is_relative_to(root.resolve()) for root in self.data_roots):
                return
        raise StudyFileError(
            f"{key} = {path!r} lies outside what this service allows.",
            hint="Have its owner name the folder with --data-root.",
        )


def _names(config: StudyConfig) -> Iterator[tuple[str, str]]:
    yield "data.name", config.data.name
    for name in listed_values(config.network.backbone):
        yield "network.backbone", str(name)


def _paths(config: StudyConfig) -> Iterator[tuple[str, str]]:
    if config.data.root is not None:
        yield "data.root", config.data.root
    for option in _PATH_OPTIONS:
        if option in config.data.options:
            yield f"data.options.{option}", str(config.data.options[option])
    if config.network.weights is not None:
        yield "network.weights", config.network.weights


def _require_storable(config: StudyConfig) -> None:
    section = config.study
    for name, value in (("seed", section.seed), ("trials", section.trials), ("workers", section.workers)):
        if value is not None and value > _MOST:
            raise StudyFileError(f"study.{name} must be at most {_MOST}, found {value}.")


def require_options(options: StartOptions) -> None:
    """Raise :class:`StudyFileError` for numbers that no study can have."""
    for name, value in asdict(options).items():
        if name in ("trials", "workers") and value is not None and not 1 <= value <= _MOST:
            raise StudyFileError(f"{name} must be from 1 to {_MOST}, found {value}.")
    latency = options.latency_budget_ms
    if latency is not None and not (math.isfinite(latency) and latency > 0):
        raise StudyFileError(f"latency_budget_ms must be a number above 0, found {latency}.")
