"""Settings of a trial's training, decoded from the values of its parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from gatefront.search.config.study_config import StudyConfig
from gatefront.trainer.config import DistillationConfig, TrainConfig

Number = Callable[[str], float]
"""Function that returns the value of a parameter by its name, sampled or fixed."""

Word = TypeVar("Word", bound=str)


def decode_train(config: StudyConfig, number: Number, params: Mapping[str, Any], *, seed: int) -> TrainConfig:
    """Return the recipe at these parameters, with this seed."""
    train = config.train
    return TrainConfig(
        epochs=int(number("train.epochs")),
        batch_size=int(number("train.batch_size")),
        learning_rate=number("train.learning_rate"),
        weight_decay=number("train.weight_decay"),
        ema=number("train.ema"),
        dropout=number("train.dropout"),
        label_smoothing=number("train.label_smoothing"),
        keep=train.keep,
        schedule=decode_word(train.schedules, params.get("train.schedule")),
        gradient_clip=None if train.gradient_clip is None else number("train.gradient_clip"),
        seed=seed,
        device=train.device,
        precision=train.precision,
        num_threads=train.num_threads,
        num_loader_workers=train.num_loader_workers,
        checkpoint_activations=train.checkpoint_activations,
        micro_batch_size=train.micro_batch_size,
        weighting=decode_word(train.weightings, params.get("train.weighting")),
    )


def decode_distillation(config: StudyConfig, number: Number) -> DistillationConfig | None:
    """Return the distillation at these parameters; None for a weight of 0."""
    weight = number("distillation.weight")
    if weight == 0:
        return None
    return DistillationConfig(
        weight=weight, temperature=number("distillation.temperature"), phases=tuple(config.distillation.phases)
    )


def decode_task_weights(config: StudyConfig, number: Number) -> dict[str, float]:
    """Return the weights of tasks that the study file names, at these parameters."""
    return {name: number(weight_parameter(name)) for name in config.tasks}


def weight_parameter(task_name: str) -> str:
    """Return the name of the parameter that is this task's weight."""
    return f"tasks.{task_name}.weight"


def decode_word(words: Sequence[Word], sampled: str | None) -> Word:
    """Return the sampled word, or the first one if none was sampled."""
    return words[0] if sampled is None else words[words.index(sampled)]
