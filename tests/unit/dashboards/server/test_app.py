"""The server: routes, local assets, two stores in one process, and the commands' small rules."""

import asyncio
import json
from typing import Any

import pytest
import typer

from gatefront.dashboards.cli import register
from gatefront.dashboards.errors import AddressInUseError, OpenAddressError
from gatefront.dashboards.server.app import create_app
from gatefront.dashboards.server.listen import allowed_hosts, is_loopback, listen
from gatefront.dashboards.server.serve import require_tokens
from gatefront.search.service.rest.auth.tokens import Tokens


def request(app: Any, path: str, body: dict[str, Any] | None = None, host: bytes = b"localhost") -> tuple[int, bytes]:
    """One HTTP request straight into the ASGI application."""
    sent: list[dict[str, Any]] = []
    payload = b"" if body is None else json.dumps(body).encode()
    scope = {
        "type": "http", "method": "GET" if body is None else "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"content-type", b"application/json"), (b"host", host)],
        "http_version": "1.1", "scheme": "http", "server": ("localhost", 80), "client": ("localhost", 1),
        "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": payload, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app.server(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def open_page(app: Any, pathname: str, search: str = "") -> str:
    body = {
        "output": "..page.children...title.data..",
        "outputs": [{"id": "page", "property": "children"}, {"id": "title", "property": "data"}],
        "inputs": [
            {"id": "address", "property": "pathname", "value": pathname},
            {"id": "address", "property": "search", "value": search},
        ],
        "state": [{"id": "color-scheme", "property": "computedColorScheme", "value": None}],
        "changedPropIds": ["address.pathname"],
    }
    status, answer = request(app, "/_dash-update-component", body)
    assert status == 200
    return answer.decode()


def list_of(app: Any) -> str:
    names = ("studies-banner.children", "studies-list.children", "studies-seen.data")
    body = {
        "output": f"..{'...'.join(names)}..",
        "outputs": [dict(zip(("id", "property"), name.split("."), strict=True)) for name in names],
        "inputs": [{"id": "studies-tick", "property": "n_intervals", "value": 1}],
        "state": [{"id": "studies-seen", "property": "data", "value": None}],
        "changedPropIds": ["studies-tick.n_intervals"],
    }
    return request(app, "/_dash-update-component", body)[1].decode()


def test_healthz_answers_without_the_store(reader: Any) -> None:
    reader.error = OSError("gone")
    assert request(create_app(reader), "/healthz") == (200, b"OK")


@pytest.mark.parametrize("path", ["/", "/study/digits", "/study/digits/trial/7", "/nowhere"])
def test_a_deep_link_works_as_the_first_request(reader: Any, path: str) -> None:
    status, page = request(create_app(reader), path)
    assert status == 200
    assert b"/assets/gatefront.css" in page
    assert b"/assets/gatefront.js" in page
    assert page.count(b".css") == 1


def test_nothing_is_loaded_from_elsewhere(reader: Any) -> None:
    app = create_app(reader)
    page = request(app, "/")[1].decode()
    sources = [part.split('"')[0] for mark in ('src="', 'href="') for part in page.split(mark)[1:]]
    assert sources
    assert all(source.startswith("/") for source in sources)
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert b"swagger" not in request(app, path)[1]


def test_pages_are_served_by_address(reader: Any) -> None:
    app = create_app(reader)
    assert "Trial 7 of digits" in open_page(app, "/study/digits/trial/7")
    assert "Trial 7.2 of digits" in open_page(app, "/study/digits/trial/7", "?point=2")
    assert "No page has this address" in open_page(app, "/nowhere")


def test_two_apps_of_one_process_show_their_own_studies(make_reader: Any) -> None:
    full, started = make_reader(12), make_reader(2)
    apps = create_app(full), create_app(started)
    for app in apps:
        request(app, "/")
    assert "12 of 12" in list_of(apps[0])
    assert "2 of 12" in list_of(apps[1])


def test_a_fault_is_logged_not_swallowed(reader: Any, caplog: pytest.LogCaptureFixture) -> None:
    reader.error = ZeroDivisionError("ours")
    app = create_app(reader)
    request(app, "/")
    assert "InternalServerError" in list_of(app)
    assert "ours" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.0.1"])
def test_loopback_needs_no_tokens(host: str) -> None:
    assert is_loopback(host)
    require_tokens(host, Tokens())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.4", "studies.example"])
def test_any_other_host_is_not_served_without_tokens(host: str) -> None:
    with pytest.raises(OpenAddressError, match="there are no tokens") as caught:
        require_tokens(host, Tokens())
    assert host in str(caught.value)
    require_tokens(host, Tokens.parse([f"ann write {'x' * 24}"], source="test"))


def test_a_foreign_name_for_loopback_is_refused(reader: Any) -> None:
    for address, own in (("127.0.0.1", b"127.0.0.1:8050"), ("localhost", b"localhost"), ("::1", b"[::1]:8050")):
        app = create_app(reader, allowed_hosts=allowed_hosts(address))
        assert request(app, "/", host=own)[0] == 200
        assert request(app, "/", host=b"evil.example:8050")[0] == 400
    assert allowed_hosts("0.0.0.0") == ["*"]


def test_commands_are_registered() -> None:
    app = typer.Typer()
    register(app)
    assert {command.name for command in app.registered_commands} == {"serve", "report"}


def test_an_address_in_use_is_refused_before_anything_starts() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(AddressInUseError, match="cannot be listened on"):
        listen("127.0.0.1", taken.getsockname()[1])
