"""The doctor: checks that find a study's problems in minutes instead of after hours."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.search.doctor.check import Check
    from gatefront.search.doctor.examine import examine
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Check": "check",
            "examine": "examine",
        },
    )

__all__ = ["Check", "examine"]
