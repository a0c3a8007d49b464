"""Files of a study on the disk: paths, retention and garbage collection."""

from gatefront.search.storage.artifacts.disk_usage import DiskUse, disk_use
from gatefront.search.storage.artifacts.garbage_collection import Garbage, collect_garbage, find_garbage

__all__ = ["DiskUse", "Garbage", "collect_garbage", "disk_use", "find_garbage"]
