"""The root of a data set: every source is given the folder itself, also where a study writes ``~``."""

import sys
from pathlib import Path

import numpy as np
import pytest

from gatefront.trainer.data import DataError, DataSpec, describe_data, load_data


class Telling:
    """A source of the user's own that only tells its root."""

    def describe(self, spec: DataSpec) -> object:
        raise DataError(f"the root is {spec.root}.")

    load = describe


def test_describe_data_gives_a_class_the_home_folder_spelled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "mydata_telling", sys.modules[__name__])
    with pytest.raises(DataError, match=rf"the root is {tmp_path}/tree\."):
        describe_data(DataSpec(name="mydata_telling:Telling", root="~/tree"))


def test_load_data_of_resized_tree_in_the_home_folder_has_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for split in ("train", "val"):
        for folder, array in (
            ("image", np.full((9, 21, 3), 0.5)),
            ("label", np.full((9, 21), 3)),
            ("depth", np.ones((9, 21, 1))),
        ):
            (tmp_path / "tree" / split / folder).mkdir(parents=True)
            np.save(tmp_path / "tree" / split / folder / "0.npy", array)
    spec = DataSpec(name="cityscapes", root="~/tree", cache="off", options={"val_share": 0})
    data = load_data(spec, tmp_path / "cache")
    assert data.description.input_size == (9, 21)
    assert data.train[0].image.shape == (3, 9, 21)


def test_describe_data_of_the_home_of_an_unknown_user_is_no_folder() -> None:
    with pytest.raises(DataError, match=r"data\.root '~no such user/tree' is not a folder"):
        describe_data(DataSpec(name="nyuv2", root="~no such user/tree"))
