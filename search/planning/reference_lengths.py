"""Lengths of the trainings of a study's references, as the study file asks for them."""

from dataclasses import dataclass

from gatefront.search.config.family import INTERROGATE
from gatefront.search.config.parameters import max_value
from gatefront.search.config.study_config import StudyConfig
from gatefront.trainer.baselines.training_length import doubled_lengths


@dataclass(frozen=True, slots=True)
class ReferenceLength:
    """Length of a reference's training in epochs; with ``is_auto`` the first of several, each twice the one before."""

    epochs: int
    is_auto: bool = False

    @property
    def most_epochs(self) -> int:
        """Upper bound of the epochs of all trainings together."""
        return sum(doubled_lengths(self.epochs)) if self.is_auto else self.epochs


def single_task_length(config: StudyConfig) -> ReferenceLength:
    """Return the length of the single-task references."""
    return _length(config, config.train.reference_epochs)


def hard_sharing_length(config: StudyConfig) -> ReferenceLength:
    """Return the length of the hard-sharing reference."""
    return _length(config, config.train.hard_sharing_epochs)


def shared_init_length(config: StudyConfig) -> ReferenceLength | None:
    """Return the length of the network that the shared branch starts from. None: there is no such network."""
    if config.gates.shared_init == "random" or INTERROGATE not in config.family.names:
        return None
    asked = config.train.shared_init_epochs
    return _length(config, config.train.reference_epochs if asked is None else asked)


def _length(config: StudyConfig, asked: int | str) -> ReferenceLength:
    """Return the length asked for. The automatic one begins with that of the longest trial."""
    if isinstance(asked, int):
        return ReferenceLength(asked)
    finetuned = max_value(config.gates.finetune_epochs) if INTERROGATE in config.family.names else 0
    return ReferenceLength(max_value(config.train.epochs) + finetuned, is_auto=True)
