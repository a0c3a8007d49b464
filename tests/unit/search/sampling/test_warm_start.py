"""A study that starts from an earlier one: the same question only, its trials warm the sampler, a network goes on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest

from gatefront.search.cli.main import main
from gatefront.search.config.comparability import first_difference
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import LineageError
from gatefront.search.planning.search_space import FAMILY, SearchSpace
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.results.states import StudyState
from gatefront.search.sampling.filtered_sampler import FilteredSampler
from gatefront.search.sampling.optuna_study import open_study
from gatefront.search.sampling.warm_start import INITIAL, begin_from, initial_trials_of, read_warm_start
from gatefront.search.service.amendments import void_trial
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.schema import StudyRow
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.json_codec import to_json

OpenStudy = Callable[..., Any]

EARLIER = """
[study]
name = "table"
trials = 4
[data]
name = "digits"
[network]
backbone = "smallconv"
width = 1.0
[train]
epochs = 3
[gates]
sparsity = "expected_flops"
flop_target = {low = 0.2, high = 1.0}
lambda_s = {low = 3.0, high = 30.0, log = true}
"""
LATER = EARLIER.replace('name = "table"\ntrials = 4', 'name = "later"\ntrials = 3\nflop_budget = "60%"')


@pytest.fixture(scope="module")
def plan() -> StudyPlan:
    return plan_study(parse_study(LATER))


@pytest.fixture(autouse=True)
def _own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEFRONT_DB", f"sqlite:///{tmp_path}/gatefront.db")
    monkeypatch.setenv("GATEFRONT_STORAGE", str(tmp_path / "runs"))


@pytest.fixture
def earlier(open_table_study: OpenStudy, plan: StudyPlan) -> Any:
    """Four complete trials; the targets of the first three are within the later budget."""
    study = open_table_study(max_concurrent=9, text=EARLIER)
    budget = plan.budgets.flops
    assert budget is not None
    for number, (flops, delta_mtl) in enumerate(
        ((budget - 20_000, -3.0), (budget - 5_000, -2.0), (budget - 9_000, -6.0), (budget + 9_000, -1.0))
    ):
        study.searcher.suggest(f"ray{number}")
        study.finish(f"ray{number}", delta_mtl=delta_mtl, flops=flops, flop_budget=None, flop_target=flops + 100)
    return study


def test_trials_keep_their_flops_under_another_budget(earlier: Any, plan: StudyPlan) -> None:
    reader = StudyReader(earlier.url)
    warm_start = begin_from(plan, reader, "table")
    points = {f"table {point.number}": point for point in reader.view("table").points}
    assert warm_start.trials
    for trial in warm_start.trials:
        point = points[trial.user_attrs["inherited_from"]]
        assert trial.values == [point.delta_mtl, point.flops]
        settings = plan.search_space.decode(trial.params, seed=0)
        assert settings.flop_target == pytest.approx(point.flop_target, abs=1)
        assert trial.params["gates.lambda_s"] == point.params["gates.lambda_s"]
        assert (trial.constraints["flops"] <= 0) == (point.flops <= plan.budgets.flops)
    # Trial 3 asked for more than this study may spend, so this study could not have proposed it.
    assert "table 3" not in {trial.user_attrs["inherited_from"] for trial in warm_start.trials}
    assert [trial.number for trial in warm_start.trials] == list(range(-len(warm_start.trials), 0))


def test_the_sampler_begins_with_them_and_the_study_does_not_hold_them(earlier: Any, plan: StudyPlan) -> None:
    warm_start = read_warm_start(plan, StudyReader(earlier.url), "table")
    study = open_study(optuna.storages.InMemoryStorage(), plan.search_space, num_trials=3)
    study.sampler = FilteredSampler(study.sampler, frozenset, warm_start.trials)
    assert study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) == []
    shown = study.sampler._shown(study).get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert shown == list(warm_start.trials)


@pytest.mark.parametrize("sampler", ["gp", "tpe", "tpe-independent", "nsga2", "random", "grid"])
def test_every_sampler_can_work_with_them(earlier: Any, plan: StudyPlan, sampler: str) -> None:
    config = parse_study(LATER.replace("trials = 3", f'trials = 3\nsampler = "{sampler}"'))
    warm_start = read_warm_start(plan, StudyReader(earlier.url), "table")
    study = open_study(optuna.storages.InMemoryStorage(), SearchSpace(config), num_trials=0)
    study.sampler = FilteredSampler(study.sampler, frozenset, warm_start.trials)
    space = warm_start.trials[0].distributions
    for _ in range(3):
        trial = study.ask(dict(space))
        assert set(trial.params) == set(space)
        trial.set_constraint("flops", -0.1)
        trial.set_constraint("trained", -1.0)
        study.tell(trial, [-2.0, 1e5])


def test_the_heir_goes_on_from_the_nearest_network_of_the_front(earlier: Any, plan: StudyPlan, tmp_path: Path) -> None:
    reader = StudyReader(earlier.url)
    assert read_warm_start(plan, reader, "table").initial_trial is None, "no file is where the database says"
    _keep_networks(earlier, tmp_path, range(4))
    initial_trial = read_warm_start(plan, reader, "table").initial_trial
    assert initial_trial is not None
    # Of the front, trial 1 is nearest from below, trial 3 lies farther above.
    assert initial_trial.initial.label == "table 1"
    assert initial_trial.initial.path == str(tmp_path / "table" / "trials" / "1" / "network.pt")
    assert initial_trial.params["gates.flop_target"] == 1.0
    study = open_study(
        optuna.storages.InMemoryStorage(),
        plan.search_space,
        num_trials=3,
        initial_trials=initial_trials_of(read_warm_start(plan, reader, "table")),
    )
    waiting = study.get_trials()
    assert len(waiting) == 3
    first = study.ask()
    assert first.user_attrs[INITIAL] == to_json(initial_trial.initial)
    again = open_study(
        study._storage,
        plan.search_space,
        num_trials=3,
        initial_trials=initial_trials_of(read_warm_start(plan, reader, "table")),
    )
    assert len(again.get_trials()) == 3


def test_a_network_that_is_gone_or_void_is_no_beginning(earlier: Any, plan: StudyPlan, tmp_path: Path) -> None:
    reader = StudyReader(earlier.url)
    _keep_networks(earlier, tmp_path, (0, 3))
    initial_trial = read_warm_start(plan, reader, "table").initial_trial
    assert initial_trial is not None
    assert initial_trial.initial.label == "table 3"
    void_trial(earlier.store._engine, "table", 3, "the wrong data")
    initial_trial = read_warm_start(plan, reader, "table").initial_trial
    assert initial_trial is not None
    assert initial_trial.initial.label == "table 0"


def test_void_trials_teach_no_later_study(earlier: Any, plan: StudyPlan) -> None:
    reader = StudyReader(earlier.url)
    before = {trial.user_attrs["inherited_from"] for trial in read_warm_start(plan, reader, "table").trials}
    void_trial(earlier.store._engine, "table", 0, "the wrong data")
    after = {trial.user_attrs["inherited_from"] for trial in read_warm_start(plan, reader, "table").trials}
    assert after == before - {"table 0"}
    for number in (1, 2, 3):
        void_trial(earlier.store._engine, "table", number, "the wrong data")
    assert read_warm_start(plan, reader, "table").trials == ()
    with pytest.raises(LineageError, match="no complete trial"):
        begin_from(plan, reader, "table")


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("epochs = 3", "epochs = 4", "train.epochs: 4 here, 3 there"),
        ("low = 3.0", "low = 2.0", "gates.lambda_s"),
        ('name = "digits"', 'name = "rooms"', "data.name: rooms here, digits there"),
        ('name = "digits"', 'name = "digits"\noptions = {train_size = 9}', "data.options"),
        ("[train]", "[tasks.left]\nweight = 2.0\n[train]", "tasks.left"),
        ("width = 1.0", "width = 0.5", "network.width: 0.5 here, 1.0 there"),
        ("[train]", "[latency]\n[train]", "latency.runtime"),
    ],
)
def test_another_question_is_refused_with_the_first_difference(
    earlier: Any, plan: StudyPlan, old: str, new: str, difference: str
) -> None:
    other = replace(plan, config=parse_study(LATER.replace(old, new)))
    with pytest.raises(LineageError, match="differs in") as refused:
        begin_from(other, StudyReader(earlier.url), "table")
    assert difference in refused.value.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 3", 'epochs = 3\ndevice = "cpu"\nnum_threads = 2'),
        ("trials = 3", 'trials = 9\nseed = 5\nsampler = "random"\nparam_budget = "2M"\nconfirm_seeds = 5'),
        ("[train]", "[early_stopping]\n[train]"),
        ('name = "digits"', 'name = "digits"\nroot = "/elsewhere"'),
    ],
)
def test_budget_search_and_machine_may_differ(old: str, new: str) -> None:
    assert first_difference(parse_study(LATER.replace(old, new)), parse_study(EARLIER)) is None


def test_a_network_over_the_new_cap_on_parameters_teaches_nothing(earlier: Any) -> None:
    plan = plan_study(parse_study(LATER.replace("trials = 3", 'trials = 3\nparam_budget = "200K"')))
    assert read_warm_start(plan, StudyReader(earlier.url), "table").trials != ()
    # The trials of the table have 1234.
    assert read_warm_start(replace(plan, budgets=Budgets(params=1000)), StudyReader(earlier.url), "table").trials == ()


def test_where_a_study_comes_from_is_kept_and_shown(
    earlier: Any, plan: StudyPlan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _keep_networks(earlier, tmp_path, (1,))
    warm_start = read_warm_start(plan, StudyReader(earlier.url), "table")
    row = earlier.store.load()
    later = {column.name: getattr(row, column.name) for column in StudyRow.__table__.columns}
    changes = {"name": "later", "started_from": "table", "created_at": datetime.now(UTC), "state": StudyState.STOPPED}
    StudyStore.create(earlier.store._engine, StudyRow(**later | changes), began=str(warm_start))
    view = StudyReader(earlier.url).view("later")
    assert view.summary.started_from == "table"
    assert view.points == ()
    (event,) = view.events
    assert event.kind == "started_from"
    assert "the first trial goes on from the network of table 1" in event.detail
    assert main(["status", "later"]) == 0
    assert "trials warm the sampler" in capsys.readouterr().out


def test_starting_from_nothing_is_wrong_input(earlier: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "later.toml"
    path.write_text(LATER)
    assert main(["start", str(path), "--from", "no-such-study"]) == 2
    assert "no-such-study" in capsys.readouterr().err
    path.write_text(LATER.replace("epochs = 3", "epochs = 4"))
    assert main(["start", str(path), "--from", "table"]) == 2
    assert "differs in train.epochs: 4 here, 3 there" in capsys.readouterr().err
    assert [summary.name for summary in StudyReader(earlier.url).list_studies()] == ["table"]


MIXED = (
    EARLIER.replace('sparsity = "expected_flops"\nflop_target = {low = 0.2, high = 1.0}\n', "")
    + """
