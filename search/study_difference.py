"""Whether two studies ask the same question: the same data, tasks, networks, recipe and knobs."""

from collections.abc import Iterator
from typing import Any

from search.config import StudyConfig

_SEARCH_ONLY = ("study", "early_stopping")
"""How long and by whom is searched, and under which budget: results are comparable whatever these say."""

_MACHINE_ONLY = {
    ("data", "root"),
    ("latency", "budget_ms"),
    *(("train", name) for name in ("device", "num_threads", "num_loader_workers", "checkpoint_activations")),
}
"""Where it runs and lies, which decides no result."""


def first_difference(here: StudyConfig, earlier: StudyConfig) -> str | None:
    """``gates.lambda_s: 1.0 here, 3.0 there``; None if both ask the same question."""
    if here.study.objectives != earlier.study.objectives:
        return f"study.objectives: {here.study.objectives} here, {earlier.study.objectives} there"
    own, other = dict(_settings(here)), dict(_settings(earlier))
    for key in dict.fromkeys([*own, *other]):
        if own.get(key) != other.get(key):
            return f"{'.'.join(key)}: {own.get(key)} here, {other.get(key)} there"
    return None


def _settings(config: StudyConfig) -> Iterator[tuple[tuple[str, str], Any]]:
    for section, content in config.model_dump(mode="json").items():
        if section in _SEARCH_ONLY or content is None:
            continue
        for name, value in content.items():
            if (section, name) not in _MACHINE_ONLY:
                yield (section, name), value
