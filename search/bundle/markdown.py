"""Names that people chose, as Markdown text."""

import re

_WORD = re.compile(r"\w+")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def as_text(name: str) -> str:
    """The name so that a Markdown page shows it as it is, in a cell of a table too.

    A word stays as it is. In any other name punctuation is escaped, and white space becomes a space.
    """
    if _WORD.fullmatch(name) and not name.startswith("_") and not name.endswith("_"):
        return name
    return _PUNCTUATION.sub(r"\\\1", " ".join(name.split()))