[family]
name = {choices = ["interrogate", "mtan", "etr-nlp"]}
gamma = {low = 0.25, high = 0.75}
"""
)


def _of(*families: str, text: str = MIXED) -> str:
    """The mixed study's file, for these families alone."""
    head = text.replace('name = "table"', 'name = "later"').replace(
        '{choices = ["interrogate", "mtan", "etr-nlp"]}', f"{{choices = {list(families)}}}"
    )
    if "interrogate" not in families:
        head = head.replace("[gates]\nlambda_s = {low = 3.0, high = 30.0, log = true}\n", "")
    return head if "etr-nlp" in families else head.replace("gamma = {low = 0.25, high = 0.75}\n", "")


@pytest.fixture
def mixed(open_table_study: OpenStudy, tmp_path: Path) -> Any:
    """A complete trial of each family; the dearer the better, so that all are on the front."""
    study = open_table_study(max_concurrent=9, text=MIXED)
    for number, (flops, delta_mtl) in enumerate(((10_000, -3.0), (20_000, -2.0), (30_000, -1.0))):
        study.searcher.suggest(f"ray{number}")
        study.finish(f"ray{number}", delta_mtl=delta_mtl, flops=flops, flop_budget=None)
    _keep_networks(study, tmp_path, range(3))
    return study


