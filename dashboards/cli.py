"""`gatefront serve` and `gatefront report`, found by the command line through the entry point `gatefront.commands`."""

import ipaddress
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from dashboards.app import create_app
from dashboards.report import write_report
from search.queries import StudyReader
from search.settings import database_url

Database = Annotated[
    str | None, typer.Option("--db", help="Database URL; default ./runs/gatefront.db or GATEFRONT_DB.")
]


def register(app: typer.Typer) -> None:
    """Add this layer's commands to the command line."""
    app.command("serve")(serve)
    app.command("report")(report)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8050,
    db: Database = None,
) -> None:
    """Show the studies in the browser, live."""
    warning = exposure_warning(host)
    if warning:
        typer.echo(warning, err=True)
    app = create_app(StudyReader(database_url(db)))
    typer.echo(f"gatefront shows its studies at http://{_address(host)}:{port}  (Ctrl+C ends it)", err=True)
    uvicorn.run(app.server, host=host, port=port, log_level="warning")


def report(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path("report.html"),
    db: Database = None,
) -> None:
    """Write one HTML file with the study's front, gate maps and trials; it opens offline."""
    write_report(StudyReader(database_url(db)), study, output)
    typer.echo(f"Wrote {output}.", err=True)


def exposure_warning(host: str) -> str | None:
    """The sentence for a host that others can reach; None for loopback."""
    if is_loopback(host):
        return None
    return (
        f"Warning: the dashboard listens on {host} without a password. "
        "Whoever reaches this address can read every study of the database."
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
