"""The doctor: checks that find a study's problems in minutes instead of after hours."""

from gatefront.search.doctor.check import Check
from gatefront.search.doctor.examine import examine

__all__ = ["Check", "examine"]
