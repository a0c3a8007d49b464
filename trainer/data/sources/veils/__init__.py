"""`veils`: striped cloth in fog behind panes of glass, rendered. Three dense tasks that conflict."""

from gatefront.trainer.data.sources.veils.source import describe, load

__all__ = ["describe", "load"]
