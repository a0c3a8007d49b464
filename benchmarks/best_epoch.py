"""Which epoch should a training keep: the last, or the best by validation loss or by metrics?

    python benchmarks/best_epoch.py [--study studies/digits.toml] [--seeds 0 1 2] [--epochs 6 12 24 48]
        [--train-size 10000] [--results runs/best-epoch.jsonl]

Hard sharing and each task alone are trained at several lengths. After each epoch losses and metrics are recorded on the
validation split, and metrics on the test split; of a data set without one, the validation split is halved. Each rule
then chooses an epoch by the validation split. Printed per rule: what that epoch's test metrics gain over the last
epoch's, in percent, mean over tasks: mean over all trainings, worst and best of them. Every training is one line of the
results file, which a later call continues.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training_choices import read_results, with_test

from gatefront.search.config.study_file import read_study_file
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.spaces import Task
from gatefront.spaces.networks.shared_network import build_shared_network
from gatefront.trainer.data import MultiTaskData, load_data
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.strategy import Strategy
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.validation_score import validation_score
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import EpochReport

Epoch = dict[str, dict[str, float]]
"""Losses and metrics on the validation split, metrics on the test split, all by task."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, nargs="+", default=[6, 12, 24, 48])
    parser.add_argument("--train-size", type=int)
    parser.add_argument("--folder", type=Path, default=Path("runs/training-choices"))
    parser.add_argument("--results", type=Path, default=Path("runs/best-epoch.jsonl"))
    arguments = parser.parse_args()
    plan = plan_study(read_study_file(arguments.study)[1])
    size = {} if arguments.train_size is None else {"train_size": arguments.train_size}
    spec = replace(plan.data, options={**plan.data.options, **size})
    splits = with_test(load_data(spec, arguments.folder))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    done = read_results(arguments.results)
    common = {"study": arguments.study.stem, "train_size": arguments.train_size}
    names = [task.name for task in plan.tasks]
    for seed in arguments.seeds:
        for epochs in arguments.epochs:
            for group in (names, *([name] for name in names)):
                row = common | {"seed": seed, "epochs": epochs, "tasks": group}
                if not any(row.items() <= found.items() for found in done):
                    done.append(row | {"history": record(plan, splits, group, epochs, seed)})
                    with arguments.results.open("a") as file:
                        file.write(json.dumps(done[-1]) + "\n")
    print_table(plan, [row for row in done if common.items() <= row.items()])


def record(
    plan: StudyPlan, splits: tuple[MultiTaskData, Any], names: Sequence[str], epochs: int, seed: int
) -> list[Epoch]:
    """Train once, and return what each epoch was worth."""
    data, test = splits
    recipe = replace(plan.search_space.reference_train_config(epochs=epochs), seed=seed)
    tasks = [task for task in plan.tasks if task.name in names]
    seed_everything(seed)
    network = build_shared_network(plan.largest.architecture, names)
    history: list[Epoch] = []

    def remember(report: EpochReport, /) -> None:
        found = evaluate(network, test, tasks, runtime=resolve_runtime(recipe), batch_size=recipe.batch_size)
        history.append({"losses": dict(report.val_losses), "val": dict(report.metrics), "test": dict(found.metrics)})

    train(network, data, recipe, tasks=tasks, strategy=Strategy(keeps_best=False), reporter=remember)
    return history


def by_loss(tasks: Sequence[Task], history: Sequence[Epoch]) -> int:
    """Return the epoch with the lowest mean over tasks of the loss over that of the first epoch."""
    first = history[0]["losses"]
    ratios = [sum(epoch["losses"][task.name] / first[task.name] for task in tasks) for epoch in history]
    return ratios.index(min(ratios))


def by_score(tolerance: float) -> Callable[[Sequence[Task], Sequence[Epoch]], int]:
    """Return the rule that takes the last epoch whose score is so close to the highest."""

    def choose(tasks: Sequence[Task], history: Sequence[Epoch]) -> int:
        scores = [validation_score(tasks, epoch["val"]) for epoch in history]
        return max(index for index, score in enumerate(scores) if score >= max(scores) - tolerance)

    return choose


RULES: dict[str, Callable[[Sequence[Task], Sequence[Epoch]], int]] = {
    "lowest validation loss": by_loss,
    "highest score of metrics": by_score(0.0),
    "last within 0.2 % of the highest score": by_score(0.002),
    "last within 0.5 % of the highest score": by_score(0.005),
    "last within 1 % of the highest score": by_score(0.01),
}


def print_table(plan: StudyPlan, rows: Sequence[dict[str, Any]]) -> None:
    print("rule | mean gain over the last epoch, % | worst | best | trainings")
    for name, rule in RULES.items():
        gains = []
        for row in rows:
            tasks = [task for task in plan.tasks if task.name in row["tasks"]]
            history = row["history"]
            gains.append(delta_mtl(tasks, history[rule(tasks, history)]["test"], history[-1]["test"]).mean)
        if gains and all(map(math.isfinite, gains)):
            mean = statistics.mean(gains)
            print(f"{name} | {mean:+.2f} | {min(gains):+.2f} | {max(gains):+.2f} | {len(gains)}")


if __name__ == "__main__":
    main()
