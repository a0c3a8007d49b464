"""The font of contact sheets, for names in any script."""

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

_FILE = "fonts/ttf/DejaVuSans.ttf"
_NO_CHARACTER = "\uffff"
_ELLIPSIS = "…"

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def load_font(size: int) -> Font:
    """Return DejaVu Sans, which comes with Matplotlib: Pillow's own font has hardly more than ASCII."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), _FILE)), size)


def drawable(text: str, font: Font, width: float | None = None) -> str:
    """Return a text as the font can show it.

    Args:
        text: any text. A character that the font lacks becomes its number, such as ``\\u5c64``.
        font: the font.
        width: the most pixels that it may take; a longer text loses its middle, so that its end can still be read.
    """
    shown = "".join(one if _has(font, one) else one.encode("unicode_escape").decode() for one in text)
    if width is None or font.getlength(shown) <= width:
        return shown
    kept = len(shown) - 1
    while kept > 0 and font.getlength(_shortened(shown, kept)) > width:
        kept -= 1
    return _shortened(shown, kept)


def _shortened(text: str, kept: int) -> str:
    end = kept // 2
    return text[: kept - end] + _ELLIPSIS + (text[-end:] if end else "")


@lru_cache(maxsize=4096)
def _has(font: Font, character: str) -> bool:
    return character.isspace() or bytes(font.getmask(character)) != bytes(font.getmask(_NO_CHARACTER))
