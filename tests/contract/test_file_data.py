"""What every data set that is read from files promises, on the smallest tree of its layout; each is trained a step."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from torch.utils.data import Dataset

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.doctor import examine
from gatefront.search.driver.references import References, reference_jobs, train_job
from gatefront.search.driver.result_validation import check_result
from gatefront.search.planning.study_plan import plan_study
from gatefront.spaces import Architecture, build_gated_network
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import (
    DATA_SOURCES,
    IGNORE_INDEX,
    DataError,
    DataSpec,
    MultiTaskData,
    Sample,
    describe_data,
    load_data,
)
from gatefront.trainer.data.cache.decoded_split import DecodedSplit
from gatefront.trainer.data.dataset import OptionValue
from gatefront.trainer.data.loader import epoch_batches, num_samples
from gatefront.trainer.data.sources.celeba.attributes import ATTRIBUTES
from gatefront.trainer.loop.train import train
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.run_trial import run_trial

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_noise() -> None:
    """Start every test from the same noise, whichever tests ran before it in this process."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


def blocks(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // 16), -(-size[1] // 16)


def in_blocks(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Blocks of 16 pixels: noise takes long to write and to read."""
    return values.repeat(16, axis=0).repeat(16, axis=1)[: size[0], : size[1]]


def photograph(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(in_blocks(RNG.integers(0, 256, (*blocks(size), 3), np.uint8), size)).save(path)


def picture(path: Path, values: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def array(path: Path, values: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def matlab(path: Path, **variables: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)


def classes(size: tuple[int, int], low: int, high: int) -> NDArray[np.uint8]:
    """Draw a class for every block; the lowest one always occurs, as labels without it look counted from 1."""
    drawn = RNG.integers(low, high + 1, blocks(size), np.uint8)
    drawn[0, 0] = low
    return in_blocks(drawn, size)


def unit_vectors(size: tuple[int, int]) -> NDArray[np.float32]:
    vectors = RNG.normal(size=(*size, 3)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


def lists(folder: Path) -> dict[str, str]:
    """Three images in the official training list, of which one validates, and one in the official validation list."""
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("a\nb\nd\n")
    (folder / "val.txt").write_text("c\n")
    return {"a": "train", "b": "train", "d": "train", "c": "val"}


def write_nyud(root: Path, dialect: str) -> None:
    size = (480, 640)
    for name in lists(root / "gt_sets"):
        photograph(root / "images" / f"{name}.jpg", size)
        semseg, depth = classes(size, 0, 40), RNG.uniform(0, 9, size).astype(np.float32)
        if dialect == "survey":
            picture(root / "segmentation" / f"{name}.png", semseg)
            array(root / "depth" / f"{name}.npy", depth)
            array(root / "normals" / f"{name}.npy", unit_vectors(size))
            array(root / "edge" / f"{name}.npy", classes(size, 0, 1))
        else:
            matlab(root / "segmentation" / f"{name}.mat", segmentation=semseg)
            matlab(root / "depth" / f"{name}.mat", depth=depth)
            photograph(root / "normals" / f"{name}.jpg", size)
            picture(root / "edge" / f"{name}.png", 255 * classes(size, 0, 1))


def write_pascal(root: Path) -> None:
    size = (60, 40)
    parts = np.array([("head", classes(size, 0, 1))], dtype=[("part_name", object), ("mask", object)])
    person = np.empty((1, 1), dtype=[(name, object) for name in ("class", "class_ind", "mask", "parts")])
    person[0, 0] = ("person", 15, np.ones(size, np.uint8), parts)
    for name in lists(root / "ImageSets" / "Context"):
        photograph(root / "JPEGImages" / f"{name}.jpg", size)
        picture(root / "semseg" / "VOC12" / f"{name}.png", classes(size, 0, 20))
        matlab(root / "human_parts" / f"{name}.mat", anno={"imname": name, "objects": person})
        matlab(root / "pascal-context" / "trainval" / f"{name}.mat", LabelMap=classes(size, 1, 250).astype(np.uint16))
        photograph(root / "normals_distill" / f"{name}.png", size)
        picture(root / "sal_distill" / f"{name}.png", classes(size, 0, 255))


def write_libmtl(root: Path, size: tuple[int, int], num_classes: int, has_normals: bool) -> None:
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            array(root / split / "image" / f"{number}.npy", RNG.random((*size, 3)).astype(np.float32))
            array(root / split / "label" / f"{number}.npy", classes(size, 0, num_classes).astype(np.float32) - 1)
            array(root / split / "depth" / f"{number}.npy", RNG.uniform(0, 9, (*size, 1)).astype(np.float32))
            if has_normals:
                array(root / split / "normal" / f"{number}.npy", unit_vectors(size))


def write_cityscapes_parts(root: Path) -> None:
    size = (256, 512)
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            photograph(root / split / "image" / f"{number}.png", size)
            picture(root / split / "depth" / f"{number}.png", RNG.integers(0, 20_000, size, np.uint16))
            picture(root / split / "seg" / f"{number}.png", classes(size, 0, 33))
            parts = 2_400_100 + classes(size, 0, 4).astype(np.int32)
            picture(root / split / "part_seg" / f"{number}.tif", parts)


def write_celeba(root: Path) -> None:
    names = [f"{number:06}.jpg" for number in range(1, 5)]
    # Each attribute is both no and yes among the two images to train on.
    shown = [values := RNG.choice([-1, 1], 40), -values, values, -values]
    rows = [f"{name} " + " ".join(map(str, of_image)) for name, of_image in zip(names, shown, strict=True)]
    root.mkdir()
    (root / "list_attr_celeba.txt").write_text("\n".join(("4", " ".join(ATTRIBUTES), *rows)))
    (root / "list_eval_partition.txt").write_text("\n".join(f"{name} {max(0, n - 1)}" for n, name in enumerate(names)))
    for name in names:
        photograph(root / "img_align_celeba" / name, (218, 178))


def write_folder(root: Path) -> None:
    names = lists(root)
    (root / "train.txt").write_text("a\nb\n")
    (root / "test.txt").write_text("d\n")
    for name in names:
        photograph(root / "images" / f"{name}.png", (32, 48))
        picture(root / "things" / f"{name}.png", classes((32, 48), 0, 2))
        array(root / "far" / f"{name}.npy", RNG.uniform(0, 9, (32, 48)).astype(np.float32))
    (root / "labels.csv").write_text("image,animal,wet,striped\na,cat,1,0\nb,dog,,1\nc,dog,0,0\nd,cat,1,1\n")
    (root / "dataset.toml").write_text(
        'input_size = [32, 48]\n[tasks.things]\nkind = "segmentation"\nnum_classes = 3\n[tasks.far]\nkind = "depth"\n'
        '[tasks.animal]\nkind = "classification"\nclasses = ["cat", "dog"]\n'
        '[tasks.look]\nkind = "multilabel"\nclasses = ["wet", "striped"]\n'
    )


@dataclass(frozen=True)
class Layout:
    name: str
    write: Callable[[Path], None]
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    resolution: float = 0.1


LAYOUTS = {
    "nyud of the survey": Layout("nyud", lambda root: write_nyud(root, "survey"), {"edges": True}),
    "nyud of ASTMT": Layout("nyud", lambda root: write_nyud(root, "astmt"), {"edges": True}),
    "pascal": Layout("pascal-context", write_pascal),
    "nyuv2": Layout("nyuv2", lambda root: write_libmtl(root, (288, 384), 13, True)),
    "cityscapes": Layout("cityscapes", lambda root: write_libmtl(root, (128, 256), 7, False), resolution=0.25),
    "cityscapes with parts": Layout("cityscapes-parts", write_cityscapes_parts),
    "celeba": Layout("celeba", write_celeba, {"tasks": "smiling, hair"}, resolution=0.5),
    "folder": Layout("folder", write_folder, resolution=1.0),
}


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


@pytest.fixture
def spec(layout: Layout, tmp_path: Path) -> DataSpec:
    layout.write(tmp_path / "tree")
    return DataSpec(name=layout.name, root=str(tmp_path / "tree"), options=layout.options)


def load(spec: DataSpec, **options: OptionValue) -> MultiTaskData:
    changed = DataSpec(name=spec.name, root=spec.root, options={**spec.options, **options})
    return load_data(changed, Path(str(spec.root)).parent / "cache")


def every_sample(split: Dataset[Sample]) -> list[Sample]:
    return [split[index] for index in range(num_samples(split))]


def test_every_data_set_that_is_read_has_a_layout_here() -> None:
    composed = {"multi-mnist"}  # images that are made of those in the files: the contract of generated data
    assert {layout.name for layout in LAYOUTS.values()} | composed == {
        name for name, source in DATA_SOURCES.items() if not source.is_generated
    }


def test_samples_are_as_described(spec: DataSpec) -> None:
    data = load(spec)
    description = data.description
    assert (description.num_train, description.num_val, description.num_test) == (2, 1, 1)
    assert describe_data(spec).tasks == description.tasks
    for sample in every_sample(data.train) + every_sample(data.val) + every_sample(data.test_split):
        assert sample.image.shape == (3, *description.input_size)
        assert sample.image.dtype == torch.float32
        assert sample.image.isfinite().all()
        for task in description.tasks:
            if task.name not in sample.labels:
                continue
            label, size = sample.labels[task.name], description.input_size
            if task.kind in ("classification", "segmentation"):
                assert label.shape == (() if task.kind == "classification" else size)
                assert label.dtype == torch.int64
                assert set(label.unique().tolist()) <= set(range(task.num_outputs)) | {IGNORE_INDEX}
                assert len(description.class_names[task.name]) == task.num_outputs
                continue
            assert label.shape == ((task.num_outputs, *size) if task.is_dense else (task.num_outputs,))
            assert label.dtype == torch.float32
            known = label[~label.isnan()]
            if task.kind == "normals":
                torch.testing.assert_close(label.norm(dim=0).nan_to_num(1), torch.ones(size))
            elif task.kind == "depth":
                assert (known >= 0).all()
            else:
                assert set(known.unique().tolist()) <= {0.0, 1.0}


def test_decoded_samples_are_those_of_the_files(spec: DataSpec) -> None:
    kept, plain = load(spec), load_data(replace(spec, cache="off"), Path())
    for one, two in zip(kept.splits.values(), plain.splits.values(), strict=True):
        assert isinstance(one, DecodedSplit)
        for found, expected in zip(every_sample(one), every_sample(two), strict=True):
            assert torch.equal(found.image, expected.image)
            assert found.labels.keys() == expected.labels.keys()
            for name, label in expected.labels.items():
                torch.testing.assert_close(found.labels[name], label, rtol=0, atol=0, equal_nan=True)


def test_content_has_one_fingerprint(spec: DataSpec) -> None:
    data = load(spec)
    assert load(spec).fingerprint == data.fingerprint
    prints = {data.fingerprint, load(spec, augment=True).fingerprint}
    newest = max(path for path in Path(str(spec.root)).rglob("*") if path.suffix in (".jpg", ".png", ".npy"))
    os.utime(newest, ns=(0, 0))
    assert len(prints | {load(spec).fingerprint}) == 3


def test_image_that_is_a_link_to_a_file_that_is_gone_is_named(spec: DataSpec) -> None:
    image = load(spec).files["train"].image_file(0)
    image.unlink()
    image.symlink_to("/gone/image")
    with pytest.raises(
        DataError, match=rf"{image.name}( \(a link to /gone/image\))? (cannot be read: No such file|is missing)"
    ):
        load(spec)


def test_changed_images_keep_the_form_and_validation_stays(spec: DataSpec) -> None:
    plain, changed = load(spec), load(spec, augment=True, scale_low=0.8, scale_high=1.3)
    (batch,) = epoch_batches(changed.train, plain.description.tasks, batch_size=2, seed=1, epoch=0)
    assert batch.images.isfinite().all()
    for task in plain.description.tasks:
        label = batch.labels[task.name]
        assert label.dtype == (torch.int64 if task.kind in ("classification", "segmentation") else torch.float32)
    for one, two in zip(every_sample(plain.val), every_sample(changed.val), strict=True):
        assert torch.equal(one.image, two.image)


def test_a_gated_network_is_trained_a_step(spec: DataSpec, layout: Layout) -> None:
    data = load(spec, augment=True)
    architecture = Architecture(
        backbone="smallconv",
        tasks=data.description.tasks,
        in_channels=3,
        input_size=data.description.input_size,
        width=0.125,
        resolution=layout.resolution,
        decoder_width=4,
    )
    network = build_gated_network(architecture)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    config = TrainConfig(epochs=1, batch_size=2, device="cpu")
    outcome = train(network, data, config, tasks=architecture.tasks)
    assert outcome.metrics.keys() == {task.name for task in architecture.tasks}
    assert all(np.isfinite(value) for value in outcome.metrics.values())
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def study_of(spec: DataSpec, layout: Layout) -> StudyConfig:
    """The smallest study there is on it: one epoch of everything, two samples a batch."""
    return StudyConfig.model_validate(
        {
            "study": {"name": "tiny", "flop_budget": "95%", "trials": 2, "workers": 1},
            "data": {"name": spec.name, "root": spec.root, "options": {**spec.options, "augment": True}},
            "network": {"width": 0.125, "resolution": layout.resolution, "decoder_width": 4},
            "train": {
                "epochs": 1,
                "batch_size": 2,
                "device": "cpu",
                "reference_epochs": 1,
                "hard_sharing_epochs": 1,
            },
            "gates": {"tau": {"low": 0.0, "high": 1.0}, "finetune_epochs": 1, "shared_init": "random"},
        }
    )


def test_the_doctor_finds_it_well(
    spec: DataSpec, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatefront.search.doctor.first_steps._MOST_FLOPS", 0.0)  # two samples of noise teach nothing
    checks = list(examine(study_of(spec, layout), url=f"sqlite:///{tmp_path}/g.db", storage=tmp_path))
    assert {check.name: check.detail for check in checks if not check.passed} == {}
    found = {check.name: check for check in checks}
    assert found["samples"].detail == "2 for training, 1 for validation, 1 for test; kept decoded"
    for task in describe_data(spec).tasks:
        assert found[f"labels of {task.name}"].more
    with Image.open(tmp_path / "tiny" / "contact-sheet.png") as sheet:
        assert sheet.height > 5 * 160  # two images, the same changed, and one to validate with


def never_zero(result: ReferenceResult) -> ReferenceResult:
    """On a single image of noise a reference may score 0, over which no gain is defined."""
    return replace(result, metrics={task: score or 1.0 for task, score in result.metrics.items()})


@pytest.mark.slow
def test_a_study_of_two_trials(spec: DataSpec, layout: Layout, tmp_path: Path) -> None:
    """As a study does it, but in this process: references, two points, and what gates and budget left of them."""
    plan, cache = plan_study(study_of(spec, layout)), tmp_path / "cache"
    trained = {job.role: train_job(job, cache) for job in reference_jobs(plan)}
    references = References(plan=plan, results={role: never_zero(result) for role, result in trained.items()})
    assert np.isfinite(references.hard_sharing_delta_mtl())
    for number, point in enumerate(plan.search_space.first_points()[:2]):
        trial = references.trial_spec(plan.search_space.decode(point, seed=number))
        result = run_trial(trial, work_dir=tmp_path / str(number), cache_dir=cache, reporter=lambda _report: None)
        check_result(result, tasks=tuple(task.name for task in plan.tasks), budgets=plan.budgets)
        assert (tmp_path / str(number) / "network.pt").is_file()


def test_an_empty_folder_is_refused(layout: Layout, tmp_path: Path) -> None:
    spec = DataSpec(name=layout.name, root=str(tmp_path), options=layout.options)
    with pytest.raises(DataError, match=str(tmp_path)):
        load_data(spec, tmp_path / "cache")
    with pytest.raises(DataError, match=r"Set data\.root"):
        load_data(DataSpec(name=layout.name), tmp_path)
    with pytest.raises(DataError, match="no option 'colour'"):
        describe_data(DataSpec(name=layout.name, options={"colour": 3}))
