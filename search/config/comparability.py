"""Comparison of two studies' questions: their data, tasks, networks, recipes and parameters."""

from collections.abc import Collection, Iterator
from typing import Any

from gatefront.search.config.family import INTERROGATE, OWNERS
from gatefront.search.config.study_config import StudyConfig
from gatefront.trainer.config import MACHINE_ONLY

_SEARCH_ONLY = ("study", "early_stopping")
"""Sections that describe only the search and its budgets. Results are comparable whatever they contain."""

_MACHINE_ONLY = {
    ("data", "root"),
    ("latency", "budget_ms"),
    *(("train", name) for name in MACHINE_ONLY),
}
"""Keys that decide no result, such as places of files and settings of the machine."""


def first_difference(here: StudyConfig, earlier: StudyConfig) -> str | None:
    """Return the first difference, such as ``gates.lambda_s: 1.0 here, 3.0 there``. None: both ask the same question.

    The families may differ if they have one in common. Only the settings of the common families have to agree.
    """
    if here.study.objectives != earlier.study.objectives:
        return f"study.objectives: {here.study.objectives} here, {earlier.study.objectives} there"
    if here.study.rank_unlearned != earlier.study.rank_unlearned:
        return f"study.rank_unlearned: {here.study.rank_unlearned} here, {earlier.study.rank_unlearned} there"
    common = set(here.family.names) & set(earlier.family.names)
    if not common:
        return f"family.name: {', '.join(here.family.names)} here, {', '.join(earlier.family.names)} there"
    own, other = dict(_settings(here, common)), dict(_settings(earlier, common))
    for key in dict.fromkeys([*own, *other]):
        if own.get(key) != other.get(key):
            return f"{'.'.join(key)}: {own.get(key)} here, {other.get(key)} there"
    return None


def _settings(config: StudyConfig, families: Collection[str]) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield the settings that decide results of these families."""
    for section, content in config.model_dump(mode="json").items():
        if section in _SEARCH_ONLY or content is None:
            continue
        for name, value in content.items():
            if (section, name) not in _MACHINE_ONLY and _is_asked_of(section, name, families):
                yield (section, name), value


def _is_asked_of(section: str, name: str, families: Collection[str]) -> bool:
    if section == "family":
        return OWNERS.get(name) in families
    return section != "gates" or INTERROGATE in families
