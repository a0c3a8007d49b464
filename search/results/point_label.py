"""Labels of a study's networks: ``7`` for a trial's own, ``7.2`` for the second point derived from it."""

import re
from dataclasses import dataclass

from gatefront.search.errors import PointLabelError

_LABEL = re.compile(r"(\d{1,9})(?:\.([1-9]\d{0,8}))?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class PointLabel:
    """Label of a network. ``derived`` counts from 1; 0 is the trial's own point."""

    number: int
    derived: int = 0

    @classmethod
    def parse(cls, text: str) -> "PointLabel":
        """Parse ``7`` or ``7.2``.

        Raises:
            PointLabelError: it is neither.
        """
        match = _LABEL.fullmatch(text.strip())
        if match is None:
            raise PointLabelError(
                f"--trial must be a trial's number, or a derived point's such as 7.2, found {text!r}.",
                hint="`gatefront front` lists them; derived points count from 1.",
            )
        return cls(int(match[1]), int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.number}.{self.derived}" if self.derived else str(self.number)
