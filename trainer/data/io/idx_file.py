"""Files in the IDX format of MNIST: pictures or classes as bytes, plain or compressed by gzip."""

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatefront.trainer.data.dataset import DataError

_UNSIGNED_BYTES = 0x08


def find_idx(folder: Path, name: str) -> Path:
    """Return the file of this name, plain or else with the ending ``.gz``.

    Raises:
        DataError: the folder has neither.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"Cannot read {folder}: it lacks a file (found neither {name} nor {name}.gz).")


def read_idx(path: Path, *, num_axes: int) -> NDArray[np.uint8]:
    """Return the array of bytes in a file, with as many axes.

    Raises:
        DataError: the file cannot be read, is of another format, or is not as long as its header says.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Cannot read {path}: {str(error).rstrip('.')}.", hint="Copy the file again.") from error
    expected, length = struct.pack(">HBB", 0, _UNSIGNED_BYTES, num_axes), 4 * (1 + num_axes)
    if content[:4] != expected:
        raise DataError(
            f"Cannot read {path}: its magic number is not {expected.hex()} (found {content[:4].hex() or 'nothing'}).",
            hint="Give the IDX files of MNIST, or of a set in its format.",
        )
    shape = struct.unpack(f">{num_axes}I", content[4:length]) if len(content) >= length else None
    if shape is None or len(content) - length != prod(shape):
        wanted = "a whole header" if shape is None else f"{prod(shape):,} bytes behind its header"
        raise DataError(
            f"Cannot read {path}: it must have {wanted} (found {max(0, len(content) - length):,} bytes).",
            hint="Copy the file again.",
        )
    return np.frombuffer(content, np.uint8, offset=length).reshape(shape)
