"""What a study keeps on the disk, what of that may go, and taking it away."""

from gatefront.search.storage.artifacts.disk_usage import DiskUse, disk_use
from gatefront.search.storage.artifacts.garbage_collection import Garbage, collect_garbage, find_garbage

__all__ = ["DiskUse", "Garbage", "collect_garbage", "disk_use", "find_garbage"]
