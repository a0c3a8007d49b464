"""What gatefront uses of Optuna's private parts is as it was when it was written, in the release that is installed."""

import inspect
import subprocess
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from gatefront.search.storage.optuna_internals import (
    MIGRATIONS,
    STORAGE_METHODS,
    StudyWithTrials,
    begin_trial,
    contains,
    set_system_attribute,
    trial_handle,
)

ROOT = Path(__file__).resolve().parents[4]
SIGNATURES = {
    "create_new_study": ["directions", "study_name"],
    "set_study_system_attr": ["study_id", "key", "value"],
    "set_study_user_attr": ["study_id", "key", "value"],
    "get_study_id_from_name": ["study_name"],
    "get_study_name_from_id": ["study_id"],
    "get_study_directions": ["study_id"],
    "get_study_user_attrs": ["study_id"],
    "get_study_system_attrs": ["study_id"],
    "get_all_studies": [],
    "_create_new_trial": ["study_id", "template_trial"],
    "_set_trial_param": ["trial_id", "param_name", "param_value_internal", "distribution", "previous_distribution"],
    "set_trial_user_attr": ["trial_id", "key", "value"],
    "set_trial_system_attr": ["trial_id", "key", "value"],
    "get_trial": ["trial_id"],
    "get_trial_id_from_study_id_trial_number": ["study_id", "trial_number"],
    "_get_trials": ["study_id", "states", "included_trial_ids", "trial_id_greater_than"],
}


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study()
    for value in (1.0, 2.0, 3.0):
        study.add_trial(create_trial(value=value))
    return study


def test_installed_optuna_is_of_the_series_that_the_dependency_names() -> None:
    assert '"optuna==5.0.*"' in (ROOT / "pyproject.toml").read_text()
    assert optuna.__version__.startswith("5.0.")


@pytest.mark.parametrize("name", STORAGE_METHODS)
def test_storage_method_takes_the_arguments_that_it_is_repeated_with(name: str) -> None:
    _, *arguments = inspect.signature(getattr(optuna.storages.RDBStorage, name)).parameters
    assert arguments == SIGNATURES[name]


def test_study_reads_its_trials_through_the_method_that_is_replaced() -> None:
    parameters = inspect.signature(optuna.Study._get_trials).parameters
    assert list(parameters) == ["self", "deepcopy", "states", "use_cache"]


def test_study_with_trials_shows_samplers_another_list_of_the_same_storage(study: optuna.Study) -> None:
    extra = create_trial(value=9.0)
    shown = StudyWithTrials(study, lambda stored: [extra, *(trial for trial in stored if trial.number != 1)])
    assert [trial.value for trial in shown.get_trials(deepcopy=False)] == [9.0, 1.0, 3.0]
    assert [trial.value for trial in shown._get_trials(use_cache=True)] == [9.0, 1.0, 3.0]
    assert shown.get_trials(states=(TrialState.RUNNING,)) == []
    assert len(study.trials) == 3


def test_begun_trial_is_running_and_can_be_told(study: optuna.Study) -> None:
    template = create_trial(
        state=TrialState.RUNNING, params={"x": 0.5}, distributions={"x": FloatDistribution(0.0, 1.0)}
    )
    trial = begin_trial(study, template)
    (running,) = study.get_trials(states=(TrialState.RUNNING,))
    assert (running.number, running.params) == (trial.number, {"x": 0.5})
    assert trial_handle(study, running).number == trial.number
    set_system_attribute(study, running, "place", 7)
    study.tell(trial, 4.0)
    assert study.trials[trial.number].system_attrs == {"place": 7}
    assert study.trials[trial.number].value == 4.0


@pytest.mark.parametrize(
    ("distribution", "inside", "outside"),
    [
        (FloatDistribution(0.0, 1.0), 1.0, 1.5),
        (IntDistribution(1, 9, step=2), 3, 10),
        (CategoricalDistribution(("a", "b")), "b", "c"),
    ],
)
def test_contains_tells_what_a_distribution_can_give(
    distribution: FloatDistribution, inside: object, outside: object
) -> None:
    assert contains(distribution, inside)
    assert not contains(distribution, outside)


def test_folder_of_migrations_holds_optunas_scripts() -> None:
    assert list((MIGRATIONS / "versions").glob("*.py"))


def test_no_other_module_uses_private_parts_of_optuna() -> None:
    private = r"study\._storage|study\._study_id|trial\._trial_id|\._trial_id|def _get_trials|distribution\._contains"
    found = subprocess.run(
        ["grep", "-rlE", private, "--include=*.py", "search", "trainer", "spaces", "dashboards"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert found == ["search/storage/optuna_internals.py"]
