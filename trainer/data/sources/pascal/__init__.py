"""`pascal-context`: five dense tasks on photographs, in the layout of the multi-task survey (PASCAL_MT)."""

from gatefront.trainer.data.sources.pascal.source import describe, load

__all__ = ["describe", "load"]
