"""among: the condition that a row is of one of some trials."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa


def among(column: sa.ColumnElement[int] | Any, numbers: Collection[int] | None) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a trial is one of these; none at all for None."""
    return () if numbers is None else (column.in_(numbers),)
