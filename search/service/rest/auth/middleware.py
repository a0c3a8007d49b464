"""AccessMiddleware: ASGI middleware that sets the principal of a request, or refuses the request."""

import math
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from fastapi.responses import RedirectResponse, Response

from gatefront.search.service.rest.asgi import Asgi, BodyTooLargeError, Receive, Scope, Send, header, read_body, replay
from gatefront.search.service.rest.auth.login import LOGIN, LOGOUT, login_page, read_form
from gatefront.search.service.rest.auth.principal import CALLER, Principal
from gatefront.search.service.rest.auth.rate_limit import FailedAttempts
from gatefront.search.service.rest.auth.sessions import COOKIE, LIFETIME_S, Sessions
from gatefront.search.service.rest.auth.tokens import Tokens
from gatefront.search.service.rest.problem_details import problem

CLIENT_HEADER = b"x-gatefront-client"
"""Header of changes by programs without a token. No other site's page can send it, as browsers ask first."""

PAGE_UPDATES = "/_dash-update-component"
MOST_BODY_BYTES = 4 * 1024 * 1024
_OPEN = ("/healthz", "/assets/", "/favicon.ico")
_SAFE = ("GET", "HEAD", "OPTIONS")
_BEARER = "bearer "


class AccessMiddleware:
    """Middleware that admits requests by token or login session.

    Without tokens it admits everybody as ``anonymous``, as such a service listens on loopback only. A token comes with
    each request (``Authorization: Bearer``), or once, on the login page, for a session. A request that does more than
    read must come from this service's own pages, from a program, or with a token. A browser would otherwise send it for
    the page of any other site.
    """

    def __init__(self, app: Asgi, tokens: Tokens, *, most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self._app = app
        self._tokens = tokens
        self._most_body_bytes = most_body_bytes
        self._sessions = Sessions()
        self._failures = FailedAttempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._admit_socket(scope, receive, send)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            # The body is read first, because an application would handle a truncated one in its own way.
            body = await read_body(receive, self._most_body_bytes) if _has_body(scope) else b""
            refused = self._judge(scope, body)
        except BodyTooLargeError:
            refused = self._too_large()
        if refused is None:
            await self._pass_on(scope, replay(body, receive), send)
        else:
            await refused(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        mark = CALLER.set(scope.get("state", {}).get("caller"))
        try:
            await self._app(scope, receive, send)
        finally:
            CALLER.reset(mark)

    def _judge(self, scope: Scope, body: bytes) -> Response | None:
        """Return the response to a request that is not passed on, such as a login; None to pass it on.

        Unless its path is open to all, a request that is passed on has its principal in the scope.
        """
        path, method = scope["path"], scope["method"]
        if path.startswith(_OPEN) and method in _SAFE:
            return None
        if self._tokens and path == LOGIN:
            return self._log_in(scope, body)
        found = self._identify(scope)
        if isinstance(found, Response):
            return found
        if method not in _SAFE:
            refused = _refuse_foreign(scope) or _refuse_reader(scope, found)
            if refused is not None:
                return refused
        if path == LOGOUT and method == "POST":
            return self._log_out(scope)
        scope.setdefault("state", {})["caller"] = found
        return None

    def _identify(self, scope: Scope) -> Principal | Response:
        if not self._tokens:
            return Principal("anonymous", "write")
        given = header(scope, b"authorization")
        if given is not None and given.lower().startswith(_BEARER):
            return self._check(scope, given[len(_BEARER) :].strip())
        secret = _cookie(scope)
        caller = None if secret is None else self._sessions.find(secret)
        return caller or _please_log_in(scope)

    def _check(self, scope: Scope, token: str) -> Principal | Response:
        address = _address(scope)
        wait_s = self._failures.wait_s(address)
        if wait_s > 0:
            return problem(
                429,
                "too many wrong tokens from this address.",
                "Wait a minute.",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        caller = self._tokens.find(token)
        if caller is None:
            self._failures.note(address)
            return problem(401, "this token is not known.", "Ask the service's owner.", {"WWW-Authenticate": "Bearer"})
        return caller

    def _log_in(self, scope: Scope, body: bytes) -> Response:
        if scope["method"] != "POST":
            return login_page("/")
        refused = _refuse_foreign(scope)
        if refused is not None:
            return refused
        token, next_path = read_form(body)
        found = self._check(scope, token)
        if isinstance(found, Response):
            wrong = "This token is not known." if found.status_code == 401 else "Too many wrong tokens; wait a minute."
            return login_page(next_path, error=wrong, status=found.status_code)
        answer = RedirectResponse(next_path, 303)
        is_secure = scope.get("scheme") == "https"
        secret = self._sessions.begin(found)
        answer.set_cookie(COOKIE, secret, max_age=LIFETIME_S, httponly=True, samesite="lax", secure=is_secure)
        return answer

    def _log_out(self, scope: Scope) -> Response:
        secret = _cookie(scope)
        if secret is not None:
            self._sessions.end(secret)
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def _admit_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._identify(scope)
        if isinstance(found, Response) or not _is_own(scope):
            await send({"type": "websocket.close", "code": 1008})
            return
        scope.setdefault("state", {})["caller"] = found
        await self._pass_on(scope, receive, send)

    def _too_large(self) -> Response:
        return problem(413, f"the request has more than {self._most_body_bytes} bytes.")


def _refuse_reader(scope: Scope, caller: Principal) -> Response | None:
    # Pages also read with POST. Their changes go through a control that checks the principal.
    if caller.may_write or scope["path"] in (PAGE_UPDATES, LOGOUT):
        return None
    return problem(403, f"{caller.name} may read, not change anything.", "Use a token with the role write.")


def _refuse_foreign(scope: Scope) -> Response | None:
    given = header(scope, b"authorization")
    has_own_token = given is not None and given.lower().startswith(_BEARER)
    has_origin = header(scope, b"origin") is not None
    is_program = not has_origin and header(scope, CLIENT_HEADER) is not None
    if has_own_token or _is_own(scope) or is_program:
        return None
    return problem(
        403,
        "this does not come from a page of this service.",
        "A program sends its token, or, where there are none, the header X-Gatefront-Client.",
    )


def _is_own(scope: Scope) -> bool:
    """Return whether the request's page comes from this very address."""
    origin, host = header(scope, b"origin"), header(scope, b"host")
    return origin is not None and host is not None and urlsplit(origin).netloc.lower() == host.lower()


def _please_log_in(scope: Scope) -> Response:
    wants_page = scope.get("method") == "GET" and "text/html" in (header(scope, b"accept") or "")
    if wants_page:
        return login_page(scope["path"], status=401)
    return problem(401, "a token is needed.", f"Send it as Authorization: Bearer, or log in at {LOGIN}.",
                   {"WWW-Authenticate": "Bearer"})  # fmt: skip


def _cookie(scope: Scope) -> str | None:
    try:
        found = SimpleCookie(header(scope, b"cookie") or "").get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _has_body(scope: Scope) -> bool:
    return header(scope, b"content-length") not in (None, "0") or header(scope, b"transfer-encoding") is not None
