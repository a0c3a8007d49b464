"""Editor of a study file's text and the form's fields. Each follows the other, and comments and order stay."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.trainer.data import describe_data

Value = str | int | float | None

FIELDS: Mapping[str, tuple[str, str]] = {
    "name": ("study", "name"),
    "flop_budget": ("study", "flop_budget"),
    "trials": ("study", "trials"),
    "workers": ("study", "workers"),
    "data": ("data", "name"),
    "root": ("data", "root"),
    "backbone": ("network", "backbone"),
}
"""Fields of the form: table and key of the study file."""

FIRST_TEXT = """\
# What is not written here has the default that docs/study-file.md names.

[study]
name = "my-study"
flop_budget = "45%"       # of the single-task cost; or an amount like "60M"
trials = 12

[data]
name = "digits"

[network]
backbone = "smallconv"
stem = "small"

[gates]
sparsity = "expected_flops"              # each trial is trained towards a cost ...
flop_target = {low = 0.3, high = 1.0}    # ... between sharing everything (0) and the budget (1)
lambda_s = {low = 3.0, high = 30.0, log = true}
finetune_epochs = 3
"""


def read_fields(text: str) -> dict[str, Value]:
    """Return the values of the fields in the text.

    A value is None if the text leaves it out or gives it in another form, such as a range.

    Raises:
        StudyFileError: the text is not TOML.
    """
    document = _parse(text).unwrap()
    found: dict[str, Value] = {}
    for field, (table, key) in FIELDS.items():
        section = document.get(table)
        value = section.get(key) if isinstance(section, dict) else None
        found[field] = value if isinstance(value, str | int) and not isinstance(value, bool) else None
    return found


def set_field(text: str, field: str, value: Value) -> str:
    """Return the text with one field changed. An empty value takes its key out.

    Raises:
        StudyFileError: the text is not TOML, or has no table where the field's table should be.
    """
    table, key = FIELDS[field]
    return _set(text, (table,), key, None if value == "" else value)


def set_weight(text: str, task: str, weight: float | str | None) -> str:
    """Return the text with one task's weight changed. 1, the default, is not written.

    Raises:
        StudyFileError: as :func:`set_field` does.
    """
    value = None if weight in (None, "") else float(weight)
    if value == 1.0 and task_weights(text).get(task) is None:
        return text
    return _set(text, ("tasks", task), "weight", value)


def task_weights(text: str) -> dict[str, float]:
    """Return the weights that the text gives to tasks. Raises `StudyFileError` if it is not TOML."""
    tasks = _parse(text).unwrap().get("tasks")
    if not isinstance(tasks, dict):
        return {}
    weights = {name: table.get("weight") for name, table in tasks.items() if isinstance(table, dict)}
    return {name: float(weight) for name, weight in weights.items() if isinstance(weight, int | float)}


def task_names(text: str) -> tuple[str, ...]:
    """Return the names of the tasks of the study's data set.

    Raises:
        StudyFileError, DataError: the file breaks a rule, or its data are not there.
    """
    return tuple(task.name for task in describe_data(parse_study(text).data.as_spec()).tasks)


def _parse(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise StudyFileError(f"the study file is not valid TOML: {error}.") from error


def _set(text: str, tables: tuple[str, ...], key: str, value: Any) -> str:
    document = _parse(text)
    section: Any = document
    for position, name in enumerate(tables):
        if name not in section:
            if value is None:
                return text
            section[name] = tomlkit.table(is_super_table=position < len(tables) - 1)
        section = section[name]
        if not isinstance(section, MutableMapping):
            raise StudyFileError(f"{name} must be a table, found {section!r}.", hint=f"Write [{name}].")
    if value is not None:
        section[key] = value
    elif key in section:
        del section[key]
    return tomlkit.dumps(document)
