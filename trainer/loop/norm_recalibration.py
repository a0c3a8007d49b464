"""Norm statistics of a network that lost channels and is not trained further."""

from itertools import islice

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from gatefront.spaces.architecture.tasks import Task
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.data.loader import epoch_batches
from gatefront.trainer.loop.micro_batches import split_batch
from gatefront.trainer.loop.runtime import resolve_runtime

NUM_BATCHES = 50


def recalibrate_norms(network: nn.Module, data: MultiTaskData, config: TrainConfig, tasks: tuple[Task, ...]) -> int:
    """Measure the running statistics of batch norms on at most 50 training batches. Return the samples seen.

    No weight changes. A norm has the wrong statistics if it reads other channels than it was trained on.
    """
    runtime = resolve_runtime(config)
    runtime.place_network(network)
    batches = epoch_batches(data.train, tasks, batch_size=config.batch_size, seed=config.seed, epoch=0)
    parts = (part for batch in islice(batches, NUM_BATCHES) for part in split_batch(batch, config.samples_at_once))
    images = [runtime.place_batch(part).images for part in parts]
    with torch.no_grad():
        update_bn(images, network)
    return sum(len(batch) for batch in images)