@pytest.mark.parametrize(
    ("families", "initial_trial", "numbers"),
    [
        (("interrogate", "mtan", "etr-nlp"), "table 2", [0, 1, 2]),
        (("interrogate", "mtan"), "table 1", [0, 1]),
        (("interrogate",), "table 0", [0]),
        (("mtan", "cross-stitch"), "table 1", [1]),
        (("etr-nlp",), "table 2", [2]),
    ],
)
def test_networks_go_to_studies_of_their_family(
    families: tuple[str, ...], initial_trial: str, numbers: list[int], mixed: Any
) -> None:
    text = _of(*families)
    plan = plan_study(parse_study(text))
    warm_start = begin_from(plan, StudyReader(mixed.url), "table")
    assert [trial.user_attrs["inherited_from"] for trial in warm_start.trials] == [f"table {n}" for n in numbers]
    for trial, number in zip(warm_start.trials, numbers, strict=True):
        family = ("interrogate", "mtan", "etr-nlp")[number]
        assert trial.params.get(FAMILY, families[0]) == family
        assert set(trial.params) == set(plan.search_space.distributions(family))
    assert warm_start.initial_trial is not None
    assert warm_start.initial_trial.initial.label == initial_trial
    settings = plan.search_space.decode(warm_start.initial_trial.params, seed=0)
    assert (settings.family.name if settings.family else "interrogate") == warm_start.initial_trial.family
    left_out = [name for name in ("interrogate", "mtan", "etr-nlp") if name not in families]
    said = f"none of {' or '.join(left_out)}, which this study does not train"
    assert (said in str(warm_start)) == bool(left_out)
    assert f", of {warm_start.initial_trial.family}," in str(warm_start) or len(families) == 1


