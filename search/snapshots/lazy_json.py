"""LazyJson: a JSON object that is parsed on first access."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


class LazyJson(Mapping[str, Any]):
    """JSON object that is parsed on first access.

    A study may have tens of thousands of points, and most of their metrics are never read.
    """

    __slots__ = ("_document", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._document: dict[str, Any] | None = None

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return f"LazyJson({self._text!r})"

    def _read(self) -> dict[str, Any]:
        if self._document is None:
            self._document = json.loads(self._text)
        return self._document
