"""A comparison: what is trained with how much compute, what the table says, and what is not trained again."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.bundle import verify_bundle
from gatefront.search.bundle.file_names import OutputFolderError
from gatefront.search.bundle.manifest import Manifest, read_manifest
from gatefront.search.cli.comparison_text import comparison_document, comparison_words
from gatefront.search.cli.json_output import to_text
from gatefront.search.comparison import Subject, comparison_table, list_systems
from gatefront.search.comparison.jobs import SystemJob, initial_jobs, seeded_plans, system_jobs
from gatefront.search.comparison.pull import pull_system
from gatefront.search.comparison.run import Workers, buildable, run_comparison
from gatefront.search.comparison.systems import DEFAULT_WEIGHTINGS, parse_weightings
from gatefront.search.comparison.training import train_system
from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import ReferenceJob, train_job
from gatefront.search.errors import NothingToPullError, StudyFileError, StudyNotFoundError
from gatefront.search.results.comparison_table import ComparisonTable, SystemRun, mean_ranks
from gatefront.search.results.records import TaskRecord
from gatefront.search.snapshots.reader import StudyReader
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.tables.schema import ComparisonRow
from gatefront.spaces import count_flops
from gatefront.trainer.checkpoints.network_file import load_delivered
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.weighting import WEIGHTINGS, step_cost

STUDY = """
[study]
name = "tiny"
flop_budget = "60%"
seed = 4
rank_unlearned = true
[data]
name = "digits"
options = {train_size = 192, val_size = 96}
[network]
backbone = "smallconv"
stem = "small"
width = {choices = [0.5, 1.0]}
[train]
epochs = 1
reference_epochs = 1
[gates]
sparsity = "expected_flops"
flop_target = {low = 0.2, high = 0.9}
lambda_s = {low = 1.0, high = 9.0}
finetune_epochs = 1
derived_points = 2
"""
UP = TaskRecord(name="up", kind="classification", metric="accuracy %", higher_is_better=True)
DOWN = TaskRecord(name="down", kind="depth", metric="error m", higher_is_better=False)


class Here:
    """Trains in this process and notes what it was asked for; systems whose name holds ``broken`` fail."""

    def __init__(self, broken: str = "nothing") -> None:
        self.references: list[str] = []
        self.systems: list[tuple[str, int]] = []
        self._broken = broken

    def workers(self) -> Workers:
        return Workers(train_references=self._references, train_systems=self._systems)

    def _references(self, jobs: list[ReferenceJob], cache: Path) -> Iterator[tuple[ReferenceJob, ReferenceResult]]:
        for job in jobs:
            self.references.append(job.role)
            yield job, train_job(job, cache)

    def _systems(
        self, jobs: Sequence[SystemJob], folders: StudyFolders
    ) -> Iterator[tuple[SystemJob, SystemRun | None]]:
        for job in jobs:
            self.systems.append((job.system.name, job.seed))
            run = None if self._broken in job.system.name else train_system(job, folders.cache, folders.system(job.key))
            yield job, run


def compare(config: StudyConfig, folder: Path, here: Here, names: str, num_seeds: int) -> ComparisonTable:
    engine, _ = open_store(f"sqlite:///{folder}/gatefront.db")
    return run_comparison(
        config,
        list_systems(parse_weightings(names), config.train.weightings[0]),
        num_seeds=num_seeds,
        engine=engine,
        folders=StudyFolders(folder, config.study.name),
        workers=here.workers(),
    )


def run_of(system: str, seed: int, up: float, down: float, delta: float = 0.0) -> SystemRun:
    return SystemRun(
        system=system, seed=seed, metrics={"up": up, "down": down}, delta_per_task={"up": delta, "down": delta},
        delta_mtl=delta, flops=100, num_parameters=10, train_flops=1e6, seconds=1.0,
    )  # fmt: skip


def test_ranks_are_means_over_tasks_with_ties_shared() -> None:
    metrics = {"a": {"up": 90.0, "down": 0.5}, "b": {"up": 90.0, "down": 0.2}, "c": {"up": 70.0, "down": 0.9}}
    assert mean_ranks([UP, DOWN], metrics) == {"a": (1.5 + 2) / 2, "b": (1.5 + 1) / 2, "c": 3.0}


def test_lines_are_means_over_seeds_with_their_spread() -> None:
    runs = [run_of("a", 0, 80.0, 0.5, 1.0), run_of("b", 0, 70.0, 0.1), run_of("a", 1, 84.0, 0.5, 4.0)]
    table = comparison_table(Subject(name="x", data="digits", tasks=(UP, DOWN)), runs)
    assert [(line.system, line.num_seeds) for line in table.lines] == [("a", 2), ("b", 1)]
    first, second = table.lines
    assert (first.metrics["up"].mean, first.delta_mtl.mean) == (82.0, 2.5)
    assert first.metrics["up"].deviation == pytest.approx(8**0.5)
    assert first.delta_mtl.deviation == pytest.approx(4.5**0.5)
    assert second.metrics["up"].deviation is None
    assert (first.mean_rank, second.mean_rank) == (1.5, 1.5)


def test_systems_are_named_apart_and_asked_for_by_name() -> None:
    names = [system.name for system in list_systems(WEIGHTINGS, "scalar")]
    assert len(set(names)) == len(names) == len(WEIGHTINGS) + 8
    assert (names[0], names[-1]) == ("single-task", "InterroGate, task weights")
    assert parse_weightings("dwa, uniform") == ("dwa", "uniform")
    assert len(list_systems(("dwa", "dwa"), "scalar")) == 9
    assert set(DEFAULT_WEIGHTINGS) <= set(WEIGHTINGS)
    with pytest.raises(StudyFileError, match=r"found 'gradnorm'.*uniform"):
        parse_weightings("dwa,gradnorm")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Here, ComparisonTable]:
    """Two systems over two seeds, the second weighting failing."""
    folder, here = tmp_path_factory.mktemp("compare"), Here(broken="DWA")
    return folder, here, compare(parse_study(STUDY), folder, here, "pcgrad,dwa", 2)


@pytest.mark.xdist_group("comparison")
def test_every_system_is_trained_from_every_seed(trained: tuple[Path, Here, ComparisonTable]) -> None:
    _, here, table = trained
    assert [(line.system, line.num_seeds) for line in table.lines] == [
        ("single-task", 2), ("hard sharing, PCGrad", 2),
        ("fitted hard sharing, task weights", 2), ("fitted single-task, task weights", 2),
        ("cross-stitch, task weights", 2), ("MTAN, task weights", 2),
        ("ETR-NLP, task weights", 2), ("LOMT, task weights", 2), ("InterroGate, task weights", 2),
    ]  # fmt: skip
    assert len(here.references) == 2 * (3 + 1)  # only the largest capacity's, and no hard sharing
    single, shared, wide, slim, stitched, mtan, etr, lomt, gated = table.lines
    plan = seeded_plans(parse_study(STUDY), 1)[0]
    assert (single.flops, single.delta_mtl.mean) == (plan.largest.single_task, 0.0)
    assert shared.flops == plan.largest.hard_sharing
    assert plan.budgets.flops is not None
    assert shared.flops < gated.flops <= plan.budgets.flops
    assert gated.delta_mtl.mean == pytest.approx(sum(s.mean for s in gated.delta_per_task.values()) / 3)
    # Hard sharing got no less training than InterroGate with all that initialised it, and not much more.
    per_epoch = shared.train_flops / plan.epochs_of_equal_compute("pcgrad", plan.initial_flops)
    assert gated.train_flops <= shared.train_flops + 1
    for fitted in (wide, slim):
        assert 0.98 * plan.budgets.flops <= fitted.flops <= plan.budgets.flops
    assert stitched.flops == single.flops  # one encoder per task; the mixes between them count as additions do
    assert shared.flops < mtan.flops
    assert lomt.flops <= shared.flops  # decoders may read earlier layers, and what none needs is cut off
    for other in (wide, slim, stitched, mtan, etr, lomt):
        assert gated.train_flops <= other.train_flops + 1
        assert other.train_flops - 3 * other.flops * 192 <= 1.05 * gated.train_flops
    # What is delivered may cost a little less than the budget that the plan counts with.
    assert shared.train_flops - per_epoch <= 1.05 * gated.train_flops


@pytest.mark.xdist_group("comparison")
def test_what_was_trained_is_not_trained_again(trained: tuple[Path, Here, ComparisonTable], tmp_path: Path) -> None:
    first, _, before = trained
    folder = shutil.copytree(first, tmp_path / "copy")  # what is trained here is not for the other tests
    again = Here()
    table = compare(parse_study(STUDY), folder, again, "pcgrad,dwa", 2)
    assert again.systems == [("hard sharing, DWA", 4), ("hard sharing, DWA", 5)]  # they had failed
    assert [line for line in table.lines if line.system != "hard sharing, DWA"] == [
        replace(line, mean_rank=found.mean_rank)
        for line, found in zip(before.lines, [t for t in table.lines if "DWA" not in t.system], strict=True)
    ]
    reader = StudyReader(f"sqlite:///{folder}/gatefront.db")
    assert reader.comparison("tiny") == table
    assert reader.list_comparisons() == ("tiny",)
    revision = reader.comparison_revision("tiny")
    changed = Here()
    compare(parse_study(STUDY.replace("epochs = 1\nreference", "epochs = 2\nreference")), folder, changed, "uniform", 1)
    assert len(changed.systems) == 8
    # Another recipe is another table: what the old one had trained does not stand in it.
    assert [(line.system, line.num_seeds) for line in reader.comparison("tiny").lines] == [
        ("single-task", 1), ("hard sharing, uniform", 1),
        ("fitted hard sharing, task weights", 1), ("fitted single-task, task weights", 1),
        ("cross-stitch, task weights", 1), ("MTAN, task weights", 1),
        ("ETR-NLP, task weights", 1), ("LOMT, task weights", 1), ("InterroGate, task weights", 1),
    ]  # fmt: skip
    assert reader.comparison_revision("tiny") != revision
    for read in (reader.comparison, reader.comparison_revision):
        with pytest.raises(StudyNotFoundError, match=r"no comparison 'other'.*gatefront compare"):
            read("other")


@pytest.mark.xdist_group("comparison")
def test_the_table_is_told_to_people_and_programs(trained: tuple[Path, Here, ComparisonTable]) -> None:
    _, _, table = trained
    document = json.loads(to_text(comparison_document(table)))
    assert [system["system"] for system in document["systems"]] == [line.system for line in table.lines]
    assert len(document["fairness"]) == 4
    words = comparison_words(table)
    assert words.row_count == 9
    assert any("±" in str(cell) for cell in words.columns[-7]._cells)


def pulled(trained: tuple[Path, Here, ComparisonTable], system: str, output: Path) -> Manifest:
    folder, *_ = trained
    engine, _ = open_store(f"sqlite:///{folder}/gatefront.db")
    place = pull_system(engine, STUDY, system, folders=StudyFolders(folder, "tiny"), output=output)
    report = verify_bundle(place)
    assert all(check.passed for check in report.checks)
    manifest = read_manifest(place)
    assert report.origin == f"{manifest.system} of comparison tiny"
    assert ((place / "gate_map.png").exists(), "gate_map.png" in (place / "README.md").read_text()) == (
        manifest.family == "interrogate",
    ) * 2
    return manifest


@pytest.mark.xdist_group("comparison")
@pytest.mark.parametrize(
    ("asked", "family", "position"),
    [
        ("cross-stitch", "cross-stitch", 4),
        ("MTAN, task weights", "mtan", 5),
        ("lomt", "lomt", 7),
        ("Inter", "interrogate", 8),
    ],
)
def test_a_row_s_network_becomes_a_bundle(
    trained: tuple[Path, Here, ComparisonTable], tmp_path: Path, asked: str, family: str, position: int
) -> None:
    line = trained[-1].lines[position]
    manifest = pulled(trained, asked, tmp_path / "bundle")
    assert (manifest.family, manifest.system, manifest.trial, manifest.seed) == (family, line.system, None, 4)
    assert manifest.tasks[0].single_task_value == trained[-1].lines[0].metrics[manifest.tasks[0].name].mean
    assert f"--pull '{line.system}' -o FOLDER" in manifest.reproduce[1]


@pytest.mark.xdist_group("comparison")
def test_every_row_keeps_its_networks(trained: tuple[Path, Here, ComparisonTable]) -> None:
    """Of every seed, and each gives the metrics' order and cost again that the table has."""
    folder, _, table = trained
    engine, _ = open_store(f"sqlite:///{folder}/gatefront.db")
    with Session(engine) as session:
        rows = session.scalars(sa.select(ComparisonRow).where(ComparisonRow.name == "tiny")).all()
        found = [(row.system, row.key, row.result["run"]["flops"]) for row in rows]
    assert len(found) == 2 * len(table.lines)
    for _, key, flops in found:
        delivered = load_delivered(StudyFolders(folder, "tiny").system(key) / "network.pt")
        architecture = delivered.architecture
        assert count_flops(delivered.make_plain(), (architecture.in_channels, *architecture.input_size)) == flops


