"""Training of families: a network that shares nothing gains nothing over references that are trained long enough."""

from dataclasses import replace
from pathlib import Path

import pytest

from gatefront.spaces.architecture.architecture import Architecture
from gatefront.trainer.baselines.references import train_reference
from gatefront.trainer.baselines.training_length import train_long_enough
from gatefront.trainer.config import TrainConfig
from gatefront.trainer.data import DataSpec, load_data
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.families.train_family import FamilySpec, train_family
from gatefront.trainer.trial.spec import TrainedReference

TRAIN = TrainConfig(epochs=4, batch_size=64, learning_rate=2e-2, device="cpu")


@pytest.mark.slow
def test_network_that_shares_nothing_gains_nothing(tmp_path: Path) -> None:
    """It starts from the references and trains on, as trials do, for as long as their first length.

    References that stop early leave it a gain that has nothing to do with sharing. (Trained on for so short, it may
    lose a little: a new schedule begins at a rate that undoes some of what was learned.)
    """
    data = load_data(DataSpec(name="digits", options={"train_size": 1500, "val_size": 1000}), tmp_path)
    tasks = data.description.tasks
    architecture = Architecture(backbone="smallconv", tasks=tasks, in_channels=1, input_size=(12, 14))

    def gain_over(references: dict[str, ReferenceResult], folder: str) -> float:
        spec = FamilySpec(
            family="single-task",
            architecture=architecture,
            train=replace(TRAIN, seed=1),
            single_task={name: TrainedReference.from_result(one) for name, one in references.items()},
        )
        metrics = train_family(spec, data, tmp_path / folder).metrics
        return delta_mtl(tasks, metrics, {name: one.metrics[name] for name, one in references.items()}).mean

    short = {
        task.name: train_reference(
            "single_task", architecture, task.name, data, replace(TRAIN, epochs=2), cache_dir=tmp_path
        )
        for task in tasks
    }
    long = {
        task.name: train_long_enough("single_task", architecture, task.name, data, TRAIN, cache_dir=tmp_path)
        for task in tasks
    }
    # Accuracies of 1,000 images have a standard error of about 1.5 %, their mean over three tasks of one.
    assert gain_over(short, "short") > 20
    assert -8 < gain_over(long, "long") < 2
