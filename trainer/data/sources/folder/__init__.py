"""`folder`: pictures, label maps and tables of the user's own in a plain folder, without a line of code."""

from gatefront.trainer.data.sources.folder.source import describe, load

__all__ = ["describe", "load"]
