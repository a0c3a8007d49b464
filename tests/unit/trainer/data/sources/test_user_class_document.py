"""What docs/adding-data.md shows works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.data.io.picture_file import IMAGE_TREATMENTS

DOCUMENT = (Path(__file__).parents[5] / "docs" / "adding-data.md").read_text()


def code(language: str, containing: str) -> str:
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL) if containing in text]
    return str(found)


def test_the_folder(tmp_path: Path) -> None:
    for folder in ("images", "semseg", "depth"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dataset.toml").write_text(code("toml", "input_size"))
    (tmp_path / "labels.csv").write_text(code("csv", "image,animal"))
    for split, name in (("train", "0001"), ("val", "0002")):
        (tmp_path / f"{split}.txt").write_text(name)
        Image.new("RGB", (12, 8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.new("L", (12, 8), 2).save(tmp_path / "semseg" / f"{name}.png")
        np.save(tmp_path / "depth" / f"{name}.npy", np.full((8, 12), 1500))
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("0002.jpg,,,1", "0002.jpg,cat,,1"))
    data = load_data(DataSpec(name="folder", root=str(tmp_path)), tmp_path / "cache")
    assert [task.name for task in data.description.tasks] == ["semseg", "depth", "animal", "look"]
    sample = data.train[0]
    assert sample.image.shape == (3, 128, 256)
    assert int(sample.labels["animal"]) == 1
    assert sample.labels["depth"].unique().tolist() == pytest.approx([1.5])
    assert sample.labels["look"].tolist() == [1, 0]
    assert data.val[0].labels["look"].isnan().tolist() == [True, False]


def test_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "documented_streets.py"
    module.write_text(code("python", "class Streets"))
    monkeypatch.syspath_prepend(str(tmp_path))
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (128, 64)).save(tmp_path / split / "a.png")
        np.save(tmp_path / split / "a.npy", np.full((64, 128), 3))
    spec = DataSpec(name="documented_streets:Streets", root=str(tmp_path), options={"height": 32})
    data = load_data(spec, tmp_path / "cache")
    assert data.train[0].image.shape == (3, 32, 64)
    assert data.train[0].labels["semseg"].unique().tolist() == [3]
    assert data.test_split[0].labels.keys() == {"semseg"}
    assert load_data(spec, tmp_path / "cache").fingerprint == data.fingerprint


@pytest.mark.parametrize("mode", IMAGE_TREATMENTS)
def test_the_table_of_modes_has_every_mode_that_is_read(mode: str) -> None:
    (table,) = re.findall(r"\| Pillow's mode .*?\n\n", DOCUMENT, re.DOTALL)
    cells = [row.split(" | ") for row in table.strip().splitlines()]
    treatments = [as_image for modes, as_image, _ in cells if f"`{mode}`" in modes]
    assert any(not treatment.startswith("refused") for treatment in treatments)