@pytest.mark.xdist_group("comparison")
def test_rows_that_cannot_be_pulled_are_refused(trained: tuple[Path, Here, ComparisonTable], tmp_path: Path) -> None:
    folder, *_ = trained
    engine, _ = open_store(f"sqlite:///{folder}/gatefront.db")
    folders, output = StudyFolders(folder, "tiny"), tmp_path / "bundle"
    with pytest.raises(StudyNotFoundError, match=r"no system begins with 'ours'.*single-task; hard sharing, PCGrad"):
        pull_system(engine, STUDY, "ours", folders=folders, output=output)
    with pytest.raises(StudyNotFoundError, match=r"several systems begin with ''"):
        pull_system(engine, STUDY, "", folders=folders, output=output)
    with pytest.raises(StudyNotFoundError, match="no comparison 'other'"):
        pull_system(engine, STUDY, "lomt", folders=StudyFolders(folder, "other"), output=output)
    with pytest.raises(NothingToPullError, match=r"LOMT, task weights is not at .*--storage"):
        pull_system(engine, STUDY, "lomt", folders=StudyFolders(tmp_path, "tiny"), output=output)
    assert not output.exists()
    output.mkdir()
    (output / "mine").touch()
    with pytest.raises(OutputFolderError):
        pull_system(engine, STUDY, "lomt", folders=folders, output=output)


