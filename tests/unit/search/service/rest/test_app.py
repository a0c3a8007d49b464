"""REST's contract, against a study in a database; nothing is trained."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from gatefront.search.driver.worker.messages import TrialFailed
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.service.control import LocalControl
from gatefront.search.service.control.driver_job import DriverJob
from gatefront.search.service.control.launcher import DriverEnd
from gatefront.search.service.rest.app import create_rest
from gatefront.search.service.rest.auth.middleware import AccessMiddleware
from gatefront.search.service.rest.auth.tokens import Tokens
from gatefront.search.snapshots.reader import StudyReader

OpenStudy = Callable[..., Any]

READER, WRITER = "r" * 24, "w" * 24
TOKENS = Tokens.parse([f"rita read {READER}", f"wim write {WRITER}"], source="test")
NEW = '[study]\nname = "new"\n[data]\nname = "digits"\n'

REFUSALS: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/studies/other", None, 404, "no study 'other'"),
    ("GET", "/studies/table/trials/9", None, 404, "no trial 9"),
    ("GET", "/studies/table/trials/2/gates", None, 404, "no gates of 2"),
    ("GET", "/studies/table/trials/1.7/gates", None, 404, "no gates of 1.7"),
    ("GET", "/studies/..%2f..%2fetc", None, 404, "Not Found"),
    ("GET", "/studies/.hidden", None, 422, "path.study"),
    ("GET", "/nothing", None, 404, "Not Found"),
    ("POST", "/studies/table/stop", {}, 202, ""),
    ("POST", "/studies/table/resume", {}, 422, "the disk is full"),
    ("POST", "/studies/table/extend", {"trials": 0}, 422, "body.trials"),
    ("PUT", "/studies/table/hours", {"hours": 1.0}, 409, "not running"),
    ("PUT", "/studies/table/hours", {"hours": -1.0}, 422, "body.hours"),
    ("PUT", "/studies/table/trials/3/void", {"reason": "x"}, 422, "only a finished trial"),
    ("PUT", "/studies/table/trials/0/void", {"reason": "a\x00b"}, 422, "body.reason"),
    ("DELETE", "/studies/table/trials/0/void", None, 422, "not void"),
    ("POST", "/studies", {"study_file": "x"}, 422, "not valid TOML"),
    ("POST", "/studies", {"study_file": NEW, "options": {"epochs": 3}}, 422, "body.options.epochs"),
    ("POST", "/studies", {"study_file": NEW.replace("new", "table")}, 409, "already holds"),
    ("POST", "/studies", {"study_file": NEW}, 422, "the disk is full"),
    ("POST", "/studies", {"study_file": NEW + 'root = "/etc"'}, 422, "data.root"),
    ("POST", "/studies", {"study_file": NEW + 'options = {right_root = "/etc"}'}, 422, "data.options.right_root"),
    ("POST", "/studies", {"study_file": NEW + "#" * 70_000}, 422, "body.study_file"),
    ("POST", "/studies/table/bundles", {"trial": "2"}, 409, ""),
    ("POST", "/studies/table/bundles", {"trial": "1", "flop_budget": "1M"}, 422, "one or the other"),
    ("GET", f"/studies/table/bundles/{'0' * 32}", None, 404, "no bundle"),
    ("GET", f"/studies/table/bundles/{'0' * 32}/download", None, 404, "no bundle"),
    ("GET", "/comparisons/none", None, 404, "no comparison"),
]

PACK = """
import pathlib, sys
study, label, folder = sys.argv[1:]
print("exporting", flush=True)
if label == "0":
    sys.exit("gatefront: its network is gone.\\nRestore it.")
