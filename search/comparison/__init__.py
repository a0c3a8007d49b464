"""Comparison of systems in one table: the same data, the same initial weights and as much training."""

from gatefront.search.comparison.systems import System, list_systems
from gatefront.search.results.comparison_table import ComparisonTable, Line, Spread, Subject, comparison_table

__all__ = ["ComparisonTable", "Line", "Spread", "Subject", "System", "comparison_table", "list_systems"]
