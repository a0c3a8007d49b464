"""Tokens: the principals that may use a service, from a file or the environment."""

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gatefront.search.service.rest.auth.principal import Principal, Role
from gatefront.spaces.errors import GatefrontError

TOKENS_VARIABLE = "GATEFRONT_TOKENS"
_SHORTEST = 20
_HASHED = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_FORM = "Write one `NAME read|write TOKEN` a line; TOKEN may be `sha256:` and the hash of one."


class TokenError(GatefrontError, ValueError):
    """Error for a list of tokens that cannot be read. It never shows a token."""


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Principals by the SHA-256 of their tokens. The tokens themselves are not kept."""

    by_hash: tuple[tuple[bytes, Principal], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_hash)

    def find(self, token: str) -> Principal | None:
        """Return the principal of a token; None if it is unknown.

        The time is the same for any token, because all are compared, each in constant time.
        """
        asked = hash_token(token)
        found: Principal | None = None
        for known, caller in self.by_hash:
            if hmac.compare_digest(known, asked):
                found = caller
        return found

    @classmethod
    def parse(cls, lines: Iterable[str], *, source: str) -> "Tokens":
        """Read ``NAME read|write TOKEN`` lines. Skip empty ones and those that begin with ``#``.

        Raises:
            TokenError: a line has another form, a name comes twice, a token is too short to be safe, or there is
            none.
        """
        found: dict[str, tuple[bytes, Principal]] = {}
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                digest, caller = _parse_line(line, f"{source}, line {number}")
                if caller.name in found:
                    raise TokenError(f"{source}, line {number}: {caller.name} comes twice.", hint="Give each a name.")
                found[caller.name] = digest, caller
        if not found:
            raise TokenError(f"{source} holds no token.", hint=_FORM)
        return cls(tuple(found.values()))


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token. Tokens are long and random, so a slow hash would be no safer."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def load_tokens(path: Path | None, environment: MutableMapping[str, str] = os.environ) -> Tokens:
    """Return the tokens of the file, else of GATEFRONT_TOKENS; none if neither is given.

    In the variable `;` may replace a line break. It is removed from the environment, so that no process started later
    sees it.

    Raises:
        TokenError: the list cannot be read.
    """
    text = environment.pop(TOKENS_VARIABLE, None)
    if path is not None:
        try:
            return Tokens.parse(path.read_text(encoding="utf-8-sig").splitlines(), source=f"--tokens {path}")
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"--tokens {path} cannot be read: {type(error).__name__}.", hint=_FORM) from error
    if text is None:
        return Tokens()
    return Tokens.parse(re.split(r"[;\n]", text), source=TOKENS_VARIABLE)


def _parse_line(line: str, place: str) -> tuple[bytes, Principal]:
    words = line.split()
    if len(words) != 3:
        raise TokenError(f"{place} must have three words, found {len(words)}.", hint=_FORM)
    name, role, token = words
    if not _NAME.fullmatch(name):
        raise TokenError(f"{place}: the name must be of letters, digits and ._@-.", hint=_FORM)
    if role not in get_args(Role):
        raise TokenError(f"{place}: the role must be read or write.", hint=_FORM)
    hashed = _HASHED.fullmatch(token)
    if hashed is None and len(token) < _SHORTEST:
        raise TokenError(
            f"{place}: a token must have at least {_SHORTEST} characters, found {len(token)}.",
            hint="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`.",
        )
    digest = hash_token(token) if hashed is None else bytes.fromhex(hashed[1])
    return digest, Principal(name, role)  # type: ignore[arg-type]
