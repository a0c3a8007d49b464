"""serve_studies: the work of `gatefront serve` once its options are read."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer
import uvicorn

from gatefront.dashboards.errors import OpenAddressError
from gatefront.dashboards.server.asgi import create_service
from gatefront.dashboards.server.listen import allowed_hosts, is_loopback
from gatefront.search.driver.signals import handled_by
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control import LocalControl, ProcessLauncher, StudyFilePolicy
from gatefront.search.service.control.launcher import Launcher
from gatefront.search.service.control.supervisor import StudySupervisor
from gatefront.search.service.rest.asgi import Asgi
from gatefront.search.service.rest.auth.tokens import Tokens, load_tokens
from gatefront.search.snapshots.reader import StudyReader

# Time for open requests when the service is to end. `docker stop` kills after 10 s.
_LAST_ANSWERS_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Settings of a service's owner. ``address`` is a Ray cluster's. With None, drivers are processes beside it."""

    host: str
    url: str
    storage: Path
    tokens: Path | None = None
    allow_imports: bool = False
    data_roots: tuple[Path, ...] = ()
    address: str | None = None
    watch: bool = True


def serve_studies(options: ServeOptions, listening: socket.socket) -> None:
    """Answer until Ctrl-C or SIGTERM, then end the process with status 0. The studies' drivers keep running.

    Raises:
        OpenAddressError: others can reach the address, and there are no tokens.
        TokenError: the tokens cannot be read.
    """
    tokens = load_tokens(options.tokens)
    require_tokens(options.host, tokens)
    with _ended_by_signals(), service(options, tokens) as app:
        shown = f"[{options.host}]" if ":" in options.host else options.host
        typer.echo(f"The studies are at http://{shown}:{listening.getsockname()[1]}/ (Ctrl-C ends this).", err=True)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_LAST_ANSWERS_S)
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def service(options: ServeOptions, tokens: Tokens) -> Iterator[Asgi]:
    """Yield the application, and run its background work for the length of the block."""
    rules = StudyFilePolicy(allow_imports=options.allow_imports, data_roots=options.data_roots)
    control = LocalControl(options.url, options.storage, _launcher(options), rules=rules)
    jobs = BundleJobs(options.url)
    with ExitStack() as stack:
        stack.callback(jobs.close)
        stack.callback(control.close)
        if options.watch:
            stack.enter_context(StudySupervisor(options.url, control))
        hosts = allowed_hosts(options.host)
        yield create_service(StudyReader(options.url), control, jobs, tokens, allowed_hosts=hosts)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a requested end of the block.

    A supervisor would read a signal's own status as a crash. While uvicorn runs, it handles the signals, closes its
    connections, and raises them again.
    """

    def leave(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    with handled_by(leave):
        yield


def require_tokens(host: str, tokens: Tokens) -> None:
    """Raise :class:`OpenAddressError` if anybody on the network could start studies."""
    if not tokens and not is_loopback(host):
        raise OpenAddressError(
            f"--host {host} can be reached by others, and there are no tokens: anybody could start studies.",
            hint="Name a file with --tokens, set GATEFRONT_TOKENS, or listen on 127.0.0.1.",
        )


def _launcher(options: ServeOptions) -> Launcher:
    if options.address is None:
        return ProcessLauncher(options.url)
    from gatefront.search.service.control.ray_launcher import RayJobLauncher

    return RayJobLauncher(options.url, options.address)