@pytest.mark.parametrize("weighting", ["uniform", "pcgrad", "auto-lambda"])
def test_equal_compute_counts_backward_passes(weighting: str) -> None:
    (plan,) = seeded_plans(parse_study(STUDY), 1)
    epochs = plan.epochs_of_equal_compute(weighting, plan.initial_flops)  # type: ignore[arg-type]
    total = plan.trial_flops + plan.largest.single_task + plan.largest.hard_sharing
    per_epoch = plan.largest.hard_sharing * step_cost(weighting, 3)  # type: ignore[arg-type]
    assert (epochs - 1) * per_epoch < total <= epochs * per_epoch


def test_interrogate_is_trained_at_the_budget_with_central_knobs(tmp_path: Path) -> None:
    (plan,) = seeded_plans(parse_study(f"{STUDY}\n[distillation]\nweight = 0.5\n"), 1)
    results = {job.role: train_job(job, tmp_path) for job in initial_jobs(plan)}
    *_, job = system_jobs(plan, list_systems(("uniform",), "scalar"), results, fingerprint="f")
    top = plan.budgets.flops or 0
    floor = plan.largest.hard_sharing
    assert job.trial.flop_target == floor + int(0.9 * (top - floor))
    assert (job.trial.gates.lambda_s, job.trial.gates.derived_points) == (5.0, 0)
    assert job.trial.distillation is None  # as in every other row
    assert job.trial.architecture.width == 1.0
    assert job.key == replace(job, train=replace(job.train, num_threads=4)).key
    assert job.key != replace(job, fingerprint="g").key