def test_a_network_without_gates_must_fit_as_it_is(mixed: Any) -> None:
    """Under a budget between the two, the dearer network is the nearer one, but cannot be cut."""
    plan = plan_study(parse_study(_of("mtan", "etr-nlp")))
    reader = StudyReader(mixed.url)
    for budget, label in ((30_000, "table 2"), (29_000, "table 1")):
        initial_trial = read_warm_start(replace(plan, budgets=Budgets(flops=budget)), reader, "table").initial_trial
        assert initial_trial is not None
        assert initial_trial.initial.label == label
    without = read_warm_start(replace(plan, budgets=Budgets(flops=19_000)), reader, "table")
    assert without.initial_trial is None
    assert "no network of its front suits as a beginning" in str(without)


def test_families_must_meet_and_agree_in_what_they_are_asked(mixed: Any) -> None:
    reader = StudyReader(mixed.url)
    text = _of("lomt")
    with pytest.raises(LineageError, match=r"family\.name: lomt here, interrogate, mtan, etr-nlp there"):
        begin_from(plan_study(parse_study(text)), reader, "table")
    other = _of("etr-nlp", "mtan").replace("high = 0.75", "high = 0.5")
    with pytest.raises(LineageError, match=r"differs in family\.gamma"):
        begin_from(plan_study(parse_study(other)), reader, "table")


def _keep_networks(study: Any, storage: Path, numbers: Any) -> None:
    """Files where the database says that the trials' networks are."""
    with study.store._writing() as session:
        session.get_one(StudyRow, "table").storage_dir = str(storage)
    for number in numbers:
        folder = storage / "table" / "trials" / str(number)
        folder.mkdir(parents=True)
        (folder / "network.pt").touch()
