"""The doctor's checks of files and splits; a study does not start on data that fail them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from gatefront.search.cli.driver_process import main as drive
from gatefront.search.cli.main import main
from gatefront.search.comparison import list_systems
from gatefront.search.comparison.run import Workers, run_comparison
from gatefront.search.config.study_file import parse_study
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.data_checks import check_data, require_sound_data
from gatefront.search.driver.references import ReferenceJob
from gatefront.search.errors import DataChecksError
from gatefront.search.service.control.driver_job import ORDER_VARIABLE, DriverJob
from gatefront.search.service.control.study_control import StartOptions
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.database.open import open_store
from gatefront.spaces.errors import GatefrontError
from gatefront.trainer.data import DataSpec, MultiTaskData, load_data
from gatefront.trainer.reporting import ReferenceResult

MANIFEST = """
input_size = [6, 9]
[tasks.semseg]
kind = "segmentation"
num_classes = 2
[tasks.depth]
kind = "depth"
[tasks.edges]
kind = "edges"
"""
STUDY = """
[study]
name = "tiny"
flop_budget = "95%"
trials = 1
workers = 1
[data]
name = "folder"
root = "{root}"
[network]
width = 0.125
decoder_width = 4
"""
NAMES = {"train": ("a", "b", "c"), "val": ("d", "e")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root, rng = tmp_path / "tree", np.random.default_rng(0)
    for folder in ("images", "semseg", "depth", "edges"):
        (root / folder).mkdir(parents=True)
    (root / "dataset.toml").write_text(MANIFEST)
    for split, names in NAMES.items():
        (root / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            Image.fromarray(rng.integers(0, 256, (12, 18, 3), np.uint8)).save(root / "images" / f"{name}.png")
            picture(root / "semseg" / f"{name}.png", np.arange(54) % 2)
            np.save(root / "depth" / f"{name}.npy", rng.uniform(1, 9, (6, 9)).astype(np.float32))
            picture(root / "edges" / f"{name}.png", np.arange(54) % 5 == 0)
    return root


def picture(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.reshape(6, 9).astype(np.uint8)).save(path)


def load(root: Path, cache: str = "auto") -> MultiTaskData:
    return load_data(DataSpec(name="folder", root=str(root), cache=cache), root.parent / "cache")


def checks(data: MultiTaskData) -> dict[str, Check]:
    return {check.name: check for check in check_data(data.description.tasks, data)}


def test_check_data_sound_folder_passes(root: Path) -> None:
    found = checks(load(root))
    assert list(found) == [
        "samples", "brightness", "labels of semseg", "labels of depth", "labels of edges", "images", "files", "splits",
    ]  # fmt: skip
    assert all(check.passed for check in found.values())
    assert found["images"].more == ("5 of 5  RGB: as it is",)
    assert found["files"].detail == "none is known to be unused"


def spoil_depth(root: Path) -> None:
    np.save(root / "depth" / "b.npy", np.full((6, 9), -1, np.float32))


def store_12_bits(root: Path) -> None:
    for path in (root / "images").iterdir():
        grey = np.array(Image.open(path).convert("L")).astype(np.uint16)
        Image.fromarray(16 * grey).save(path)


def spoil_masks(root: Path) -> None:
    for path in (root / "semseg").iterdir():
        picture(path, 255 * (np.arange(54) % 2))


def count_from_one(root: Path) -> None:
    (root / "dataset.toml").write_text(MANIFEST.replace("num_classes = 2", "num_classes = 3"))
    for path in (root / "semseg").iterdir():
        picture(path, 1 + np.arange(54) % 2)


def copy_into_validation(root: Path) -> None:
    # Other bytes, and the same picture.
    Image.open(root / "images" / "b.png").save(root / "images" / "e.tif")
    (root / "images" / "e.png").unlink()


SPOILED: dict[str, tuple[Callable[[Path], None], str]] = {
    "labels of depth": (
        spoil_depth,
        "54 training values are negative or infinite (if -1 stands for no depth: `missing = -1` in the dataset.toml "
        "of a folder), first in {root}/depth/b.npy",
    ),
    "labels of semseg": (
        spoil_masks,
        "training labels have no class but 0, and 50 % of the pixels are ignored; see {root}/semseg/a.png, which holds "
        "0, 255 (255 is no class: save the second class as 1)",
    ),
    "labels of semseg ": (
        count_from_one,
        "class 0 occurs in no label, as if the files counted from 1 (`first_class = 1` in the dataset.toml of a "
        "folder); see {root}/semseg/a.png, which holds 1, 2",
    ),
    "brightness": (store_12_bits, "all images are almost black, as numbers of 12 bits are in pictures of 16"),
    "splits": (
        copy_into_validation,
        "{root}/images/e.tif is the same picture as {root}/images/b.png of training; 1 of 2 validation images are in "
        "both splits",
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_check_data_spoiled_files_fail_by_name(root: Path, name: str) -> None:
    spoil, message = SPOILED[name]
    spoil(root)
    data = load(root)
    found = checks(data)
    assert [check.name for check in found.values() if not check.passed] == [name.strip()]
    assert message.format(root=root) in found[name.strip()].detail
    with pytest.raises(DataChecksError, match="start with --force") as caught:
        require_sound_data(data.description.tasks, data)
    assert message.format(root=root) in str(caught.value)


@pytest.mark.parametrize("cache", ["auto", "off"])
@pytest.mark.parametrize(("copied", "word"), [("a", "training"), ("d", "validation")])
def test_check_data_a_test_picture_of_another_split_fails(root: Path, copied: str, word: str, cache: str) -> None:
    (root / "train.txt").write_text("a\nb")
    (root / "test.txt").write_text("c")
    sound = checks(load(root, cache))
    assert sound["splits"].passed
    assert sound["samples"].detail.startswith("2 for training, 2 for validation, 1 for test")
    (root / "images" / "c.png").write_bytes((root / "images" / f"{copied}.png").read_bytes())
    found = checks(load(root, cache))["splits"]
    assert not found.passed
    images = root / "images"
    assert found.detail == (
        f"{images / 'c.png'} is the same picture as {images / f'{copied}.png'} of {word}; 1 of 1 test images are in "
        "both splits"
    )


def test_check_data_labels_of_the_test_split_are_checked(root: Path) -> None:
    (root / "train.txt").write_text("a\nb")
    (root / "test.txt").write_text("c")
    np.save(root / "depth" / "c.npy", np.full((6, 9), -1, np.float32))
    found = checks(load(root))["labels of depth"]
    assert not found.passed
    assert "54 test values are negative or infinite" in found.detail
    assert str(root / "depth" / "c.npy") in found.detail


def test_check_data_without_decoded_samples_compares_the_bytes_of_files(root: Path) -> None:
    (root / "images" / "e.png").write_bytes((root / "images" / "a.png").read_bytes())
    found = checks(load(root, cache="off"))["splits"]
    assert not found.passed
    assert f"{root}/images/e.png is the same picture as {root}/images/a.png" in found.detail


def test_check_data_says_what_becomes_of_images_and_of_other_files(root: Path) -> None:
    Image.open(root / "images" / "a.png").convert("L").save(root / "images" / "a.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    Image.open(root / "images" / "b.png").save(root / "images" / "b.png", exif=exif)
    for name in ("._a.png", "._b.png"):
        (root / "images" / name).touch()
    found = checks(load(root))
    assert set(found["images"].more) == {
        "3 of 5  RGB: as it is",
        "1 of 5  L: grey, repeated in three channels",
        "1 of 5  RGB: as it is; turned upright by its EXIF orientation",
        f"label maps are taken as upright beside images that are turned, first {root}/images/b.png",
    }
    assert found["files"].detail == "2 unused"
    assert found["files"].more == (f"{root}/images/._a.png and 1 more: hidden",)


@pytest.fixture
def is_begun(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Studies end when they would be driven; True once one was."""
    begun: list[str] = []

    def stop(*_: object) -> None:
        begun.append("study")
        raise GatefrontError("it was begun.")

    monkeypatch.setattr("gatefront.search.driver.start_and_resume._drive", stop)
    return lambda: bool(begun)