pathlib.Path(folder, f"{study}-{label}.zip").write_text(f"zip of {label}")
"""


class RefusingLauncher:
    """Its drivers end at once with what they say."""

    log = "gatefront: the disk is full.\nFree some.\n"

    def launch(self, order: DriverJob) -> "RefusingLauncher":
        return self

    def end(self) -> DriverEnd:
        return DriverEnd(exit_status=2, log=self.log, log_place="driver.log")


@pytest.fixture
def study(open_table_study: OpenStudy) -> Any:
    """Trials 0 and 1 are complete, 2 has failed, 3 runs."""
    study = open_table_study(max_concurrent=9)
    for name in "abcd":
        study.searcher.suggest(name)
    study.finish("a")
    study.finish("b", delta_mtl=-1.5, flops=550)
    study.work("c", TrialFailed("the loss of left is nan"))
    study.work("d")
    return study


@pytest.fixture
def app(study: Any, tmp_path: Path) -> Iterator[AccessMiddleware]:
    control = LocalControl(study.url, tmp_path / "runs", RefusingLauncher())
    jobs = BundleJobs(study.url, kept=2, command=(sys.executable, "-c", PACK))
    yield AccessMiddleware(create_rest(StudyReader(study.url), control, jobs), TOKENS)
    jobs.close()


@pytest.fixture
def writer(app: AccessMiddleware) -> TestClient:
    return TestClient(app, headers={"Authorization": f"Bearer {WRITER}"})


def test_reads_agree_with_the_store(writer: TestClient, study: Any) -> None:
    view = StudyReader(study.url).view("table")
    listed = writer.get("/api/v1/studies").json()
    assert [found["name"] for found in listed["items"]] == ["table"]
    detail = writer.get("/api/v1/studies/table").json()
    assert (detail["revision"], detail["num_done"]) == (view.revision, 3)
    assert detail["study"]["state_counts"] == {"COMPLETE": 2, "FAILED": 1, "LOST": 1}
    trials = writer.get("/api/v1/studies/table/trials").json()
    assert [(trial["number"], trial["delta_mtl"]) for trial in trials["items"]] == [
        (point.number, point.delta_mtl) for point in view.trials
    ]
    front = writer.get("/api/v1/studies/table/front").json()
    assert [point["label"] for point in front["points"]] == ["0", "1"]
    page = writer.get("/api/v1/studies/table/trials/1").json()
    assert page["networks"][0]["point"]["params"] == dict(view.points[1].params)
    assert writer.get("/api/v1/studies/table/trials/1/gates").json()["sites"][0]["own"] == ["10", "00"]
    assert writer.get("/api/v1/studies/table/file").text.startswith("\n[study]")


def test_lists_come_in_pages(writer: TestClient) -> None:
    whole = writer.get("/api/v1/studies/table/trials").json()["items"]
    parts = [writer.get(f"/api/v1/studies/table/trials?limit=3&offset={at}").json() for at in (0, 3, 6)]
    assert [trial for part in parts for trial in part["items"]] == whole
    assert {part["total"] for part in parts} == {4}
    failed = writer.get("/api/v1/studies/table/trials?state=FAILED").json()
    assert [(trial["number"], trial["cause"]) for trial in failed["items"]] == [(2, "the loss of left is nan")]
    assert writer.get("/api/v1/studies?limit=0").status_code == 422


def test_what_has_not_changed_is_not_sent_again(writer: TestClient, study: Any) -> None:
    first = writer.get("/api/v1/studies/table/front")
    tagged = {"If-None-Match": first.headers["etag"]}
    assert writer.get("/api/v1/studies/table/front", headers=tagged).status_code == 304
    study.finish("d", delta_mtl=0.5, flops=450)
    while (after := writer.get("/api/v1/studies/table/front", headers=tagged)).status_code == 304:
        time.sleep(0.05)
    assert [point["label"] for point in after.json()["points"]] == ["3"]


def test_every_refusal_is_a_problem_that_says_why(writer: TestClient) -> None:
    for method, path, body, status, said in REFUSALS:
        answer = writer.request(method, f"/api/v1{path}", json=body)
        assert (answer.status_code, said in answer.text) == (status, True), f"{method} {path}: {answer.text}"
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"title", "status", "detail", "hint"} <= answer.json().keys()


def test_changes_are_done_in_the_callers_name(writer: TestClient, study: Any) -> None:
    assert writer.get("/api/v1/studies/table").json()["study"]["num_trials"] == 6
    assert writer.post("/api/v1/studies/table/extend", json={"trials": 2}).json() == {"is_running": False}
    # At once, however often it was read just before.
    assert writer.get("/api/v1/studies/table").json()["study"]["num_trials"] == 8
    assert writer.put("/api/v1/studies/table/trials/0/void", json={"reason": "a broken GPU"}).status_code == 204
    assert writer.delete("/api/v1/studies/table/trials/0/void").status_code == 204
    events = writer.get("/api/v1/studies/table/events").json()["items"]
    assert [(event["kind"], event["actor"]) for event in events] == [
        ("extended", "wim"),
        ("voided", "wim"),
        ("unvoided", "wim"),
    ]


def test_metrics_count_what_is_there(writer: TestClient) -> None:
    text = writer.get("/metrics").text
    assert 'gatefront_studies{state="LOST"} 1.0' in text
    assert 'gatefront_trials{state="COMPLETE",study="table"} 2.0' in text
    assert 'gatefront_best_delta_mtl_percent{study="table"} -1.5' in text
    assert writer.get("/healthz").text == "OK"


def test_bundles_are_packed_behind_the_scenes(writer: TestClient) -> None:
    ready = finished_bundle(writer, "1")
    assert (ready["state"], ready["error"]) == ("ready", "")
    answer = writer.get(f"/api/v1/studies/table/bundles/{ready['id']}/download")
    assert answer.headers["content-disposition"] == 'attachment; filename="table-1.zip"'
    assert answer.content == b"zip of 1"
    assert writer.get(f"/api/v1/studies/other/bundles/{ready['id']}/download").status_code == 404
    failed = finished_bundle(writer, "0")
    assert (failed["state"], failed["error"]) == ("failed", "its network is gone. Restore it.")
    assert writer.get(f"/api/v1/studies/table/bundles/{failed['id']}/download").status_code == 409
    for _ in range(2):
        finished_bundle(writer, "1")
    assert writer.get(f"/api/v1/studies/table/bundles/{ready['id']}/download").status_code == 404


def finished_bundle(writer: TestClient, label: str) -> Any:
    begun = writer.post("/api/v1/studies/table/bundles", json={"trial": label})
    assert begun.status_code == 202
    while (state := writer.get(begun.headers["location"]).json())["state"] in ("waiting", "packing"):
        time.sleep(0.02)
    return state


def test_the_interface_describes_itself(writer: TestClient) -> None:
    document = writer.get("/api/v1/openapi.json").json()
    assert "/api/v1/studies/{study}/front" in document["paths"]
    assert "swagger" not in json.dumps(document)
    for path in ("/docs", "/redoc"):
        assert writer.get(path).status_code == 404
