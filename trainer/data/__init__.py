"""Data sets for several tasks at once: described without reading them, loaded as batches of tensors."""

from gatefront.trainer.data.dataset import (
    IGNORE_INDEX,
    Batch,
    DataDescription,
    DataError,
    DataSpec,
    MultiTaskData,
    Sample,
)
from gatefront.trainer.data.io.file_split import FileSplit, Record
from gatefront.trainer.data.options import parse_options
from gatefront.trainer.data.registry import DATA_SOURCES, describe_data, load_data

__all__ = [
    "DATA_SOURCES",
    "IGNORE_INDEX",
    "Batch",
    "DataDescription",
    "DataError",
    "DataSpec",
    "FileSplit",
    "MultiTaskData",
    "Record",
    "Sample",
    "describe_data",
    "load_data",
    "parse_options",
]
