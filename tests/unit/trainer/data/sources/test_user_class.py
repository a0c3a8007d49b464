"""Data sets named by the class that loads them."""

from pathlib import Path

import pytest
import torch

from gatefront.trainer.data import DataError, DataSpec, describe_data, load_data

MODULE = """
from dataclasses import dataclass, replace
import torch
from torch.utils.data import TensorDataset, Dataset
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import DataDescription, MultiTaskData, Sample, parse_options


@dataclass(frozen=True)
class Options:
    size: int = 4


class Ones(Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return Sample(torch.ones(1, 2, 3), {"parity": torch.tensor(index % 2)})


class Numbers:
    def describe(self, spec):
        options = parse_options(Options, spec)
        return DataDescription(
            tasks=(Task(name="parity", kind="classification", num_outputs=2),),
            in_channels=1, input_size=(2, 3), mean=(0.0,), std=(1.0,), num_train=options.size, num_val=1,
        )

    def load(self, spec, cache_dir):
        size = parse_options(Options, spec).size
        return MultiTaskData(description=self.describe(spec), train=Ones(size), val=Ones(1), fingerprint=str(size))


class Tested(Numbers):
    def describe(self, spec):
        return replace(super().describe(spec), num_test=int(spec.root is None))

    def load(self, spec, cache_dir):
        return MultiTaskData(
            description=self.describe(spec), train=Ones(4), val=Ones(1), test=Ones(1), fingerprint="tested"
        )


class Broken(Numbers):
    def describe(self, spec):
        return 3

    def load(self, spec, cache_dir):
        raise OSError("the disk is on fire.")


class Half:
    def describe(self, spec):
        return None


def needs_arguments(one):
    return Numbers()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # A name per test: Python imports a module once.
    name = f"numbers_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_class_is_loaded_like_a_built_in_set(module: str, tmp_path: Path) -> None:
    spec = DataSpec(name=f"{module}:Numbers", root=str(tmp_path), options={"size": 6})
    assert describe_data(spec).num_train == 6
    data = load_data(spec, tmp_path)
    assert data.fingerprint == "6"
    assert torch.equal(data.train[3].labels["parity"], torch.tensor(1))


def test_load_user_data_a_class_may_have_a_test_split(module: str, tmp_path: Path) -> None:
    spec = DataSpec(name=f"{module}:Tested")
    assert describe_data(spec).num_test == 1
    assert torch.equal(load_data(spec, tmp_path).test_split[0].labels["parity"], torch.tensor(0))
    with pytest.raises(DataError, match=r"the description has num_test = 0 \(found a test split\)"):
        load_data(DataSpec(name=f"{module}:Tested", root=str(tmp_path)), tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}:Number", r"has no class Number\. Nearest: Numbers"),
        ("{}:", r"not of the form package\.module:Class"),
        (":Numbers", r"not of the form package\.module:Class"),
        ("{}_absent:Numbers", r"importing .* failed with ModuleNotFoundError.*PYTHONPATH"),
        ("{}:needs_arguments", r"calling it without arguments failed with TypeError"),
        ("{}:Half", r"it has no load"),
        ("{}:Broken", r"describe gave int, expected DataDescription"),
    ],
)
def test_what_does_not_fit_is_explained(module: str, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        describe_data(DataSpec(name=name.format(module)))


def test_module_that_imports_the_old_names_is_told_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").touch()
    (tmp_path / "numbers_of_old.py").write_text("from trainer.data import DataSpec\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match=r"Import gatefront\.trainer\.data: gatefront's packages"):
        describe_data(DataSpec(name="numbers_of_old:Numbers"))


def test_faults_of_the_class_are_named_and_options_checked(module: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"load failed with OSError: the disk is on fire\."):
        load_data(DataSpec(name=f"{module}:Broken"), tmp_path)
    with pytest.raises(DataError, match="Did you mean 'size'"):
        describe_data(DataSpec(name=f"{module}:Numbers", options={"sise": 3}))
    with pytest.raises(DataError, match=r"data\.root .*nowhere"):
        describe_data(DataSpec(name=f"{module}:Numbers", root="nowhere"))
