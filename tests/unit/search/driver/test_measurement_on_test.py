"""Measuring confirmed networks: stored one by one; what cannot be measured is named and not tried again."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from gatefront.search.driver import measurement_on_test
from gatefront.search.driver.measurement_on_test import MeasurementsOnTest, measure_due
from gatefront.search.driver.ray_backend.tasks import PreparationStoppedError
from gatefront.search.driver.stop_request import StopRequest
from gatefront.search.results.confirmation import Key
from gatefront.search.results.split_figures import SplitFigures
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.trainer.checkpoints.checkpoint import CheckpointError
from gatefront.trainer.metrics.delta_mtl import DeltaMtlError


class Store:
    """Keeps what is recorded."""

    study = "table"

    def __init__(self) -> None:
        self.recorded: dict[Key, SplitFigures] = {}

    def retry_policy(self, read: Callable[[], Any]) -> Any:
        return read()

    def record_test_figures(self, number: int, derived: int, figures: SplitFigures) -> None:
        self.recorded[number, derived] = figures


class References:
    """Δ_MTL is the metric of the one task; 0 has none."""

    plan = SimpleNamespace(data=None, search_space=SimpleNamespace(reference_train_config=lambda **_: None))

    def figures_on_test(self, metrics: dict[str, float]) -> SplitFigures:
        if metrics["left"] == 0:
            raise DeltaMtlError("task left: the single-task reference scores 0.")
        return SplitFigures(delta_mtl=metrics["left"], delta_per_task=metrics, metrics=metrics)


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Store, MeasurementsOnTest]]:
    """Measure the networks with these outcomes by key; an outcome is a metric or an error of the worker."""

    def run(outcomes: dict[Key, Any], *, stops: bool = False) -> tuple[Store, MeasurementsOnTest]:
        def run_jobs(_: object, jobs: Sequence[tuple[Key, tuple[Path, ...]]], *__: object) -> Iterator[tuple[Key, Key]]:
            for key, (path, *_rest) in jobs:
                assert path == StudyFolders(Path("runs"), "table").network(*key)
                yield key, key
                if stops:
                    raise PreparationStoppedError

        def get(key: Key) -> dict[str, float]:
            if isinstance(outcomes[key], Exception):
                raise outcomes[key]
            return {"left": outcomes[key]}

        monkeypatch.setattr(measurement_on_test, "run_jobs", run_jobs)
        monkeypatch.setattr(ray, "get", get)
        monkeypatch.setattr(measurement_on_test, "unmeasured_networks", lambda _: [*outcomes])
        store: Any = Store()
        reader: Any = SimpleNamespace(view=lambda _: None)
        measurements = MeasurementsOnTest(store=store, reader=reader, stop_request=StopRequest())
        workers: Any = SimpleNamespace(gpus_per_worker=0.0)
        measure_due(measurements, References(), StudyFolders(Path("runs"), "table"), workers)  # type: ignore[arg-type]
        return store, measurements

    return run


def test_figures_are_stored(measure: Callable[..., tuple[Store, MeasurementsOnTest]]) -> None:
    store, measurements = measure({(3, 0): -1.5, (3, 1): 2.5})
    assert {key: figures.delta_mtl for key, figures in store.recorded.items()} == {(3, 0): -1.5, (3, 1): 2.5}
    assert measurements.given_up == set()


def test_networks_that_cannot_be_measured_are_named_and_given_up(
    measure: Callable[..., tuple[Store, MeasurementsOnTest]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store, measurements = measure({(3, 0): CheckpointError("network.pt is missing."), (4, 2): 0.0, (5, 0): 1.0})
    assert [*store.recorded] == [(5, 0)]
    assert measurements.given_up == {(3, 0), (4, 2)}
    assert measurements.due() == [(5, 0)]
    assert "trial 3 is not measured on the test split: network.pt is missing." in caplog.text
    assert "trial 4.2 is not measured on the test split" in caplog.text


def test_a_stop_keeps_what_was_measured(measure: Callable[..., tuple[Store, MeasurementsOnTest]]) -> None:
    store, measurements = measure({(3, 0): 1.0, (4, 0): 2.0}, stops=True)
    assert [*store.recorded] == [(3, 0)]
    assert measurements.given_up == set()
    measurements.stop_request.request_once("somebody asked for it")
    assert measurements.due() == []
