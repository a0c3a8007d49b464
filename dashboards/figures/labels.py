"""Names that people chose, as text in figures."""

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "%": "&#37;", "$": "&#36;"})


def as_label(name: str) -> str:
    """The name so that Plotly shows it as it is: it reads ``<b>`` as HTML, ``%{x}`` as a value, ``$x$`` as TeX."""
    return name.translate(_ENTITIES)
