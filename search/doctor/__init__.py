"""What could go wrong with a study, found in minutes instead of after hours."""

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.examine import examine

__all__ = ["Check", "examine"]
