"""Whatever is sent, REST answers as its description says, and never with a fault of its own."""

import contextlib
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.errors import StudyFileError
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control import LocalControl, StudyFilePolicy
from gatefront.search.service.control.driver_job import DriverJob
from gatefront.search.service.control.launcher import DriverEnd
from gatefront.search.service.rest.app import create_rest
from gatefront.search.service.rest.auth.middleware import AccessMiddleware
from gatefront.search.service.rest.auth.tokens import Tokens
from gatefront.search.snapshots.reader import StudyReader

OpenStudy = Callable[..., Any]

TOKEN = {"Authorization": "Bearer " + "w" * 24}
QUICK = settings(
    max_examples=12,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


class RefusingLauncher:
    def launch(self, order: DriverJob) -> "RefusingLauncher":
        return self

    def end(self) -> DriverEnd:
        return DriverEnd(exit_status=2, log="gatefront: no.\n", log_place="nowhere")


@pytest.fixture
def app(open_table_study: OpenStudy, tmp_path: Path) -> Iterator[AccessMiddleware]:
    study = open_table_study(max_concurrent=9)
    for name in "abc":
        study.searcher.suggest(name)
    study.finish("a")
    study.work("b", TrialFailed("the loss of left is nan"))
    control = LocalControl(study.url, tmp_path / "runs", RefusingLauncher())
    jobs = BundleJobs(study.url, command=("false",))
    tokens = Tokens.parse(["wim write " + "w" * 24], source="test")
    yield AccessMiddleware(create_rest(StudyReader(study.url), control, jobs), tokens)
    jobs.close()


def test_no_request_makes_it_fail(app: AccessMiddleware) -> None:
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKED]
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=TOKEN)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 20
    for operation in operations:
        _ask(operation, checks, GenerationMode.POSITIVE)
        # What takes no parameter cannot be asked wrongly.
        with contextlib.suppress(Unsatisfiable):
            _ask(operation, checks, GenerationMode.NEGATIVE)


def _ask(operation: Any, checks: list[Any], mode: GenerationMode) -> None:
    @QUICK
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and "study" in (case.path_parameters or {}):
            # One that is there, so that more than the first refusal is seen.
            case.path_parameters["study"] = "table"
        case.call_and_validate(headers=TOKEN, checks=checks)

    ask()


_WORDS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(["low", "high", "log", "choices"]), st.one_of(st.floats(), st.lists(st.text()))),
)
_KEYS = ["name", "trials", "flop_budget", "seed", "backbone", "root", "options", "epochs", "tau", "weights", "device"]
_TABLES = ["study", "data", "network", "train", "gates", "tasks", "latency", "early_stopping", "other"]


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(_TABLES), st.dictionaries(st.sampled_from(_KEYS), _WORDS, max_size=4) | _WORDS, max_size=5
    )
)
def test_study_files_of_strangers_are_read_or_refused(tables: dict[str, Any]) -> None:
    import tomlkit

    try:
        text = tomlkit.dumps(_without_none(tables))
    except (ValueError, TypeError, OverflowError):
        return
    _read_or_refuse(text)


@settings(max_examples=150)
@given(
    st.text(max_size=200)
    | st.text(alphabet=string.printable, max_size=200)
    | st.text(alphabet='[]{}="\\.ud0', max_size=60)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    _read_or_refuse(text)
    _read_or_refuse('[study]\nname = "a"\n[data]\nname = "digits"\n' + text)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 30_000,
        "a = " + "{a=" * 10_000,
        ".".join("a" * 20_000) + " = 1",
        "[study]\nseed = 1" + "0" * 5000,
        '[study]\nname = "a"\nflop_budget = "' + "9" * 400 + 'G"\n[data]\nname = "digits"',
        '[study]\nname = "a"\nseed = 99999999999999999999\n[data]\nname = "digits"',
        '[study]\nname = "a"\ntrials = 99999999999999999999\n[data]\nname = "digits"',
        '[study]\nname = "a"\nparam_budget = "' + "9" * 400 + 'G"\n[data]\nname = "digits"',
        "x" * 70_000,
    ],
)
def test_what_is_made_to_break_a_reader_is_refused(text: str) -> None:
    with pytest.raises(StudyFileError):
        StudyFilePolicy().check(text)


def _read_or_refuse(text: str) -> None:
    # Whatever else it raised would be a fault.
    with contextlib.suppress(StudyFileError):
        assert StudyFilePolicy().check(text).study.name


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
