"""Evaluation of a delivered network on the test split, after everything was chosen."""

from pathlib import Path

from torch import nn

from gatefront.trainer.checkpoints.network_file import load_delivered
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.compatibility import require_match
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.loop.evaluation import evaluate
from gatefront.trainer.loop.runtime import resolve_runtime


def evaluate_file_on_test(path: Path, data: MultiTaskData, config: TrainConfig) -> dict[str, float]:
    """Return the metric of each task on the test split, of the plain network in a file.

    Args:
        path: the file of a delivered network.
        data: the data that it was trained on.
        config: the recipe, of which device and batch count.

    Raises:
        DataError: the data have no test split, or do not fit the network.
        CheckpointError: the file is missing or damaged.
        DivergedError: a prediction is not finite.
    """
    split = data.test_split
    delivered = load_delivered(path)
    require_match(delivered.architecture, data.description)
    network: nn.Module = delivered.make_plain()
    runtime = resolve_runtime(config)
    runtime.place_network(network)
    tasks = delivered.architecture.tasks
    return dict(evaluate(network, split, tasks, runtime=runtime, batch_size=config.samples_at_once).metrics)
