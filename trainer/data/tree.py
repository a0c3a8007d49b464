"""Looking at a folder of files before anything is read: what is there, what is missing, what it all is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from trainer.data.dataset import DataError, DataSpec


def require_root(spec: DataSpec, *, holds: str) -> Path:
    """The study's ``data.root``; ``holds`` says what must lie in it.

    Raises:
        DataError: if the study gives none.
    """
    if spec.root is None:
        raise DataError(f"data {spec.name} needs its files.", hint=f"Set data.root to the folder that holds {holds}.")
    return Path(spec.root)


def read_names(path: Path) -> list[str]:
    """The names that a list has, one a line; blank lines are skipped.

    Raises:
        DataError: if the list cannot be read, is empty or names something twice.
    """
    try:
        names = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", hint="Is data.root the right folder?") from error
    if not names:
        raise DataError(f"{path} is empty.", hint="It holds one name a line.")
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise DataError(f"{path} names {twice!r} twice ({len(names) - len(set(names))} repetitions in all).")
    return names


def require_files(paths: Sequence[Path], *, what: str, hint: str = "") -> None:
    """Raises :class:`DataError` with the first file that is missing and how many are."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"{what}: {missing[0]} is missing ({len(missing)} of {len(paths)} are).", hint=hint)


def require_no_overlap(train: Iterable[str], val: Iterable[str], *, what: str) -> None:
    """Raises :class:`DataError` if an image would both be trained on and measured with."""
    both = sorted(set(train) & set(val))
    if both:
        raise DataError(f"{what}: {both[0]!r} is in both splits ({len(both)} are).")


def file_stamps(root: Path, paths: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file: hashing gigabytes would take longer than reading a record."""
    found = {path: path.stat() for path in paths}
    return {str(path.relative_to(root)): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}
