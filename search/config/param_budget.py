"""Reading a parameter budget as people write it: ``2M``, ``350K``."""

from gatefront.search.config.quantities import read_amount
from gatefront.search.errors import StudyFileError


def parse_param_budget(text: str) -> int:
    """The most parameters a delivered network may have.

    Raises:
        StudyFileError: ``text`` is not a positive number with K, M, G or no unit.
    """
    amount = read_amount(text)
    if amount is None or amount < 1:
        raise StudyFileError(
            f"param_budget must be a positive number of parameters, found {text!r}.", hint='Write "2M" or "350K".'
        )
    return int(amount)
