"""Names that people chose, as text in figures."""

from collections.abc import Sequence

from gatefront.search.results.formats import shorten_name

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "%": "&#37;", "$": "&#36;"})


def as_label(name: str) -> str:
    """Return the name escaped for Plotly, which reads ``<b>`` as HTML, ``%{x}`` as a value and ``$x$`` as TeX."""
    return name.translate(_ENTITIES)


def axis_labels(names: Sequence[str]) -> list[str]:
    """Return the names for an axis or a legend. Long names lose their middle, unless two would then be alike."""
    short = [shorten_name(name) for name in names]
    return [as_label(name if short.count(label) > 1 else label) for name, label in zip(names, short, strict=True)]
