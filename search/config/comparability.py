"""Whether two studies ask the same question: the same data, tasks, networks, recipe and knobs."""

from collections.abc import Collection, Iterator
from typing import Any

from gatefront.search.config.family import INTERROGATE, OWNERS
from gatefront.search.config.study_config import StudyConfig
from gatefront.trainer.config import MACHINE_ONLY

_SEARCH_ONLY = ("study", "early_stopping")
"""How long and by whom is searched, and under which budget: results are comparable whatever these say."""

_MACHINE_ONLY = {
    ("data", "root"),
    ("latency", "budget_ms"),
    *(("train", name) for name in MACHINE_ONLY),
}
"""Where it runs and lies, which decides no result."""


def first_difference(here: StudyConfig, earlier: StudyConfig) -> str | None:
    """``gates.lambda_s: 1.0 here, 3.0 there``; None if both ask the same question.

    Of which families it is asked may differ, as long as one is asked of in both: only those have to agree.
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
    """What decides results of these families."""
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
