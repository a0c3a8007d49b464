"""The configuration that is stored with a study is the one that it runs with, from whichever release the study is."""

import json
import math
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.service.amendments import extend
from gatefront.search.storage.database.open import open_store
from gatefront.search.storage.study_store import StudyStore
from gatefront.search.storage.tables.effective_config import load_config, store_config
from gatefront.search.storage.tables.schema import StudyRow

REPOSITORY = Path(__file__).resolve().parents[5]
STUDIES = REPOSITORY / "studies"
ARCHIVE = REPOSITORY / "tests" / "files" / "study-before-gatefront-names.zip"
TEXT = """
[study]
name = "s"
flop_budget = "60%"
sampler = "grid"
grid_points = 4
[data]
name = "digits"
options = {train_size = 9, mirrored = true, scale = 1.0}
[train]
learning_rate = {low = 1e-3, high = 1e-2, log = true}
schedule = {choices = ["poly", "constant"]}
gradient_clip = inf
[gates]
tau = {left = 0.2, right = {choices = [0.1, 0.3]}, orientation = {low = 0.0, high = 0.5}}
[latency]
"""
OVERRIDES = StudyOverrides(flop_budget="45%", param_budget="2M", latency_budget_ms=5.0, trials=7, workers=3)


@pytest.mark.parametrize("overrides", [StudyOverrides(trials=12), OVERRIDES])
@pytest.mark.parametrize(
    "text", [TEXT, *(path.read_text() for path in sorted((REPOSITORY / "studies").glob("*.toml")))]
)
def test_stored_configuration_is_read_as_it_was(text: str, overrides: StudyOverrides) -> None:
    if overrides.latency_budget_ms is not None and "[latency]" not in text:
        text += "\n[latency]\n"
    config = overrides.apply(parse_study(text))
    row = StudyRow(num_trials=overrides.trials)
    store_config(row, config)
    assert load_config(row) == config


def test_stored_configuration_holds_what_was_written_and_what_replaced_it() -> None:
    row = StudyRow(num_trials=7)
    store_config(row, OVERRIDES.apply(parse_study(TEXT)))
    document = json.loads(row.config or "")
    assert document["study"] == {
        "name": "s",
        "flop_budget": "45%",
        "param_budget": "2M",
        "trials": 7,
        "workers": 3,
        "sampler": "grid",
        "grid_points": 4,
    }
    assert document["latency"] == {"budget_ms": 5.0}
    assert document["train"]["gradient_clip"] == math.inf
    assert set(document) == {"study", "data", "train", "gates", "latency", "distillation", "knows_test_split"}


@pytest.mark.parametrize(("train", "epochs"), [({}, 7), ({"epochs": {"low": 2, "high": 5}}, 5)])
def test_study_begun_before_there_was_distillation_goes_on_without(train: dict[str, object], epochs: int) -> None:
    """Its trials and references were trained by the defaults of their release."""
    row = StudyRow(config=json.dumps({"study": {"name": "s"}, "data": {"name": "digits"}, "train": train}))
    config = load_config(row)
    assert (config.distillation.weight, config.train.reference_epochs) == (0.0, epochs)
    row.num_trials = 9
    store_config(row, config)
    assert load_config(row).train == config.train
    written = StudyRow(config=json.dumps(json.loads(row.config or "") | {"train": {"reference_epochs": 3}}))
    assert load_config(written).train.reference_epochs == 3


def test_stored_configuration_that_breaks_a_rule_is_refused_with_the_key() -> None:
    row = StudyRow(config='{"study": {"name": "s", "trails": 3}, "data": {"name": "digits"}}')
    with pytest.raises(StudyFileError, match=r"\[study\]: unknown key 'trails'"):
        load_config(row)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ({"name": "digits", "options": {"train_size": 9}}, {"train_size": 9, "test_size": 0}),
        ({"name": "rooms"}, {"test_size": 0}),
        ({"name": "nyud", "options": {"edges": True}}, {"edges": True, "val_share": 0.0}),
        ({"name": "folder"}, {}),
        ({"name": "mine:Data", "options": {"a": 1}}, {"a": 1}),
    ],
)
def test_study_from_before_test_splits_keeps_its_data(data: dict[str, object], options: dict[str, object]) -> None:
    row = StudyRow(num_trials=3, config=json.dumps({"study": {"name": "s"}, "data": data}))
    assert load_config(row).data.options == options
    store_config(row, load_config(row))
    assert load_config(row).data.options == options
    started = StudyRow(num_trials=3)
    store_config(
        started,
        load_config(StudyRow(config=json.dumps({"study": {"name": "s"}, "data": data, "knows_test_split": True}))),
    )
    assert load_config(started).data.options == data.get("options", {})


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    """The database of a study that version 0.1.0 wrote, at this release's schema."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extract("gatefront.db", tmp_path)
    engine, _ = open_store(f"sqlite:///{tmp_path}/gatefront.db")
    return engine


def test_study_of_an_earlier_release_is_read_from_its_file_and_columns(engine: sa.Engine) -> None:
    with Session(engine) as session, session.begin():
        row = session.get_one(StudyRow, "earlier")
        assert row.config is None
        asked = StudyOverrides(
            flop_budget=row.flop_budget_text or None, trials=row.num_trials, workers=row.num_workers
        ).apply(parse_study(row.file_text))
        found = load_config(row)
        assert found.distillation.weight == 0
        assert found.train.keep == "last"
        # Its data go on without the test split that they now have.
        assert found.data.options == {**asked.data.options, "test_size": 0}
        assert (
            found.model_copy(update={"distillation": asked.distillation, "train": asked.train, "data": asked.data})
            == asked
        )
        row.flop_budget_text, row.param_budget_text, row.num_workers = "70%", "3M", 4
    extend(engine, "earlier", 5)
    row = StudyStore(engine, "earlier").load()
    assert row.config is None
    study = load_config(row).study
    assert (study.flop_budget, study.param_budget, study.trials, study.workers) == ("70%", "3M", 7, 4)


def test_session_stores_its_workers_and_keeps_the_trials_that_were_asked_for_meanwhile(engine: sa.Engine) -> None:
    store = StudyStore(engine, "earlier")
    config = StudyOverrides(workers=5).apply(load_config(store.load()))
    extend(engine, "earlier", 2)
    store.store_config(config)
    row = store.load()
    assert row.num_workers == 5
    assert load_config(row) == StudyOverrides(trials=4).apply(config)
    extend(engine, "earlier", 3)
    assert load_config(store.load()) == StudyOverrides(trials=7).apply(config)
