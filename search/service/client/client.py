"""Client: requests to a service, whose problems become errors."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from gatefront.search.service.rest.asgi import PREFIX
from gatefront.spaces.errors import GatefrontError

TOKEN_VARIABLE = "GATEFRONT_TOKEN"
_CONNECT_S = 20.0
# The response to a new study comes only after its data were examined.
_ANSWER_S = 1900.0
_WRONG_INPUT = (400, 401, 403, 404, 413, 422)


class RemoteRefusedError(GatefrontError, ValueError):
    """Error for a request that the service refuses."""


class RemoteFailedError(GatefrontError, RuntimeError):
    """Error for a service that cannot be reached or cannot do what the request asks."""


class Client:
    """Client of the service at ``url``.

    Its token comes from GATEFRONT_TOKEN, so that no list of processes shows it.

    Raises:
        RemoteRefusedError: the URL is not of the form ``http://host:port``.
    """

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise RemoteRefusedError("--server must be http://HOST:PORT or https://HOST.", hint=f"Found {url!r}.")
        token = environment.get(TOKEN_VARIABLE)
        headers = {"X-Gatefront-Client": "command line"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self.url = url.rstrip("/")
        timeout = httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S)
        # Redirects are not followed, so that no other address receives the token.
        self._http = httpx2.Client(base_url=self.url + PREFIX, headers=headers, timeout=timeout)

    def get(self, path: str, **query: Any) -> Any:
        """Return the document at a path under ``/api/v1``."""
        return self._send("GET", path, params=query).json()

    def send(self, method: str, path: str, document: Any = None) -> Any:
        """Send a change. Return the response's document; None if it is empty."""
        answer = self._send(method, path, json=document)
        return answer.json() if answer.content else None

    def download(self, path: str, file: Path, *, most_bytes: int) -> None:
        """Write the response at the path to ``file``.

        Raises:
            RemoteFailedError: it is larger than ``most_bytes``.
        """
        size = 0
        with _reached(self.url), self._http.stream("GET", path) as answer, file.open("wb") as out:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            for chunk in answer.iter_bytes():
                size += len(chunk)
                if size > most_bytes:
                    raise RemoteFailedError(f"what {self.url} sends has more than {most_bytes} bytes.")
                out.write(chunk)

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        with _reached(self.url):
            answer = self._http.request(method, path, **options)
        if not answer.is_success:
            raise _error(answer)
        return answer


def study_path(study: str, *parts: str) -> str:
    """Return ``/studies/STUDY/...``."""
    return "/".join(["/studies", quote(study, safe=""), *(quote(part, safe="") for part in parts)])


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPError as error:
        raise RemoteFailedError(
            f"--server {url} cannot be reached: {str(error) or type(error).__name__}.",
            hint="Check the address, and that `gatefront serve` runs there.",
        ) from error


def _error(answer: httpx2.Response) -> GatefrontError:
    kind = RemoteRefusedError if answer.status_code in _WRONG_INPUT else RemoteFailedError
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or "detail" not in document:
        return kind(f"the service answered with status {answer.status_code}.", hint="Is --server a gatefront service?")
    hint = str(document.get("hint", ""))
    if answer.status_code == 401:
        hint = f"Set {TOKEN_VARIABLE} to your token."
    return kind(str(document["detail"]), hint=hint)
