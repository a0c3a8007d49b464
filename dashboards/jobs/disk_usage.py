"""DiskUses: the size of each study's folder, counted in the background because a large one takes seconds to walk."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from gatefront.search.storage.artifacts.disk_usage import folder_bytes

_FRESH_S = 30.0


class DiskUses:
    """Sizes of folders as last counted. Thread-safe.

    A count older than half a minute is made again, one folder at a time.
    """

    def __init__(
        self, count: Callable[[Path], int] = folder_bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[int, float]] = {}
        self._wanted: list[Path] = []
        self._is_counting = False

    def of(self, folder: Path) -> int | None:
        """Return the bytes in the folder as last counted, or None while the first count runs."""
        with self._lock:
            found = self._known.get(folder)
            if (found is None or self._clock() - found[1] > _FRESH_S) and folder not in self._wanted:
                self._wanted.append(folder)
                if not self._is_counting:
                    self._is_counting = True
                    threading.Thread(target=self._work, name="gatefront-disk-use", daemon=True).start()
        return None if found is None else found[0]

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._is_counting = False
                    return
                folder = self._wanted[0]
            counted = self._count(folder)
            with self._lock:
                self._known[folder] = (counted, self._clock())
                self._wanted.remove(folder)
