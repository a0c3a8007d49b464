"""Data set of splits that are read from the files of one tree."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gatefront.trainer.checkpoints.content_hash import hash_json
from gatefront.trainer.data.dataset import DataDescription, MultiTaskData, split_sizes
from gatefront.trainer.data.io.file_split import FileSplit
from gatefront.trainer.data.io.folder_listing import file_stamps, reading_stamps


def gather_splits(
    root: Path, description: DataDescription, splits: Mapping[str, FileSplit], *, is_resized: bool
) -> MultiTaskData:
    """Return the data set of ``train``, ``val`` and, if it is there, ``test``.

    Args:
        root: the folder that all files are in.
        description: the description, whose numbers of samples are replaced by those of the splits.
        splits: the splits by name.
        is_resized: whether the study asks for a size, which is then part of the fingerprint.

    Returns:
        The data, with a fingerprint of names, lengths and times of the files of each split.
    """
    stamps = {name: file_stamps(root, split.files()) for name, split in splits.items()}
    read_anew = reading_stamps(root, (path for split in splits.values() for path in split.image_files()))
    return MultiTaskData(
        description=replace(description, **split_sizes(splits)),
        train=splits["train"],
        val=splits["val"],
        test=splits.get("test"),
        fingerprint=hash_json({**stamps, **read_anew} | ({"size": description.input_size} if is_resized else {})),
    )
