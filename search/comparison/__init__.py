"""Comparison of systems in one table: the same data, the same initial weights and as much training."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.search.comparison.systems import System, list_systems
    from gatefront.search.results.comparison_table import ComparisonTable, Line, Spread, Subject, comparison_table
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "ComparisonTable": "gatefront.search.results.comparison_table",
            "Line": "gatefront.search.results.comparison_table",
            "Spread": "gatefront.search.results.comparison_table",
            "Subject": "gatefront.search.results.comparison_table",
            "System": "systems",
            "comparison_table": "gatefront.search.results.comparison_table",
            "list_systems": "systems",
        },
    )

__all__ = ["ComparisonTable", "Line", "Spread", "Subject", "System", "comparison_table", "list_systems"]
