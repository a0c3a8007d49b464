"""Files of a folder that no sample is read from, each with the reason."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from gatefront.trainer.data.dataset import UnusedFiles
from gatefront.trainer.data.sources.folder.files import IMAGE_ENDINGS, LABEL_ENDINGS, why_unread

_TOP_REASONS: Mapping[bool, str] = {True: "no task of dataset.toml is called so", False: "nothing is read from it"}


def list_unused(root: Path, bases: Iterable[Path], tasks: Iterable[str], used: Container[Path]) -> list[UnusedFiles]:
    """Return the files that are not ``used``, grouped by folder and reason.

    Args:
        root: the data set's folder.
        bases: the folders with ``images/`` and labels: ``root`` itself, or one per split.
        tasks: the names of the dense tasks, which have their own folders.
        used: every file that is read.
    """
    endings = {"images": IMAGE_ENDINGS} | dict.fromkeys(tasks, LABEL_ENDINGS)
    bases = list(bases)
    known = {base / name: of for base in bases for name, of in endings.items()}
    found: dict[tuple[Path, str], list[Path]] = {}
    for folder in dict.fromkeys([root, *bases, *known]):
        for path in sorted(folder.iterdir()):
            if path in used or path in known or path in bases:
                continue
            reason = _reason(path, known.get(folder))
            found.setdefault((folder, reason), []).append(path)
    return [UnusedFiles(paths[0], len(paths), reason) for (_, reason), paths in found.items()]


def _reason(path: Path, endings: tuple[str, ...] | None) -> str:
    if endings is not None:
        return why_unread(path, endings) or "its image is in no list"
    if path.name.startswith("."):
        return "hidden"
    return _TOP_REASONS[path.is_dir()]
