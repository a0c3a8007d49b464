"""Studies of other families, and studies that choose among families."""

from pathlib import Path

import optuna
import pytest
import torch

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import reference_jobs
from gatefront.search.driver.worker.messages import TrialFinished, decode, encode
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.reference_lengths import single_task_length
from gatefront.search.planning.search_space import FAMILY, SearchSpace
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.sampling.optuna_study import adopt, ask, open_study
from gatefront.search.storage.artifacts.files import FileKind, files_of_trial
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.spaces import BudgetBelowFloorError, SpaceError
from gatefront.trainer.checkpoints.rotation import add_checkpoint_file
from gatefront.trainer.config import TrainConfigError
from gatefront.trainer.reporting import TrialResult
from gatefront.trainer.trial.family_config import FamilyChoice

HEAD = '[study]\nname = "f"\n[data]\nname = "digits"\n'
MIXED = (
    HEAD
    + """
[train]
learning_rate = {low = 1e-3, high = 1e-2}
[family]
name = {choices = ["interrogate", "mtan", "etr-nlp", "lomt"]}
gamma = {low = 0.25, high = 0.75}
sparsity = {choices = [1e-3, 1e-2]}
[gates]
tau = {low = 0.0, high = 0.8}
"""
)
OWN = {
    "interrogate": {"gates.tau"},
    "mtan": set(),
    "etr-nlp": {"family.gamma"},
    "lomt": {"family.sparsity"},
}
"""Per family, the knobs of MIXED that it alone has."""