def test_a_family_that_the_backbone_rules_out_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    text = '[study]\nname = "tiny"\n[data]\nname = "rooms"\n[network]\nbackbone = "test_vit2"\n'
    (plan,) = seeded_plans(parse_study(text), 1)
    kept = [system.family for system in buildable(list_systems(("uniform",), "scalar"), plan)]
    assert {"single_task", "hard_sharing", "interrogate"} <= set(kept)
    assert "mtan" not in kept
    assert "MTAN, task weights is left out: mtan masks maps" in caplog.text


def test_fitted_baselines_of_a_study_without_a_budget_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    (plan,) = seeded_plans(parse_study(STUDY.replace('flop_budget = "60%"', "")), 1)
    kept = [system.family for system in buildable(list_systems(("uniform",), "scalar"), plan)]
    assert not {"fitted-hard-sharing", "fitted-single-task"} & set(kept)
    assert "fitted single-task, task weights is left out: the study has no flop_budget" in caplog.text


def test_job_of_a_fitted_baseline_has_a_key_of_its_widths(tmp_path: Path) -> None:
    (plan,) = seeded_plans(parse_study(STUDY), 1)
    results = {job.role: train_job(job, tmp_path) for job in initial_jobs(plan)}
    jobs = {job.system.family: job for job in system_jobs(plan, list_systems((), "scalar"), results, fingerprint="f")}
    wide, slim = jobs["fitted-hard-sharing"], jobs["fitted-single-task"]
    assert wide.network is not None
    assert slim.network is not None
    assert (wide.network.family, slim.network.family) == ("hard-sharing", "tree")
    other = replace(wide.network.architecture, layer_widths=(1, 1, 1, 1, 1))
    assert wide.key != replace(wide, network=replace(wide.network, architecture=other)).key
    assert len({job.key for job in jobs.values()}) == len(jobs)
