"""References: what is trained, what is recorded, what a trial gets. Training itself is a stand-in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatefront.search.cli.front_table import front_notes
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import (
    ReferenceJob,
    References,
    TrainAll,
    prepare_references,
    reference_jobs,
    train_job,
    trained_flops,
)
from gatefront.search.errors import ReferenceFailedError
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.results.unlearned_tasks import unlearned_sentences
from gatefront.search.snapshots.reader import StudyReader
from gatefront.trainer.reporting import ReferenceResult

OpenStudy = Callable[..., Any]

STUDY = """
[study]
name = "table"
trials = 2
[data]
name = "digits"
[network]
stem = "small"
width = {choices = [0.5, 1.0]}
[gates]
shared_init = "%s"
"""


def _train_all(jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
    """Finishes in the reverse order; the metric tells the width, the path tells the job."""
    for job in reversed(jobs):
        hard = job.task_name is None
        metric = 100.0 * job.architecture.width - (10.0 if job.purpose == "hard_sharing" else 0.0)
        names = job.architecture.task_names if hard else (str(job.task_name),)
        yield (
            job,
            ReferenceResult(
                kind="hard_sharing" if hard else "single_task",
                key=job.role,
                tasks=names,
                metrics=dict.fromkeys(names, metric),
                flops=100,
                num_parameters=10,
                seconds=2.0,
                train_flops=1e9,
                path=f"{job.role}.pt",
                from_cache=False,
            ),
        )


def _scoring(scores: Mapping[str, float], constants: Mapping[str, float]) -> TrainAll:
    """Every network scores this; alone also known is what a constant prediction would."""

    def train_all(jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        for job, result in _train_all(jobs, cache_dir):
            metrics = {name: scores[name] for name in result.tasks}
            known = {name: constants[name] for name in result.tasks if result.kind == "single_task"}
            better = {name: value + 10.0 for name, value in metrics.items()} if job.task_name is None else metrics
            yield job, replace(result, metrics=better, constant_metrics=known)

    return train_all


_SCORES = {"left": 80.0, "right": 0.41, "orientation": 50.0}
_CONSTANTS = {"left": 11.0, "right": 11.0, "orientation": 30.0}


def test_prepare_references_unlearned_task_is_named_and_left_out_of_delta_mtl(
    open_table_study: OpenStudy, caplog: pytest.LogCaptureFixture
) -> None:
    text = STUDY % "random"
    run = open_table_study(text=text)
    plan = plan_study(parse_study(text))
    references = prepare_references(plan, run.store, Path("cache"), _scoring(_SCORES, _CONSTANTS))
    # Hard sharing is 10 points better everywhere: 12.5 % at left and 20 % at orientation, 2439 % at right.
    assert references.hard_sharing_delta_mtl() == pytest.approx((12.5 + 20.0) / 2)
    assert "right (accuracy %: 0.41; of a constant prediction: 11) has not learned: Δ_MTL leaves it out" in caplog.text
    spec = references.single_task(plan.largest)
    assert {name: one.has_learned for name, one in spec.items()} == {"left": True, "right": False, "orientation": True}
    view = StudyReader(run.url).view("table")
    (sentence,) = unlearned_sentences(view)
    assert sentence.startswith(
        "Not learned alone, so left out of Δ_MTL: right (accuracy %: 0.41; of a constant prediction: 11)."
    )
    assert sentence in list(front_notes(view))


def test_prepare_references_no_task_learned_ends_with_every_task_and_a_way_out(open_table_study: OpenStudy) -> None:
    text = STUDY % "random"
    run = open_table_study(text=text)
    flat = dict.fromkeys(_SCORES, 11.0)
    with pytest.raises(ReferenceFailedError) as error:
        prepare_references(plan_study(parse_study(text)), run.store, Path("cache"), _scoring(flat, flat))
    for task in ("left", "right", "orientation"):
        assert f"{task} (accuracy %: 11; of a constant prediction: 11)" in error.value.message
    # Δ_MTL is of no task then, so that it leaves none out.
    assert unlearned_sentences(StudyReader(run.url).view("table")) == []
    assert "gatefront doctor" in str(error.value.hint)
    assert "rank_unlearned = true" in str(error.value.hint)


def test_prepare_references_rank_unlearned_counts_every_task_and_says_so(open_table_study: OpenStudy) -> None:
    text = (STUDY % "random").replace("trials = 2", "trials = 2\nrank_unlearned = true")
    run = open_table_study(text=text)
    plan = plan_study(parse_study(text))
    references = prepare_references(plan, run.store, Path("cache"), _scoring(_SCORES, _CONSTANTS))
    assert references.hard_sharing_delta_mtl() == pytest.approx((12.5 + 20.0 + 100 * 10 / 0.41) / 3)
    (sentence,) = unlearned_sentences(StudyReader(run.url).view("table"))
    assert "Δ_MTL counts it nevertheless (rank_unlearned = true)" in sentence


def test_prepare_references_resumed_study_of_an_earlier_release_ranks_as_it_did(open_table_study: OpenStudy) -> None:
    text = STUDY % "random"
    run = open_table_study(text=text)
    plan = plan_study(parse_study(text))
    prepare_references(plan, run.store, Path("cache"), _scoring(_SCORES, dict.fromkeys(_SCORES, 0.0)))
    again = prepare_references(plan, run.store, Path("cache"), _scoring(_SCORES, _CONSTANTS))
    assert again.unranked == frozenset()


def _prepare(open_table_study: OpenStudy, shared_init: str) -> tuple[StudyPlan, References, StudyReader]:
    text = STUDY % shared_init
    run = open_table_study(text=text)
    plan = plan_study(parse_study(text))
    return plan, prepare_references(plan, run.store, Path("cache"), _train_all), StudyReader(run.url)


def test_weights_are_the_capacitys_own_and_metrics_the_largest_ones(open_table_study: OpenStudy) -> None:
    plan, references, _ = _prepare(open_table_study, "hard_sharing")
    small = references.single_task(plan.capacities[0])
    assert list(small) == ["left", "right", "orientation"]
    assert small["left"].metrics == {"left": 100.0}
    assert "x0.5" in small["left"].path
    assert "single_task / left" in small["left"].path
    shared = references.shared_init(plan.capacities[0])
    assert shared is not None
    assert "x0.5" in shared.path


def test_shared_branch_may_start_from_random_weights(open_table_study: OpenStudy) -> None:
    plan, references, _ = _prepare(open_table_study, "random")
    assert references.shared_init(plan.largest) is None
    assert not any("shared_init" in role for role in references.results)


def test_baselines_are_recorded_with_their_delta(open_table_study: OpenStudy) -> None:
    _, references, reader = _prepare(open_table_study, "hard_sharing")
    assert references.hard_sharing_delta_mtl() == pytest.approx(-10.0)
    single, hard = reader.view("table").references
    assert (single.kind, single.delta_mtl, single.num_parameters) == ("single_task", 0.0, 30)
    assert single.metrics == {"left": 100.0, "right": 100.0, "orientation": 100.0}
    assert (hard.kind, hard.delta_mtl) == ("hard_sharing", pytest.approx(-10.0))
    # 2 x (3 single-task + 1 hard sharing), 2 s each: the larger shared branch starts from the baseline.
    assert reader.view("table").summary.seconds_spent == pytest.approx(16.0)


_TINY = """
[study]
name = "{name}"
flop_budget = "{budget}"
seed = 0
rank_unlearned = true
[data]
name = "digits"
options = {{train_size = 64, val_size = 32}}
[network]
stem = "small"
width = 0.25
[train]
epochs = {epochs}
reference_epochs = 1
shared_init_epochs = 1
[gates]
finetune_epochs = 1
"""


def _train_here(jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
    for job in jobs:
        yield job, train_job(job, cache_dir)


def test_studies_of_one_storage_share_what_is_the_same(open_table_study: OpenStudy, tmp_path: Path) -> None:
    """Another name, budget and length of trials: the networks that trials start from are trained once."""
    results = {}
    for name, budget, epochs in (("first", "90%", 1), ("second", "70%", 3)):
        text = _TINY.format(name=name, budget=budget, epochs=epochs)
        plan = plan_study(parse_study(text))
        run = open_table_study(text=text)
        results[name] = prepare_references(plan, run.store, tmp_path / "cache", _train_here).results
    for role, result in results["second"].items():
        if "/ hard_sharing" not in role:
            assert result.from_cache
            assert (result.path, result.metrics) == (results["first"][role].path, results["first"][role].metrics)


def test_jobs_that_are_one_training_are_trained_once(open_table_study: OpenStudy, tmp_path: Path) -> None:
    """With automatic lengths the shared branch starts from the hard-sharing reference itself."""
    text = STUDY % "hard_sharing"
    plan, run = plan_study(parse_study(text)), open_table_study(text=text)
    asked: list[ReferenceJob] = []

    def train_all(jobs: list[ReferenceJob], cache_dir: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        asked.extend(jobs)
        return _train_all(jobs, cache_dir)

    references = prepare_references(plan, run.store, tmp_path, train_all)
    assert len(reference_jobs(plan)) == 2 * (3 + 1) + 1
    assert len(asked) == 2 * (3 + 1)
    assert [job.purpose for job in asked].count("shared_init") == 1  # of the smaller capacity
    initial = references.shared_init(plan.largest)
    (baseline,) = [job for job in reference_jobs(plan) if job.purpose == "hard_sharing"]
    assert initial is not None
    assert initial.path == references.results[baseline.role].path
    twins = [result for result in references.results.values() if result.path == initial.path]
    assert sorted(result.from_cache for result in twins) == [False, True]  # so that its time counts once


def test_automatic_length_is_carried_out(tmp_path: Path) -> None:
    text = _TINY.format(name="a", budget="90%", epochs=1).replace("reference_epochs = 1", 'reference_epochs = "auto"')
    jobs = [job for job in reference_jobs(plan_study(parse_study(text))) if job.task_name == "left"]
    assert [(job.train.epochs, job.is_auto) for job in jobs] == [(2, True)]
    result = train_job(jobs[0], tmp_path)
    assert result.lengths[:2] == (2, 4)
    assert result.epochs in result.lengths


def test_cost_of_references_is_that_of_all_lengths() -> None:
    text = _TINY.format(name="a", budget="90%", epochs=1)
    plan = plan_study(parse_study(text.replace("reference_epochs = 1", 'weighting = "pcgrad"\nreference_epochs = 1')))
    (_, alone), *_ = _train_all([job for job in reference_jobs(plan) if job.task_name == "left"], Path())
    (_, together), *_ = _train_all([job for job in reference_jobs(plan) if job.purpose == "shared_init"], Path())
    results = [replace(alone, lengths=(2, 4), flops=100), replace(together, lengths=(3,), flops=40)]
    # PCGrad makes one forward and three backward passes for three tasks: 7/3 of plain training.
    assert trained_flops(plan, results) == pytest.approx(6 * 100 + 3 * 40 * 7 / 3)


def test_figures_on_test_are_against_the_single_task_networks_there() -> None:
    plan = plan_study(parse_study(STUDY % "random"))

    def tested(result: ReferenceResult) -> ReferenceResult:
        return replace(result, test_metrics=dict.fromkeys(result.tasks, 40.0 if result.kind == "single_task" else 30.0))

    results = {job.role: tested(result) for job, result in _train_all(reference_jobs(plan), Path())}
    references = References(plan=plan, results=results, unranked=frozenset({"left"}))
    assert references.hard_sharing_on_test() == -25.0
    figures = references.figures_on_test({"left": 0.0, "right": 44.0, "orientation": 20.0})
    assert figures.delta_per_task == {"right": pytest.approx(10.0), "orientation": -50.0}
    assert figures.delta_mtl == pytest.approx(-20.0)


def test_hard_sharing_on_test_is_unknown_without_a_test_split_or_a_score_there() -> None:
    plan = plan_study(parse_study(STUDY % "random"))
    results = {job.role: result for job, result in _train_all(reference_jobs(plan), Path())}
    assert References(plan=plan, results=results).hard_sharing_on_test() is None
    zero = {role: replace(found, test_metrics=dict.fromkeys(found.tasks, 0.0)) for role, found in results.items()}
    assert References(plan=plan, results=zero).hard_sharing_on_test() is None