def study_of(family: str, *, head: str = HEAD) -> StudyConfig:
    return parse_study(f'{head}[family]\nname = "{family}"\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[family]\nname = "mtann"\n', r"family\.name: .*found 'mtann'"),
        ("[family]\nname = {choices = []}\n", r"family\.name"),
        ("[family]\ngamma = 0.5\n", r'gamma has no effect without the family "etr-nlp"'),
        ('[family]\nname = "etr-nlp"\nsparsity = 1e-3\n', r'sparsity has no effect without the family "lomt"'),
        ('[family]\nname = "etr-nlp"\ngamma = {low = 0.5, high = 1.0}\n', r"gamma must lie above 0 and below 1"),
        ('[family]\nname = "lomt"\nsparsity = 0.0\n', r"sparsity must be above 0, found 0\.0"),
        ('[family]\nname = "mtan"\n[gates]\ntau = 0.3\n', r"\[gates\] has no effect with family\.name mtan"),
        ('[family]\nname = {choices = ["mtan", "lomt"]}\n[gates]\nlambda_s = 3.0\n', "no effect with .* mtan, lomt"),
        ("[family]\nsize = 3\n", r"\[family\]: unknown key 'size'"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(StudyFileError, match=words):
        parse_study(HEAD + text)


def test_a_grid_takes_one_family() -> None:
    with pytest.raises(StudyFileError, match=r'"grid" takes one family.*one study per family'):
        parse_study(MIXED.replace('name = "f"', 'name = "f"\nsampler = "grid"'))


def test_a_trial_is_asked_for_what_its_family_has() -> None:
    space = SearchSpace(parse_study(MIXED))
    assert set(space.distributions()) == {FAMILY, "train.learning_rate", *set().union(*OWN.values())}
    study = open_study(optuna.storages.InMemoryStorage(), space, num_trials=24)
    seen = set()
    for number in range(24):
        trial = ask(study, space)
        family = trial.params[FAMILY]
        assert set(trial.params) == {FAMILY, "train.learning_rate"} | OWN[family]
        study.tell(trial, [float(number), 1.0])
        seen.add(family)
    assert seen == set(OWN)


def test_an_interrupted_trial_is_completed_for_its_family() -> None:
    space = SearchSpace(parse_study(MIXED))
    study = open_study(optuna.storages.InMemoryStorage(), space, num_trials=24)
    study.enqueue_trial({FAMILY: "lomt"})
    for _ in range(len(space.first_points())):
        study.tell(ask(study, space), [0.0, 1.0])
    begun = study.ask()  # killed before anything was sampled
    adopted = adopt(study, study.get_trials()[begun.number], space)
    assert set(adopted.params) == {FAMILY, "train.learning_rate", "family.sparsity"}


def test_every_family_is_tried_at_first() -> None:
    points = SearchSpace(parse_study(MIXED)).first_points()
    assert [point[FAMILY] for point in points[:4]] == ["interrogate", "mtan", "etr-nlp", "lomt"]
    assert [point[FAMILY] for point in points[4:]] == ["interrogate", "etr-nlp"] * 2
    assert [point["gates.tau"] for point in points if "gates.tau" in point] == [0.0, 0.4, 0.8]
    assert [point["family.gamma"] for point in points if "family.gamma" in point] == [0.25, 0.5, 0.75]
    assert SearchSpace(study_of("mtan")).first_points() == []


@pytest.fixture(scope="module")
def mixed() -> StudyPlan:
    return plan_study(parse_study(MIXED))


def test_a_point_means_a_family_with_its_settings(mixed: StudyPlan) -> None:
    common = {"train.learning_rate": 2e-3}
    gated = mixed.search_space.decode({**common, FAMILY: "interrogate", "gates.tau": 0.3}, seed=1)
    assert (gated.family, gated.gates.tau) == (None, (0.3, 0.3, 0.3))
    routed = mixed.search_space.decode({**common, FAMILY: "etr-nlp", "family.gamma": 0.3}, seed=1)
    assert routed.family == FamilyChoice(name="etr-nlp", settings={"gamma": 0.3})
    sparse = mixed.search_space.decode({**common, FAMILY: "lomt", "family.sparsity": 1e-2}, seed=1)
    assert sparse.family == FamilyChoice(
        name="lomt", sparsity=1e-2, search_epochs=single_task_length(mixed.config).epochs
    )
    for settings in (routed, sparse):
        assert (settings.flop_target, settings.gates.finetune_epochs, settings.train.learning_rate) == (None, 0, 2e-3)


def test_families_without_gates_need_no_network_for_a_shared_branch() -> None:
    plan = plan_study(study_of("cross-stitch"))
    assert {job.purpose for job in reference_jobs(plan)} == {"single_task", "hard_sharing"}
    assert {job.purpose for job in reference_jobs(plan_study(parse_study(HEAD)))} > {"shared_init"}


def test_a_family_over_the_budget_is_refused_before_anything_is_trained() -> None:
    head = HEAD.replace('name = "f"', 'name = "f"\nflop_budget = "60%"')
    with pytest.raises(BudgetBelowFloorError, match="cheapest network of family cross-stitch has"):
        plan_study(study_of("cross-stitch", head=head))
    assert plan_study(study_of("hard-sharing", head=head)).budgets.flops is not None


def test_a_family_must_work_on_the_backbone() -> None:
    head = HEAD.replace("digits", "rooms") + '[network]\nbackbone = "test_vit2"\n'
    with pytest.raises(SpaceError, match="mtan masks maps"):
        plan_study(study_of("mtan", head=head))


def test_weightings_that_gates_rule_out_are_there_for_others() -> None:
    head = HEAD + '[train]\nweighting = "mgda-ub"\n'
    assert plan_study(study_of("hard-sharing", head=head)).config.train.weightings == ("mgda-ub",)
    with pytest.raises(TrainConfigError):
        plan_study(parse_study(head))


def test_checkpoints_of_sparse_networks_go_when_the_trial_has_ended(tmp_path: Path) -> None:
    folders = StudyFolders(tmp_path, "f")
    folders.trial(3).mkdir(parents=True)
    add_checkpoint_file(folders.trial(3) / "sparse-left-hand.pt", lambda fresh: torch.save({}, fresh))
    (found,) = files_of_trial(folders, 3)
    assert (found.kind, found.key) == (FileKind.RESUME_POINT, (3, 0))


def test_a_result_without_gates_reaches_the_driver() -> None:
    result = TrialResult(
        metrics={"a": 1.0}, delta_per_task={"a": 1.0}, delta_mtl=1.0, flops=10, flop_budget=None, flops_before_cut=10,
        num_parameters=3, gate_map=None, seconds=1.0, device="cpu", train_flops=1.0, peak_memory_mib=1.0,
        environment={}, network_path="network.pt",
    )  # fmt: skip
    assert decode(encode(TrialFinished(result))) == TrialFinished(result)
