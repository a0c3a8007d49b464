"""Commands `gatefront serve` and `gatefront report`, found through the entry point `gatefront.commands`.

Dash and Plotly are imported when a command runs, because every other command loads this module too and must not wait
for them.
"""

from pathlib import Path
from typing import Annotated

import typer

from gatefront.dashboards.server.listen import listen
from gatefront.search.config.environment import database_url, storage_folder
from gatefront.search.snapshots.reader import StudyReader

Database = Annotated[
    str | None, typer.Option("--db", help="Database URL; default ./runs/gatefront.db or GATEFRONT_DB.")
]
Storage = Annotated[
    Path | None, typer.Option("--storage", metavar="DIR", help="Folder; default: GATEFRONT_STORAGE, else ./runs.")
]
TokensFile = Annotated[
    Path | None, typer.Option("--tokens", metavar="FILE", help="Who may use it: NAME read|write TOKEN, one a line.")
]
AllowImports = Annotated[
    bool, typer.Option("--allow-imports", help="Let study files name classes and backbones that are imported.")
]
DataRoots = Annotated[
    list[Path] | None,
    typer.Option("--data-root", metavar="DIR", help="Let study files read files in here; may be given again."),
]
RayAddress = Annotated[
    str | None, typer.Option("--address", metavar="http://HEAD:8265", help="Run studies as jobs of this Ray cluster.")
]
Watch = Annotated[bool, typer.Option(help="Resume a study that was started here when its driver is lost.")]


def register(app: typer.Typer) -> None:
    """Add this layer's commands to the command line."""
    app.command("serve")(serve)
    app.command("report")(report)


def serve(  # noqa: PLR0913  # one parameter per option of the command line
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8050,
    db: Database = None,
    storage: Storage = None,
    tokens: TokensFile = None,
    allow_imports: AllowImports = False,
    data_root: DataRoots = None,
    address: RayAddress = None,
    watch: Watch = True,
) -> None:
    """Show the studies in the browser, live, and let pages and programs start and change them."""
    from gatefront.dashboards.server.serve import ServeOptions, serve_studies

    listening = listen(host, port)
    options = ServeOptions(
        host=host,
        url=database_url(db),
        storage=storage_folder(storage),
        tokens=tokens,
        allow_imports=allow_imports,
        data_roots=tuple(data_root or ()),
        address=address,
        watch=watch,
    )
    serve_studies(options, listening)


def report(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path("report.html"),
    db: Database = None,
) -> None:
    """Write one HTML file with the study's front, gate maps and trials; it opens offline."""
    from gatefront.dashboards.report import write_report

    write_report(StudyReader(database_url(db)), study, output)
    typer.echo(f"Wrote {output}.", err=True)
