"""Data sets for several tasks at once: described without reading them, loaded as batches of tensors."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
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
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Batch": "dataset",
            "DATA_SOURCES": "registry",
            "DataDescription": "dataset",
            "DataError": "dataset",
            "DataSpec": "dataset",
            "FileSplit": "io.file_split",
            "IGNORE_INDEX": "dataset",
            "MultiTaskData": "dataset",
            "Record": "io.file_split",
            "Sample": "dataset",
            "describe_data": "registry",
            "load_data": "registry",
            "parse_options": "options",
        },
    )

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
