"""The `gatefront` command. Sub-commands of other layers are found through the entry-point group below."""

from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

from search.commands import before, bundles, inspect, run
from spaces.errors import GatefrontError

PLUGIN_GROUP = "gatefront.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: done, 1: the work failed, 2: the input is wrong."""
    try:
        build_app()(args=None if arguments is None else list(arguments))
    except GatefrontError as error:
        typer.echo(f"gatefront: {error.message}", err=True)
        if error.hint:
            typer.echo(error.hint, err=True)
        return 2 if isinstance(error, ValueError) else 1
    return 0


def build_app() -> typer.Typer:
    """All sub-commands, ours and the plug-ins'."""
    app = typer.Typer(
        name="gatefront",
        help="From a FLOP budget to a pruned multi-task network you can deploy.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for command in (
        before.doctor,
        before.flops,
        run.start,
        inspect.status,
        inspect.front,
        bundles.pull,
        bundles.verify,
        run.resume,
        run.stop,
    ):
        app.command()(command)
    for plugin in entry_points(group=PLUGIN_GROUP):
        plugin.load()(app)
    return app
