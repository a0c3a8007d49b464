"""StudyOverrides: values of a caller that replace those of a study file."""

from dataclasses import dataclass, fields

from gatefront.search.config.quantities import parse_flop_budget, parse_param_budget
from gatefront.search.config.study_config import LatencySection, StudyConfig
from gatefront.search.errors import StudyFileError


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOverrides:
    """Values that replace those of a study file. None leaves the file's value."""

    flop_budget: str | None = None
    param_budget: str | None = None
    latency_budget_ms: float | None = None
    trials: int | None = None
    workers: int | None = None

    def apply(self, config: StudyConfig) -> StudyConfig:
        """Return the config with the file's values replaced.

        Raises:
            StudyFileError: a budget cannot be read, or latency has one and is not measured.
        """
        if self.flop_budget is not None:
            parse_flop_budget(self.flop_budget)
        if self.param_budget is not None:
            parse_param_budget(self.param_budget)
        names = [field.name for field in fields(StudyOverrides)]
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        latency = _capped(config.latency, given.pop("latency_budget_ms", None))
        return config.model_copy(update={"study": config.study.model_copy(update=given), "latency": latency})


def _capped(latency: LatencySection | None, budget_ms: float | None) -> LatencySection | None:
    if budget_ms is None:
        return latency
    if latency is None:
        raise StudyFileError(
            "latency_budget is given, and nothing says how latency is measured.",
            hint="Add a [latency] table to the study file; it may be empty.",
        )
    return latency.model_copy(update={"budget_ms": budget_ms})
