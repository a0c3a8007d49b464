"""Measure what each choice of training is worth, alone and together.

    python benchmarks/training_choices.py [--study studies/digits.toml] [--seeds 0 1 2] [--epochs 24]
        [--systems hard-sharing separate] [--results runs/training-choices.jsonl] [--only NAME ...]

Hard sharing at the study's width and separate slim networks at about its cost are trained plainly (the best epoch is
kept) and with each choice: the last epoch instead, distillation at several weights and temperatures, a moving average
of weights, label smoothing, dropout, weight decay, and several together. Epochs are chosen on the validation split.
Figures are of the test split; of a data set without one, the validation split is halved. Every training is one line of
the results file, which a later call continues. Printed per system and choice: the gain over the plain training of the
same seed, in percent, mean over tasks; mean and standard deviation over seeds, and the share of seeds that gain.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from gatefront.search.config.study_file import read_study_file
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.spaces import Architecture
from gatefront.spaces.families import build_family
from gatefront.trainer.baselines.training_length import train_long_enough
from gatefront.trainer.config import DistillationConfig, TrainConfig
from gatefront.trainer.data import MultiTaskData, load_data
from gatefront.trainer.data.loader import num_samples
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.trial.spec import TrainedReference
from gatefront.trainer.trial.teachers import find_teachers

PLAIN = "plain"
SLIM = 0.6
"""Width of separate networks as a share of the study's: three of them cost about as much as one."""


@dataclass(frozen=True)
class Choice:
    """One way to train: settings of the recipe, distillation, and whether the best epoch is kept."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    distillation: DistillationConfig | None = None
    keeps_best: bool = True


def distilled(weight: float, temperature: float) -> DistillationConfig:
    return DistillationConfig(weight=weight, temperature=temperature)


CHOICES = {
    PLAIN: Choice(),
    "last epoch": Choice(keeps_best=False),
    "distillation 0.5, T 2": Choice(distillation=distilled(0.5, 2.0)),
    "distillation 0.7, T 4": Choice(distillation=distilled(0.7, 4.0)),
    "distillation 0.9, T 4": Choice(distillation=distilled(0.9, 4.0)),
    "average of weights 0.99": Choice({"ema": 0.99}),
    "label smoothing 0.05": Choice({"label_smoothing": 0.05}),
    "dropout 0.1": Choice({"dropout": 0.1}),
    "weight decay 0.05": Choice({"weight_decay": 0.05}),
    "distillation 0.7, T 4, and average": Choice({"ema": 0.99}, distilled(0.7, 4.0)),
    "all together": Choice(
        {"ema": 0.99, "label_smoothing": 0.05, "dropout": 0.1, "weight_decay": 0.05}, distilled(0.7, 4.0)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--systems", nargs="+", default=["hard-sharing", "separate"])
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    parser.add_argument("--folder", type=Path, default=Path("runs/training-choices"))
    parser.add_argument("--results", type=Path, default=Path("runs/training-choices.jsonl"))
    arguments = parser.parse_args()
    plan = plan_study(read_study_file(arguments.study)[1])
    data = with_test(load_data(plan.data, arguments.folder))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    done = read_results(arguments.results)
    for seed in arguments.seeds:
        for system in arguments.systems:
            for name in dict.fromkeys([PLAIN, *arguments.only]):
                row = {"study": arguments.study.stem, "epochs": arguments.epochs, "system": system, "seed": seed}
                row["choice"] = name
                if not any(row.items() <= found.items() for found in done):
                    metrics = measure(plan, data, system, CHOICES[name], seed, arguments.epochs, arguments.folder)
                    done.append(row | metrics)
                    with arguments.results.open("a") as file:
                        file.write(json.dumps(done[-1]) + "\n")
    common = {"study": arguments.study.stem, "epochs": arguments.epochs}
    print_table(plan, [row for row in done if common.items() <= row.items()])


def with_test(data: MultiTaskData) -> tuple[MultiTaskData, Any]:
    """Return the data and its test split. Without one, every second sample of the validation split is it."""
    test = getattr(data, "test", None)
    if test is not None:
        return data, test
    size = num_samples(data.val)
    halves = (Subset(data.val, range(start, size, 2)) for start in (0, 1))
    own, test = halves
    return replace(data, val=own, fingerprint=f"{data.fingerprint}, halved"), test


def read_results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def measure(
    plan: StudyPlan,
    splits: tuple[MultiTaskData, Any],
    system: str,
    choice: Choice,
    seed: int,
    epochs: int,
    folder: Path,
) -> dict[str, Any]:
    """Train once. Return the test metrics, the validation metrics and the epoch that was kept."""
    data, test = splits
    architecture = plan.largest.architecture
    base = plan.search_space.reference_train_config(epochs=epochs)
    recipe = replace(base, seed=seed, **choice.recipe)
    teachers = find_teachers(
        choice.distillation, references(architecture, data, base, folder), data, recipe, cache_dir=folder
    )
    strategy = Strategy(distillation=teachers.distillation("weights"), keeps_best=choice.keeps_best)
    if system == "separate":
        architecture = replace(architecture, width=SLIM * architecture.width)
    seed_everything(seed)
    network = build_family("hard-sharing" if system == "hard-sharing" else "single-task", architecture, {})
    outcome = train(network, data, recipe, tasks=plan.tasks, strategy=strategy)
    found = evaluate(network, test, plan.tasks, runtime=resolve_runtime(recipe), batch_size=recipe.batch_size)
    return {"test": dict(found.metrics), "val": dict(outcome.metrics), "best_epoch": outcome.best_epoch}


def references(
    architecture: Architecture, data: MultiTaskData, base: TrainConfig, folder: Path
) -> dict[str, TrainedReference]:
    """Return the single-task references, one seed for all trainings, as a study has them."""
    first = replace(base, epochs=max(1, base.epochs // 2))
    return {
        name: TrainedReference.from_result(
            train_long_enough("single_task", architecture, name, data, first, cache_dir=folder)
        )
        for name in architecture.task_names
    }


def print_table(plan: StudyPlan, rows: list[dict[str, Any]]) -> None:
    print("system | choice | gain on test, % | seeds that gain | epoch kept")
    for system, choice in dict.fromkeys((row["system"], row["choice"]) for row in rows):
        if choice != PLAIN:
            gains = list(paired_gains(plan, rows, system, choice))
            spread = f" ± {statistics.stdev(gains):.2f}" if len(gains) > 1 else ""
            kept = [row["best_epoch"] for row in rows if (row["system"], row["choice"]) == (system, choice)]
            share = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
            print(f"{system} | {choice} | {statistics.mean(gains):+.2f}{spread} | {share} | {kept}")


def paired_gains(plan: StudyPlan, rows: list[dict[str, Any]], system: str, choice: str) -> Iterator[float]:
    """Yield the gain over the plain training of the same seed, for each seed."""
    plain = {row["seed"]: row["test"] for row in rows if (row["system"], row["choice"]) == (system, PLAIN)}
    for row in rows:
        if (row["system"], row["choice"]) == (system, choice) and row["seed"] in plain:
            yield delta_mtl(plan.tasks, row["test"], plain[row["seed"]]).mean


if __name__ == "__main__":
    main()
