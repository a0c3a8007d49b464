"""The files of a folder by their names."""

from pathlib import Path

from trainer.data.dataset import DataError

IMAGE_ENDINGS = (".jpeg", ".jpg", ".png")
LABEL_ENDINGS = (".npy", ".png")


def image_name(written: str) -> str:
    """An image's name as lists and tables write it, without its ending if it has one."""
    path = Path(written)
    return path.stem if path.suffix.lower() in IMAGE_ENDINGS else path.name


def files_by_name(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """The folder's files of these endings, by their names without them.

    Raises:
        DataError: if the folder is not there, or two files differ in nothing but their ending.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not there.", hint=f"It holds {' or '.join(endings)} files.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in endings:
            continue
        if path.stem in files:
            raise DataError(f"{path} and {files[path.stem].name} have the same name.", hint="Keep one of them.")
        files[path.stem] = path
    return files
