"""How often work that lost its worker is begun."""

from typing import Final

MOST_ATTEMPTS: Final = 3
"""The first one included. Only a dead worker is replaced: an error of the work itself would come back."""