def test_start_failing_data_are_refused_unless_forced(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_begun: Callable[[], bool]
) -> None:
    spoil_depth(root)
    url, file = f"sqlite:///{tmp_path}/g.db", tmp_path / "study.toml"
    file.write_text(STUDY.format(root=root))
    words = ["start", str(file), "--db", url, "--storage", str(tmp_path / "runs"), "--quiet"]
    assert main(words) == 2
    assert "Cannot start on these data: labels of depth: " in capsys.readouterr().err
    assert not is_begun()
    assert not StudyReader(url).list_studies()
    assert main([*words, "--force"]) == 1
    assert is_begun()


def test_driver_of_a_service_refuses_failing_data_unless_forced(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_begun: Callable[[], bool],
) -> None:
    spoil_depth(root)
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/g.db")

    def start(options: StartOptions) -> int:
        order = DriverJob(
            action="start", study="tiny", actor="ann", storage=str(tmp_path), options=options,
            text=STUDY.format(root=root),
        )  # fmt: skip
        monkeypatch.setenv(ORDER_VARIABLE, order.to_text())
        return drive()

    assert start(StartOptions()) == 2
    assert "Cannot start on these data" in capsys.readouterr().err
    assert not is_begun()
    assert start(StartOptions(force=True)) == 1
    assert is_begun()


def test_compare_failing_data_are_refused_unless_forced(root: Path, tmp_path: Path) -> None:
    spoil_depth(root)
    engine, _ = open_store(f"sqlite:///{tmp_path}/g.db")
    trained: list[str] = []

    def train(jobs: list[ReferenceJob], _cache: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        trained.extend(job.role for job in jobs)
        raise GatefrontError("it was begun.")

    def run(*, force: bool) -> None:
        run_comparison(
            parse_study(STUDY.format(root=root)),
            list_systems((), "scalar"),
            num_seeds=1,
            engine=engine,
            folders=StudyFolders(tmp_path / "runs", "tiny"),
            workers=Workers(train_references=train, train_systems=lambda *_: iter(())),
            force=force,
        )

    with pytest.raises(DataChecksError, match="labels of depth"):
        run(force=False)
    assert not trained
    with pytest.raises(GatefrontError, match="it was begun"):
        run(force=True)
    assert trained
