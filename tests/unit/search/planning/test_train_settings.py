"""Settings of a training from a point: options, weights of tasks, and what references make of them."""

from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import References, reference_jobs
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.trainer.reporting import ReferenceResult

STUDY = '[study]\nname = "s"\n[data]\nname = "digits"\n[network]\nwidth = 0.25\n'
WEIGHTED = (
    "[tasks.left]\nweight = {low = 0.1, high = 10, log = true}\n"
    "[tasks.right]\nweight = {choices = [2.0, 0.5]}\n"
    "[tasks.orientation]\nweight = 3.0\n"
)


def study(more: str) -> StudyConfig:
    return parse_study(STUDY + more)


@pytest.fixture(scope="module")
def weighted() -> StudyPlan:
    return plan_study(study(WEIGHTED))


def test_weights_of_tasks_are_knobs(weighted: StudyPlan) -> None:
    found = weighted.search_space.distributions()
    assert found["tasks.left.weight"] == FloatDistribution(0.1, 10.0, log=True)
    assert found["tasks.right.weight"] == CategoricalDistribution((2.0, 0.5))
    assert "tasks.orientation.weight" not in found


def test_trial_trains_with_its_own_weights_and_references_with_the_center(weighted: StudyPlan) -> None:
    settings = weighted.search_space.decode({"tasks.left.weight": 4.0, "tasks.right.weight": 0.5}, seed=1)
    assert [task.weight for task in settings.architecture.tasks] == [4.0, 0.5, 3.0]
    for job in reference_jobs(weighted):
        assert [task.weight for task in job.architecture.tasks] == [pytest.approx(1.0), 2.0, 3.0]
    results = {
        job.role: ReferenceResult(
            kind="single_task" if job.task_name else "hard_sharing",
            key=job.role,
            tasks=(job.task_name,) if job.task_name else job.architecture.task_names,
            metrics=dict.fromkeys(job.architecture.task_names, 50.0),
            flops=1,
            num_parameters=1,
            seconds=1.0,
            train_flops=1.0,
            path=f"{job.role}.pt",
            from_cache=False,
        )
        for job in reference_jobs(weighted)
    }
    spec = References(plan=weighted, results=results).trial_spec(settings)
    assert [task.weight for task in spec.architecture.tasks] == [4.0, 0.5, 3.0]
    assert spec.hard_sharing is not None
    other = References(plan=weighted, results=results).trial_spec(replace(settings, task_weights={"left": 1.0}))
    assert other.key("data") != spec.key("data")


@pytest.mark.parametrize("weight", ["0.0", "-1", "{low = 0.0, high = 1.0}", "{choices = [1.0, 0.0]}"])
def test_weight_of_zero_is_refused(weight: str) -> None:
    with pytest.raises(StudyFileError, match=r"tasks\.left\.weight: weight must be above 0"):
        study(f"[tasks.left]\nweight = {weight}")


def test_weight_that_no_weighting_reads_is_refused() -> None:
    with pytest.raises(StudyFileError, match=r'Cannot search tasks\.left\.weight: only .*"scalar".*found uniform, dwa'):
        plan_study(study(f'[train]\nweighting = {{choices = ["uniform", "dwa"]}}\n{WEIGHTED}'))
    plan_study(study(f'[train]\nweighting = {{choices = ["uniform", "scalar"]}}\n{WEIGHTED}'))


def test_options_of_training_are_knobs() -> None:
    space = plan_study(study("[train]\nema = {choices = [0.0, 0.99]}\ndropout = 0.1")).search_space
    settings = space.decode({"train.ema": 0.99}, seed=1)
    assert (settings.train.ema, settings.train.dropout, settings.train.label_smoothing) == (0.99, 0.1, 0.0)
    reference = space.reference_train_config(epochs=3)
    assert (reference.ema, reference.dropout) == (0.0, 0.1)


@pytest.mark.parametrize("key", ["ema", "dropout", "label_smoothing"])
def test_options_that_leave_nothing_are_refused(key: str) -> None:
    for value in ("1.0", "-0.1"):
        with pytest.raises(StudyFileError, match=rf"{key} must be at least 0 and below 1"):
            study(f"[train]\n{key} = {value}")
