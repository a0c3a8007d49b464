"""Work of the commands with `--server URL`, which the service does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from gatefront.search.cli.commands.options import resolve_study_name
from gatefront.search.errors import ServerOptionError
from gatefront.search.service.client import Client, RemoteReader, pull_remote
from gatefront.search.service.client.client import study_path


def remote_reader(server: str, **here: object) -> RemoteReader:
    """Return a reader of the service's studies. ``here`` are options that apply to this machine alone.

    Raises:
        ServerOptionError: one of ``here`` is given too.
    """
    return RemoteReader(_client(server, here))


def start_remote(server: str, file: Path, options: Mapping[str, Any], **here: object) -> None:
    """Ask the service to start the study. Its driver runs on the service's side."""
    client = _client(server, here)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ServerOptionError(f"study file {file} cannot be read: {error}.") from error
    typer.echo(f"{server} looks through the data of {file} ...", err=True)
    found = client.send("POST", "/studies", {"study_file": text, "options": dict(options)})
    name = found["study"]["name"]
    typer.echo(f"{name} runs at {server}. See `gatefront status {name} --server {server}`.")


def resume_remote(server: str, study: str | None, driver_session: Mapping[str, Any], **here: object) -> None:
    client, name = _settle(server, study, here)
    client.send("POST", study_path(name, "resume"), dict(driver_session))
    typer.echo(f"{name} runs at {server}. See `gatefront status {name} --server {server}`.")


def stop_remote(server: str, study: str | None, **here: object) -> None:
    client, name = _settle(server, study, here)
    client.send("POST", study_path(name, "stop"))
    typer.echo(f"{name} stops after the current epochs. Go on later with `gatefront resume {name} --server {server}`.")


def extend_remote(server: str, study: str | None, trials: int, **here: object) -> bool:
    """Ask the service for more trials, and return True if a driver is alive to train them."""
    client, name = _settle(server, study, here)
    return bool(client.send("POST", study_path(name, "extend"), {"trials": trials})["is_running"])


def void_remote(server: str, study: str | None, number: int, reason: str, *, undo: bool, **here: object) -> str:
    """Void a trial or undo that at the service, and return the name of its study."""
    client, name = _settle(server, study, here)
    path = study_path(name, "trials", str(number), "void")
    if undo:
        client.send("DELETE", path)
    else:
        client.send("PUT", path, {"reason": reason})
    return name


def pull_from(server: str, study: str | None, wanted: Mapping[str, Any], output: Path, **here: object) -> Path:
    """Pull a bundle from the service, and return its folder."""
    client, name = _settle(server, study, here)
    given = {key: value for key, value in wanted.items() if value is not None}
    return pull_remote(client, name, given, output, say=lambda step: typer.echo(f"{step} ...", err=True))


def _settle(server: str, study: str | None, here: Mapping[str, object]) -> tuple[Client, str]:
    client = _client(server, here)
    return client, resolve_study_name(RemoteReader(client), study)


def _client(server: str, here: Mapping[str, object]) -> Client:
    for name, value in here.items():
        if value:
            raise ServerOptionError(
                f"--{name} is for studies of this machine, and --server names another.", hint="Leave one of them out."
            )
    return Client(server)
