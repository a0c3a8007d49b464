"""`gatefront serve` and `gatefront report`, found by the command line through the entry point `gatefront.commands`.

Dash and Plotly are imported when a command runs: every other command loads this module too and must not wait for them.
"""

import ipaddress
import socket
from pathlib import Path
from typing import Annotated

import typer

from dashboards.errors import AddressInUseError
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
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8050,
    db: Database = None,
) -> None:
    """Show the studies in the browser, live."""
    import uvicorn

    from dashboards.app import create_app

    listening = listen(host, port)
    warning = exposure_warning(host)
    if warning:
        typer.echo(warning, err=True)
    app = create_app(StudyReader(database_url(db)), allowed_hosts=allowed_hosts(host))
    address = f"[{host}]" if ":" in host else host
    typer.echo(f"The studies are at http://{address}:{listening.getsockname()[1]}/ (Ctrl-C ends this).", err=True)
    uvicorn.Server(uvicorn.Config(app.server, log_level="warning")).run(sockets=[listening])


def report(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path("report.html"),
    db: Database = None,
) -> None:
    """Write one HTML file with the study's front, gate maps and trials; it opens offline."""
    from dashboards.report import write_report

    write_report(StudyReader(database_url(db)), study, output)
    typer.echo(f"Wrote {output}.", err=True)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `AddressInUseError` before anything else is set up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressInUseError(
            f"--host {host} --port {port}: this address cannot be listened on ({error.strerror or error}).",
            hint="Choose another --port; 0 takes a free one.",
        ) from error


def exposure_warning(host: str) -> str | None:
    """The sentence for a host that others can reach; None for loopback."""
    if is_loopback(host):
        return None
    return (
        f"Warning: the dashboard listens on {host} without a password. "
        "Whoever reaches this address can read every study of the database."
    )


def allowed_hosts(host: str) -> list[str]:
    """The names under which the dashboards may be asked for: on loopback only loopback's own."""
    return ["127.0.0.1", "localhost", host] if is_loopback(host) and ":" not in host else ["*"]


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
