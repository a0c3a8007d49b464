"""Imports of commands that only read or answer, and names that packages offer without importing them."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import typer

from gatefront.search.cli.main import COMMANDS, build_app, build_overview

HEAVY = ("torch", "torchvision", "timm", "ray", "dash", "plotly", "onnxruntime", "matplotlib", "pandas")
SCRIPT = """
import json, sys
from gatefront.search.cli.main import main
status = main(sys.argv[2:])
json.dump([status, [name for name in json.loads(sys.argv[1]) if name in sys.modules]], sys.stderr)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('empty')}/gatefront.db"


@pytest.mark.parametrize("words", [(), ("--help",), ("status",), ("front",), ("stop", "digits"), ("db", "check")])
def test_commands_that_train_nothing_import_no_torch_and_no_ray(words: tuple[str, ...], database: str) -> None:
    _, imported = _imported(words, database)
    assert imported == []


def test_status_and_front_of_a_study_import_no_torch_and_no_ray(
    open_table_study: Callable[..., Any],
) -> None:
    table = open_table_study()
    table.searcher.suggest("one")
    table.finish("one")
    for words in (("status", "table"), ("front", "table")):
        assert _imported(words, table.url) == [0, []]


def _imported(words: tuple[str, ...], url: str) -> Any:
    command = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), *words]
    ended = subprocess.run(command, env=os.environ | {"GATEFRONT_DB": url}, capture_output=True, text=True, check=True)
    return json.loads(ended.stderr.splitlines()[-1])


@pytest.mark.parametrize("package", ["spaces", "spaces.families", "trainer.data", "trainer.metrics"])
def test_packages_have_the_names_that_they_offer(package: str) -> None:
    module = import_module(f"gatefront.{package}")
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def test_the_overview_describes_every_command_as_its_own_help_does() -> None:
    whole, overview = _helps(build_app()), _helps(build_overview())
    assert overview == whole
    assert overview.keys() > COMMANDS.keys()


def _helps(app: typer.Typer) -> dict[str | None, str]:
    commands = app.registered_commands
    return {one.name: inspect.cleandoc(one.help or one.callback.__doc__ or "") for one in commands if one.callback}
