"""Files that labels come from, by split and index."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gatefront.trainer.data import DataError, MultiTaskData
from gatefront.trainer.data.io.decode import read_array, read_picture
from gatefront.trainer.data.labelled import SPLIT_WORDS

_SPLITS: Mapping[str, str] = {word: name for name, word in SPLIT_WORDS.items()}
_MOST_VALUES = 4


class LabelPlaces:
    """Files of one task's labels, by the word of the split, such as ``"training"``, and the index of a sample."""

    def __init__(self, data: MultiTaskData, task: str) -> None:
        self._files = data.files
        self._task = task

    def name(self, split: str, index: int | None) -> str:
        """Return the label's file, else its image, else the number of the sample."""
        path = self._label(split, index)
        if path is not None:
            return str(path)
        files = self._files.get(_SPLITS[split])
        return f"sample {index}" if files is None or index is None else str(files.image_file(index))

    def values(self, split: str, index: int | None) -> tuple[float, ...]:
        """Return the numbers that the label's file holds, as they are stored.

        The result is empty if there is no file that can be read, or too many numbers.
        """
        path = self._label(split, index)
        try:
            if path is None or path.suffix.lower() == ".mat":
                return ()
            stored = read_array(path) if path.suffix.lower() == ".npy" else read_picture(path, num_channels=1)
        except DataError:
            return ()
        found = np.unique(stored).tolist()
        return tuple(found) if len(found) <= _MOST_VALUES else ()

    def _label(self, split: str, index: int | None) -> Path | None:
        files = self._files.get(_SPLITS[split])
        if files is None or index is None:
            return None
        return next(iter(files.label_files(index, self._task)), None)
