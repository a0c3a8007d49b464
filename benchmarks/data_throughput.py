"""How much of a training step waits for data: read from files or kept decoded, beside a plain torch loader.

    python benchmarks/data_throughput.py [--images 400] [--batch 8] [--epochs 3] [--workers 0 1 2] [--clock cpu]
                                         [--data plain files kept anew]

A tree as NYUD-v2's is written first: 480x640, a .jpg per image, classes as .png, depth and normals as .npy. The
network sees 96x128; images are mirrored and zoomed by 1 to 1.5, as the recipe of `nyud` does. Two networks are
trained on it with smallconv: one for semantic segmentation alone, the cheapest step of a study, and a gated one for
three tasks. The plain loader is torch's DataLoader over the same files with the same changes of images, its workers
kept from epoch to epoch, as training keeps its own; *anew* starts them for every epoch. Waiting is the time from
asking for a batch to having it; figures are of the best epoch behind the first. The CPU clock counts this process's
own time, for machines that are busy with other work; it does not see loader workers.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from gatefront.spaces import Architecture, build_gated_network, build_shared_network
from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.data import Batch, DataSpec, MultiTaskData, Sample, load_data
from gatefront.trainer.data.loader import collate, epoch_batches
from gatefront.trainer.data.training_batches import TrainingBatches
from gatefront.trainer.data.transforms.augmentation import ChangesWithEpoch
from gatefront.trainer.losses import task_loss

HEIGHT, WIDTH, NUM_CLASSES = 480, 640, 40
MANIFEST = f"""
input_size = [96, 128]
[tasks.semseg]
kind = "segmentation"
num_classes = {NUM_CLASSES}
[tasks.depth]
kind = "depth"
[tasks.normals]
kind = "normals"
"""
CHANGES = {"flip": True, "scale_low": 1.0, "scale_high": 1.5}
SOURCES = ("plain", "files", "kept", "anew")
Epoch = Callable[[int], Iterator[Batch]]
Clock = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--data", nargs="+", choices=SOURCES, default=SOURCES[:3])
    arguments = parser.parse_args()
    clock = time.perf_counter if arguments.clock == "wall" else time.process_time
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        write_tree(root, arguments.images)
        started = time.perf_counter()
        kept, files = (_load(root, cache) for cache in ("auto", "off"))
        print(f"{platform.processor() or 'CPU'}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__}")
        print(f"decoding {arguments.images} images once: {time.perf_counter() - started:.1f} s")
        print("network | loader workers | data | ms per step | of which waiting, ms | share waiting, %")
        for label, network, tasks in _networks(kept):
            for workers in arguments.workers:
                for name, epoch in _sources(kept, files, tasks, arguments, workers).items():
                    row = _measure(network, tasks, epoch, arguments.epochs, clock)
                    print(f"{label} | {workers} | {name} | {row}", flush=True)


def write_tree(root: Path, count: int) -> None:
    """As many images to train on, and eight to validate with, of smooth noise."""
    rng = np.random.default_rng(0)
    names = {"train": [f"t{n}" for n in range(count)], "val": [f"v{n}" for n in range(8)]}
    for folder in ("images", "semseg", "depth", "normals"):
        (root / folder).mkdir(parents=True)
    (root / "dataset.toml").write_text(MANIFEST)
    for split, listed in names.items():
        (root / f"{split}.txt").write_text("\n".join(listed))
        for name in listed:
            coarse = Image.fromarray(rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8))
            coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(root / "images" / f"{name}.jpg", quality=90)
            classes = rng.integers(0, NUM_CLASSES, (HEIGHT // 32, WIDTH // 32), np.uint8)
            Image.fromarray(classes.repeat(32, 0).repeat(32, 1)).save(root / "semseg" / f"{name}.png")
            np.save(root / "depth" / f"{name}.npy", rng.uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32))
            np.save(root / "normals" / f"{name}.npy", rng.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32))


def _load(root: Path, cache: str) -> MultiTaskData:
    spec = DataSpec(name="folder", root=str(root), options=CHANGES, cache=cache)
    return load_data(spec, root.parent / "cache")


def _networks(data: MultiTaskData) -> Iterator[tuple[str, nn.Module, tuple[Task, ...]]]:
    tasks, size = data.description.tasks, data.description.input_size
    single, gated = (
        Architecture(backbone="smallconv", tasks=chosen, in_channels=3, input_size=size)
        for chosen in (tasks[:1], tasks)
    )
    yield "one task", build_shared_network(single).train(), tasks[:1]
    yield "gated, three tasks", build_gated_network(gated).train(), tasks


def _sources(
    kept: MultiTaskData, files: MultiTaskData, tasks: tuple[Task, ...], arguments: argparse.Namespace, workers: int
) -> dict[str, Epoch]:
    def of_gatefront(data: MultiTaskData) -> Epoch:
        num_epochs = 1 + arguments.epochs
        return TrainingBatches(
            data.train, tasks, batch_size=arguments.batch, seed=0, num_epochs=num_epochs, num_workers=workers
        ).epoch

    plain = _plain_loader(files.train, tasks, arguments.batch, workers)

    def anew(epoch: int) -> Iterator[Batch]:
        size = arguments.batch
        return epoch_batches(kept.train, tasks, batch_size=size, seed=0, epoch=epoch, num_workers=workers)

    found: dict[str, tuple[str, Epoch]] = {
        "plain": ("plain DataLoader", lambda _epoch: iter(plain)),
        "files": ("from files", of_gatefront(files)),
        "kept": ("kept decoded", of_gatefront(kept)),
        "anew": ("kept decoded, workers anew for each epoch", anew),
    }
    return dict(found[name] for name in arguments.data)


def _plain_loader(train: Dataset[Sample], tasks: tuple[Task, ...], batch: int, workers: int) -> DataLoader[Sample]:
    if not isinstance(train, ChangesWithEpoch):
        raise SystemExit("the images are not changed")
    return DataLoader(
        train.at_epoch(0),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        collate_fn=lambda samples: collate(samples, tasks),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def _measure(network: nn.Module, tasks: tuple[Task, ...], epoch: Epoch, num_epochs: int, clock: Clock) -> str:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    found = [_train_epoch(network, optimizer, tasks, epoch(number), clock) for number in range(1 + num_epochs)]
    total, waiting = min(found[1:])
    return f"{1000 * total:.1f} | {1000 * waiting:.2f} | {100 * waiting / total:.1f}"


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    tasks: tuple[Task, ...],
    batches: Iterator[Batch],
    clock: Clock,
) -> tuple[float, float]:
    """Seconds of a step, and of them waiting."""
    waiting, steps = 0.0, 0
    started = asked = clock()
    for batch in batches:
        waiting += clock() - asked
        steps += 1
        predictions = network(batch.images)
        losses = [task_loss(task, predictions[task.name], batch.labels[task.name]) for task in tasks]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        asked = clock()
    return (clock() - started) / steps, waiting / steps


if __name__ == "__main__":
    main()
