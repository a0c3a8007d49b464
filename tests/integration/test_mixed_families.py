"""A study that chooses among families, from start to bundle, and one that goes on from it. Real Ray, real SQLite."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from databases import PATIENCE_S
from tiny_study import tiny_study

from gatefront.search.planning.search_space import FAMILY
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader
from gatefront.trainer.checkpoints.network_file import load_delivered

pytestmark = [pytest.mark.timeout(3 * PATIENCE_S), pytest.mark.xdist_group("mixed families")]

FAMILIES = ("interrogate", "lomt")
Gatefront = Callable[..., str]


def study_of(name: str, families: Sequence[str], *, trials: int) -> str:
    return tiny_study(
        study={"name": name, "trials": trials, "flop_budget": None},
        data={"options": {"train_size": 128, "val_size": 64}},
        train={"learning_rate": {"low": 1e-3, "high": 1e-2}},
        gates={"finetune_epochs": 0, "lambda_s": None} if "interrogate" in families else None,
        family={"name": {"choices": list(families)}},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture(scope="module")
def reader(folder: Path) -> StudyReader:
    return StudyReader(f"sqlite:///{folder}/gatefront.db")


@pytest.fixture(scope="module")
def gatefront(folder: Path) -> Gatefront:
    environment = os.environ | {
        "GATEFRONT_DB": f"sqlite:///{folder}/gatefront.db",
        "GATEFRONT_STORAGE": str(folder / "runs"),
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments: str) -> str:
        command = [
            sys.executable,
            "-c",
            "import sys; from gatefront.search.cli.main import main; sys.exit(main())",
            *arguments,
        ]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


@pytest.fixture(scope="module")
def mixed(folder: Path, gatefront: Gatefront, reader: StudyReader) -> StudyReader:
    path = folder / "mixed.toml"
    path.write_text(study_of("mixed", FAMILIES, trials=2))
    gatefront("start", str(path))
    return reader


@pytest.mark.slow
def test_every_family_is_trained_and_can_be_pulled(mixed: StudyReader, gatefront: Gatefront, folder: Path) -> None:
    view = mixed.view("mixed")
    assert view.summary.state is StudyState.COMPLETE
    assert [point.state for point in view.points] == [TrialState.COMPLETE] * 2
    assert [point.params[FAMILY] for point in view.points] == list(FAMILIES)
    for point in view.points:
        assert point.epoch == point.num_epochs == (4 if point.params[FAMILY] == "lomt" else 1)
        assert load_delivered(mixed.network_path("mixed", point.number)).family == point.params[FAMILY]
    epochs = mixed.trial("mixed", FAMILIES.index("lomt")).epochs
    assert [epoch.phase for epoch in epochs] == ["sparse", "sparse", "sparse", "train"]
    assert [epoch.delta_mtl is None for epoch in epochs] == [True, True, True, False]
    bundle = folder / "bundle"
    gatefront("pull", "mixed", "--trial", str(FAMILIES.index("lomt")), "-o", str(bundle))
    assert (bundle / "manifest.json").is_file()


@pytest.mark.slow
def test_a_study_goes_on_from_a_network_of_the_family_that_it_shares(
    mixed: StudyReader, gatefront: Gatefront, folder: Path
) -> None:
    shared, number = next((p.params[FAMILY], p.number) for p in mixed.view("mixed").points if p.on_front)
    path = folder / "later.toml"
    path.write_text(study_of("later", ("mtan", shared), trials=1))
    gatefront("start", str(path), "--from", "mixed")
    (point,) = mixed.view("later").points
    assert (point.state, point.params[FAMILY], point.num_epochs) == (TrialState.COMPLETE, shared, 1)
    assert mixed.provenance("later", 0).initial == f"mixed {number}"
    (event,) = [event for event in mixed.view("later").events if event.kind == "started_from"]
    others = " or ".join(name for name in FAMILIES if name != shared)
    assert f"1 of its trials warm the sampler, none of {others}, which this study does not train" in event.detail
    assert f"the first trial, of {shared}, goes on from the network of mixed {number}" in event.detail
