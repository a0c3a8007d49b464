"""The login page. It needs no script and no file from elsewhere."""

import html
from urllib.parse import parse_qs

from fastapi.responses import HTMLResponse, Response

LOGIN, LOGOUT = "/login", "/logout"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · gatefront</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto 0; max-width: 22rem; padding: 0 1rem; }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit; margin-top: .5rem; }}
input, button {{ padding: .5rem; }}
.error {{ color: #b00020; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1a1b1e; color: #ddd; }} .error {{ color: #ff8a80; }} }}
</style></head>
<body><main><h1>gatefront</h1>{error}
<form method="post" action="/login">
<label for="token">Your token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="next" value="{next}">
<button>Log in</button>
</form></main></body></html>"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


def login_page(next_path: str, *, error: str = "", status: int = 200) -> Response:
    shown = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    content = _PAGE.format(error=shown, next=html.escape(next_path, quote=True))
    return HTMLResponse(content, status, {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


def read_form(body: bytes) -> tuple[str, str]:
    """Return the token and the requested page of a login form."""
    fields = parse_qs(body.decode("utf-8", errors="replace"), max_num_fields=10)
    return fields.get("token", [""])[0].strip(), local_path(fields.get("next", ["/"])[0])


def local_path(path: str) -> str:
    """Return the path if it is one of this service, else ``/``, so that a login cannot redirect elsewhere."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else "/"
