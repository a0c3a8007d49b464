"""All checks of a study, from the cheap ones to the slow ones."""

from collections.abc import Iterator
from pathlib import Path

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.contact_sheet import draw_contact_sheet
from gatefront.search.doctor.data_checks import check_data
from gatefront.search.doctor.duration import check_duration
from gatefront.search.doctor.environment_checks import check_database, check_disk, check_networks
from gatefront.search.doctor.first_steps import FirstSteps, take_first_steps
from gatefront.search.doctor.journey import check_journeys
from gatefront.search.doctor.memory import check_memory
from gatefront.search.planning.study_plan import plan_study
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.trainer.data import load_data


def examine(config: StudyConfig, *, url: str, storage: Path) -> Iterator[Check]:
    """Yield every check in turn, as soon as it is known.

    Raises:
        StudyFileError, DataError, SpaceError: the study file asks for something that does not exist.
    """
    plan = plan_study(config)
    folders = StudyFolders(storage, config.study.name)
    yield check_networks(plan)
    yield check_disk(plan, storage)
    yield check_database(url)
    data = load_data(plan.data, folders.cache)
    yield from check_data(plan.tasks, data)
    yield draw_contact_sheet(plan.tasks, data, folders.contact_sheet)
    families = config.family.names
    yield from check_journeys(plan)
    steps: list[FirstSteps] = []
    for family in families:
        steps.append(take_first_steps(plan, data, family))
        yield steps[-1].check_overfit(beside_others=len(families) > 1)
    yield check_memory(plan, steps)
    yield check_duration(plan, data, steps)
