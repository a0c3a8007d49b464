"""The `gatefront` command. Other layers add sub-commands through the entry-point group ``PLUGIN_GROUP``."""

import ast
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import typer

from gatefront.search.cli.logging_setup import show_log_lines
from gatefront.spaces.errors import GatefrontError

PLUGIN_GROUP = "gatefront.commands"

COMMANDS: Mapping[str, str] = {
    "doctor": "gatefront.search.cli.commands.preflight",
    "flops": "gatefront.search.cli.commands.preflight",
    "start": "gatefront.search.cli.commands.start",
    "status": "gatefront.search.cli.commands.status",
    "front": "gatefront.search.cli.commands.status",
    "pull": "gatefront.search.cli.commands.pull",
    "verify": "gatefront.search.cli.commands.pull",
    "bench": "gatefront.search.cli.commands.bench",
    "compare": "gatefront.search.cli.commands.compare",
    "resume": "gatefront.search.cli.commands.start",
    "stop": "gatefront.search.cli.commands.amend",
    "extend": "gatefront.search.cli.commands.amend",
    "void": "gatefront.search.cli.commands.amend",
    "db": "gatefront.search.cli.commands.db",
    "gc": "gatefront.search.cli.commands.gc",
}
"""Modules of the commands. Each has a function of the command's name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit status.

    Returns:
        0 if it is done, 1 if the work failed, 2 if the input is wrong.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    show_log_lines()
    # Torch, Ray and the exporters take seconds to import, so a command that needs none does not import them.
    only = words[0] if words and words[0] in COMMANDS else None
    try:
        app = build_overview() if words in ([], ["--help"]) else build_app(only)
        app(args=words)
    except GatefrontError as error:
        return tell_error(error)
    except SystemExit as ended:
        # Typer ends the process itself, with 2 for a wrong word on the command line.
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def tell_error(error: GatefrontError) -> int:
    """Print an error and its hint on standard error, and return the exit status."""
    typer.echo(f"gatefront: {error.message}", err=True)
    if error.hint:
        typer.echo(error.hint, err=True)
    return 2 if isinstance(error, ValueError) else 1


def build_app(only: str | None = None) -> typer.Typer:
    """Return the command line with all sub-commands and those of plug-ins, or with ``only`` one of ours."""
    app = _empty_app()
    for name in COMMANDS if only is None else [only]:
        app.command(name)(getattr(import_module(COMMANDS[name]), name))
    if only is None:
        _add_plugins(app)
    return app


def build_overview() -> typer.Typer:
    """Return a command line that can only list its sub-commands, without importing the modules of ours."""
    app = _empty_app()
    for name in COMMANDS:
        app.command(name, help=_documentation(name))(_no_options)
    _add_plugins(app)
    return app


def _empty_app() -> typer.Typer:
    app = typer.Typer(
        name="gatefront",
        help="From a FLOP budget to a pruned multi-task network you can deploy.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # A callback keeps the sub-command's name a word of its own, even if it is the only one.
    app.callback()(_no_options)
    return app


def _add_plugins(app: typer.Typer) -> None:
    for plugin in entry_points(group=PLUGIN_GROUP):
        plugin.load()(app)


def _documentation(command: str) -> str:
    """Return the docstring of a command's function, read from its module's file."""
    spec = find_spec(COMMANDS[command])
    if spec is None or spec.origin is None:
        return ""
    module = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    function = next(part for part in module.body if isinstance(part, ast.FunctionDef) and part.name == command)
    return ast.get_docstring(function) or ""


def _no_options() -> None:
    """From a FLOP budget to a pruned multi-task network you can deploy."""
