"""LOMT trained: sparse networks first, then decoders where they say, with both steps paid."""

from dataclasses import replace
from pathlib import Path

import pytest

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.spaces.architecture.tasks import Task
from gatefront.spaces.families import build_lomt
from gatefront.spaces.graph.flop_counter import count_flops
from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.config import TrainConfig, TrainConfigError
from gatefront.trainer.data import DataSpec, MultiTaskData, load_data
from gatefront.trainer.trial.families.lomt_layer_search import LayerSearch, search_layers
from gatefront.trainer.trial.families.train_family import FamilySpec, train_family

pytestmark = pytest.mark.xdist_group("layer search")

TRAIN = TrainConfig(epochs=2, batch_size=16, learning_rate=1e-2)
SHAPE = (3, 16, 24)
NUM_SAMPLES = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MultiTaskData:
    options = {"train_size": NUM_SAMPLES, "val_size": 16, "height": 16, "width": 24}
    return load_data(DataSpec(name="rooms", options=options), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def architecture(data: MultiTaskData) -> Architecture:
    tasks: tuple[Task, ...] = data.description.tasks[:2]
    return Architecture(backbone="smallconv", tasks=tasks, in_channels=3, input_size=SHAPE[1:], decoder_width=8)


@pytest.fixture(scope="module")
def spec(architecture: Architecture) -> FamilySpec:
    """So sparse that nothing of the sparse networks is left: decoders go to the first place that they may have."""
    search = LayerSearch(train=TRAIN, sparsity=1e3)
    return FamilySpec(family="lomt", architecture=architecture, train=TRAIN, single_task={}, layer_search=search)


def test_what_the_sparse_networks_leave_empty_is_cut_off_and_their_training_counts(
    spec: FamilySpec, architecture: Architecture, data: MultiTaskData, tmp_path: Path
) -> None:
    result = train_family(spec, data, tmp_path)
    expected = build_lomt(architecture, attachments=dict.fromkeys(architecture.task_names, "stage2_2"))
    whole = build_lomt(architecture)
    assert result.flops == count_flops(expected, SHAPE) < count_flops(whole, SHAPE)
    alone = sum(count_flops(build_shared_network(architecture, [name]), SHAPE) for name in architecture.task_names)
    assert result.train_flops == 3 * NUM_SAMPLES * TRAIN.epochs * (alone + result.flops)
    assert set(result.metrics) == set(architecture.task_names)
    assert train_family(spec, data, tmp_path).metrics == result.metrics  # nothing is left to train


def test_little_sparsity_leaves_decoders_where_they_are(
    architecture: Architecture, data: MultiTaskData, tmp_path: Path
) -> None:
    found = search_layers(architecture, data, LayerSearch(train=TRAIN, sparsity=1e-9), work_dir=tmp_path)
    assert found.attachments == dict.fromkeys(architecture.task_names, "stage4_2")


def test_compute_decides_how_long_the_network_trains(spec: FamilySpec, data: MultiTaskData, tmp_path: Path) -> None:
    """The sparse networks are trained as asked; what is left is known once their layers are."""
    fixed = train_family(spec, data, tmp_path / "fixed")
    given = 3.5 * fixed.flops
    found = train_family(replace(spec, compute=given), data, tmp_path / "given")
    per_epoch = 3 * NUM_SAMPLES * fixed.flops
    assert found.train_flops - fixed.train_flops == (4 - TRAIN.epochs) * per_epoch


def test_settings_that_make_no_sense_are_refused(architecture: Architecture) -> None:
    with pytest.raises(TrainConfigError, match=r"lomt's sparsity must be above 0, found 0\.0"):
        LayerSearch(train=TRAIN, sparsity=0.0)
    with pytest.raises(TrainConfigError, match="lomt needs a layer_search"):
        FamilySpec(family="lomt", architecture=architecture, train=TRAIN, single_task={})
