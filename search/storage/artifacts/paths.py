"""Paths of one study's files under the storage folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StudyFolders:
    """Paths of a study: ``<storage>/cache`` is shared by all studies, ``<storage>/<study>`` is the study's own."""

    storage: Path
    study: str

    @property
    def cache(self) -> Path:
        """Folder of rendered data and reference networks, which are found by their content's hash."""
        return self.storage / "cache"

    @property
    def ray(self) -> Path:
        """Folder of Ray's own records of a run, which are never read again."""
        return self.storage / self.study / "ray"

    @property
    def contact_sheet(self) -> Path:
        """Path of the doctor's picture of the data."""
        return self.storage / self.study / "contact-sheet.png"

    def system(self, key: str) -> Path:
        """Return the path of the checkpoint of one system of a comparison, named by the hash of its settings."""
        return self.storage / self.study / "compare" / key[:32]

    def trial(self, number: int) -> Path:
        """Return the folder of one trial's checkpoint and, once complete, its network."""
        return self.storage / self.study / "trials" / str(number)

    def network(self, number: int, derived: int = 0) -> Path:
        """Return the path of the trained network of a trial, or of a derived point, which counts from 1."""
        return self.trial(number) / (f"derived-{derived}.pt" if derived else "network.pt")
