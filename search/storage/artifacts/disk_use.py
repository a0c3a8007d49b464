"""What a study's own folder holds, in bytes."""

import os
from pathlib import Path


def folder_bytes(folder: Path) -> int:
    """The sizes of all files under ``folder``; 0 where there is none. Links are not followed.

    A file that goes away meanwhile, as a running trial's checkpoints do, counts as nothing.
    """
    total = 0
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
