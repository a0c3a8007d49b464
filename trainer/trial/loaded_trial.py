"""LoadedTrial: a trial's specification with the data and teachers that it names."""

from dataclasses import dataclass, field

from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.trial.spec import TrialSpec
from gatefront.trainer.trial.teachers import TrialTeachers


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTrial:
    """Trial whose data and teachers are in memory. Without ``teachers`` there is no distillation."""

    spec: TrialSpec
    data: MultiTaskData
    teachers: TrialTeachers = field(default_factory=TrialTeachers)
