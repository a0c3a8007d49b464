"""What a study keeps on the disk, what of that may go, and taking it away."""

from gatefront.search.storage.artifacts.disk_usage import DiskUse, disk_use
from gatefront.search.storage.artifacts.sweep import Sweep, plan_sweep, sweep

__all__ = ["DiskUse", "Sweep", "disk_use", "plan_sweep", "sweep"]
