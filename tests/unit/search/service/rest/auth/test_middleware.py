"""Who is let in: tokens, sessions, and that no other site can change anything."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from gatefront.search.errors import NotAllowedError
from gatefront.search.service.control.study_control import StartOptions
from gatefront.search.service.rest.auth.authorized_control import AuthorizedControl
from gatefront.search.service.rest.auth.login import local_path
from gatefront.search.service.rest.auth.middleware import AccessMiddleware
from gatefront.search.service.rest.auth.principal import CALLER, Principal
from gatefront.search.service.rest.auth.rate_limit import MOST_FAILURES, WINDOW_S, FailedAttempts
from gatefront.search.service.rest.auth.sessions import COOKIE, LIFETIME_S, Sessions
from gatefront.search.service.rest.auth.tokens import TokenError, Tokens, load_tokens

READER, WRITER = "r" * 24, "w" * 24
TOKENS = Tokens.parse(["# people", "", f"rita read {READER}", f"wim write {WRITER}"], source="test")
ORIGIN = {"Origin": "http://testserver"}
ANYBODY = Tokens()


async def _whoami(request: Request) -> PlainTextResponse:
    caller = CALLER.get()
    assert caller == getattr(request.state, "caller", None)
    body = await request.body()
    return PlainTextResponse(f"{caller.name} {len(body)}" if caller else "nobody")


def gate(tokens: Tokens = TOKENS, **options: Any) -> TestClient:
    methods = ["GET", "POST", "PUT", "DELETE"]
    inner = Starlette(routes=[Route("/{path:path}", _whoami, methods=methods)])
    return TestClient(AccessMiddleware(inner, tokens, **options), follow_redirects=False)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: TestClient, token: str, **fields: str) -> Any:
    return client.post("/login", data={"token": token, **fields}, headers=ORIGIN)


def test_without_a_token_nothing_is_told() -> None:
    client = gate()
    for headers in ({}, bearer("x" * 24), {"Authorization": "Basic abc"}, {"Cookie": f"{COOKIE}=guess"}):
        answer = client.get("/api/v1/studies", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    page = client.get("/study/digits", headers={"Accept": "text/html"})
    assert (page.status_code, 'name="next" value="/study/digits"' in page.text) == (401, True)
    # Whether the service lives, and how its pages look, is no secret.
    assert client.get("/healthz", headers={}).status_code == 200


def test_roles() -> None:
    client = gate()
    assert client.get("/x", headers=bearer(READER)).text == "rita 0"
    assert client.post("/x", headers=bearer(WRITER)).text == "wim 0"
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, "/x", headers=bearer(READER)).status_code == 403


def test_a_session_lasts_until_log_out() -> None:
    client = gate()
    answer = log_in(client, WRITER, next="/study/a")
    assert (answer.status_code, answer.headers["location"]) == (303, "/study/a")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert WRITER not in cookie
    assert client.get("/x").text == "wim 0"
    kept = dict(client.cookies)
    assert client.post("/logout", headers=ORIGIN).status_code == 303
    assert gate_again(client, kept).status_code == 401


def gate_again(client: TestClient, cookies: Mapping[str, str]) -> Any:
    """With the old cookie, as somebody who had copied it would."""
    return client.get("/x", headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})


@pytest.mark.parametrize("tokens", [TOKENS, ANYBODY], ids=["tokens", "loopback"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "http://evil.example", "X-Gatefront-Client": "page"},
        {"Referer": "http://testserver/"},
    ],
)
def test_no_other_site_changes_anything(tokens: Tokens, headers: dict[str, str]) -> None:
    client = gate(tokens)
    if tokens:
        assert log_in(client, WRITER).status_code == 303
    for path in ("/api/v1/studies", "/_dash-update-component", "/logout"):
        assert client.post(path, headers=headers).status_code == 403
    assert client.post("/api/v1/studies", headers=ORIGIN).status_code == 200


def test_nobody_is_logged_in_by_another_site() -> None:
    client = gate()
    answer = client.post("/login", data={"token": WRITER}, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_programs_need_no_origin() -> None:
    assert gate().post("/x", headers=bearer(WRITER)).status_code == 200
    assert gate(ANYBODY).post("/x", headers={"X-Gatefront-Client": "curl"}).text == "anonymous 0"


def test_pages_of_readers_are_updated_and_change_nothing() -> None:
    client = gate()
    log_in(client, READER)
    assert client.post("/_dash-update-component", headers=ORIGIN).text == "rita 0"
    assert client.post("/api/v1/studies", headers=ORIGIN).status_code == 403
    calls: list[str] = []
    control = AuthorizedControl(RecordingControl(calls))  # type: ignore[arg-type]
    for caller in (None, Principal("rita", "read")):
        mark = CALLER.set(caller)
        with pytest.raises(NotAllowedError):
            control.stop("a", actor="somebody else")
        with pytest.raises(NotAllowedError):
            control.examine("", StartOptions())
        CALLER.reset(mark)
    mark = CALLER.set(Principal("wim", "write"))
    control.stop("a", actor="somebody else")
    CALLER.reset(mark)
    assert calls == ["wim stops a"]


class RecordingControl:
    def __init__(self, calls: list[str]) -> None:
        self._calls = calls

    def stop(self, study: str, *, actor: str) -> None:
        self._calls.append(f"{actor} stops {study}")


def test_wrong_tokens_are_slowed_down_and_sessions_go_on() -> None:
    client = gate()
    log_in(client, WRITER)
    outsider = TestClient(client.app)
    statuses = [outsider.get("/x", headers=bearer("x" * 24)).status_code for _ in range(MOST_FAILURES + 1)]
    assert statuses == [401] * MOST_FAILURES + [429]
    refused = outsider.get("/x", headers=bearer(WRITER))
    assert (refused.status_code, 0 < int(refused.headers["retry-after"]) <= WINDOW_S) == (429, True)
    assert log_in(outsider, WRITER).status_code == 429
    assert client.get("/x").text == "wim 0"


@given(st.lists(st.floats(0, WINDOW_S / 2), min_size=1, max_size=40))
def test_never_more_failures_than_allowed_in_any_window(pauses: list[float]) -> None:
    now = [0.0]
    failures = FailedAttempts(clock=lambda: now[0])
    allowed: list[float] = []
    for pause in pauses:
        now[0] += pause
        wait_s = failures.wait_s("a")
        assert failures.wait_s("b") == 0
        if wait_s <= 0:
            failures.note("a")
            allowed.append(now[0])
        else:
            assert wait_s <= WINDOW_S
    for first, later in zip(allowed, allowed[MOST_FAILURES:], strict=False):
        assert later - first >= WINDOW_S


def test_sessions_end() -> None:
    now = [0.0]
    sessions = Sessions(clock=lambda: now[0])
    secret = sessions.begin(Principal("wim", "write"))
    now[0] = LIFETIME_S - 1
    assert sessions.find(secret) == Principal("wim", "write")
    now[0] = LIFETIME_S + 1
    assert sessions.find(secret) is None


@pytest.mark.parametrize("length", [None, "99999999", "-1", "x"])
def test_bodies_are_bounded_whatever_they_say_of_themselves(length: str | None) -> None:
    client = gate(most_body_bytes=1000)
    assert client.post("/x", content=b"a" * 1000, headers=bearer(WRITER)).text == "wim 1000"
    headers = bearer(WRITER) | ({} if length is None else {"Content-Length": length})
    chunks = (b"a" * 100 for _ in range(11))
    assert client.post("/x", content=chunks, headers=headers).status_code == 413
    assert client.post("/login", content=(b"a" * 100 for _ in range(11)), headers=ORIGIN).status_code == 413


def test_a_socket_is_for_own_pages_only() -> None:
    from starlette.websockets import WebSocketDisconnect

    for headers in (bearer(WRITER), {"Origin": "http://evil.example"} | bearer(WRITER), ORIGIN):
        with pytest.raises(WebSocketDisconnect), gate().websocket_connect("/ws", headers=headers):
            pass


@given(st.text(max_size=30))
def test_a_login_leads_nowhere_else(path: str) -> None:
    for asked in (path, f"/{path}", f"//{path}", f"/\\{path}"):
        found = local_path(asked)
        assert found.startswith("/")
        assert not found.startswith(("//", "/\\"))
        assert found.isprintable()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ann write", "three words"),
        ("ann admin " + "x" * 24, "role"),
        ("an/n read " + "x" * 24, "name"),
        ("ann read short-secret", "at least"),
        ("ann read sha256:12", "at least"),
    ],
)
def test_a_wrong_list_of_tokens_is_told_without_showing_them(line: str, said: str) -> None:
    with pytest.raises(TokenError, match=said) as caught:
        Tokens.parse(["# x", line], source="f")
    assert "f, line 2" in str(caught.value)
    assert line.split()[-1] not in str(caught.value) or line.split()[-1] == "write"


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Any) -> None:
    import hashlib

    hashed = hashlib.sha256(READER.encode()).hexdigest()
    environment = {"GATEFRONT_TOKENS": f"rita read sha256:{hashed}; wim write {WRITER}"}
    tokens = load_tokens(None, environment)
    assert environment == {}
    assert tokens.find(READER) == Principal("rita", "read")
    assert tokens.find(WRITER) == Principal("wim", "write")
    assert tokens.find("sha256:" + hashed) is None
    assert WRITER not in repr(tokens)
    assert not load_tokens(None, {})
    path = tmp_path / "tokens"
    with pytest.raises(TokenError, match="cannot be read"):
        load_tokens(path, {})
    path.write_text("# nobody\n")
    with pytest.raises(TokenError, match="holds no token"):
        load_tokens(path, {})
    path.write_text(f"\ufeffann read {READER}\n", encoding="utf-8")
    assert load_tokens(path, {}).find(READER) == Principal("ann", "read")
    path.write_text(f"ann read {READER}\nann write {WRITER}\n")
    with pytest.raises(TokenError, match="ann comes twice"):
        load_tokens(path, {})
