"""Where one study's files lie under the storage folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StudyFolders:
    """``<storage>/cache`` is shared by all studies; ``<storage>/<study>`` is the study's own."""

    storage: Path
    study: str

    @property
    def cache(self) -> Path:
        """Rendered data and reference networks, found again by their content's hash."""
        return self.storage / "cache"

    @property
    def ray(self) -> Path:
        """Ray's own records of a run: scratch, never read again."""
        return self.storage / self.study / "ray"

    @property
    def contact_sheet(self) -> Path:
        """The doctor's picture of the data."""
        return self.storage / self.study / "contact-sheet.png"

    def system(self, key: str) -> Path:
        """The checkpoint of one system of a comparison, named by what it is made of."""
        return self.storage / self.study / "compare" / key[:32]

    def trial(self, number: int) -> Path:
        """One trial's checkpoint and, once complete, its network."""
        return self.storage / self.study / "trials" / str(number)

    def network(self, number: int, derived: int = 0) -> Path:
        """The trained network of a trial, or of a point derived from it: ``derived`` counts from 1."""
        return self.trial(number) / (f"derived-{derived}.pt" if derived else "network.pt")
