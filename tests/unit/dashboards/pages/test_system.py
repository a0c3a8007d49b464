"""The system page, the downloads, the trial's origin and log, and the points nearest to a budget."""

import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from dash import no_update
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from gatefront.dashboards.jobs.disk_usage import DiskUses
from gatefront.dashboards.pages.system import system_update
from gatefront.dashboards.pages.trial.bundle import _NUM_STEPS
from gatefront.dashboards.pages.trial.provenance import log_card, origin_cards
from gatefront.dashboards.server.app import create_app
from gatefront.dashboards.server.downloads import add_downloads, report_response
from gatefront.dashboards.server.router import page_at
from gatefront.dashboards.widgets.nearest_points import nearest_points, nearest_table
from gatefront.dashboards.widgets.polling import ClientState
from gatefront.search.bundle.archive import PACKING
from gatefront.search.bundle.pull import STEPS
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import TrialState
from gatefront.search.service.bundle_jobs import BundleJobs

UNREACHABLE = OperationalError("SELECT 1", {}, Exception("connection refused"))


def words(thing: Any) -> str:
    return str(thing.to_plotly_json()) if hasattr(thing, "to_plotly_json") else str(thing)


@pytest.fixture
def disks() -> DiskUses:
    return DiskUses(lambda _folder: 20_300_000)


def test_system_page_shows_drivers_workers_queue_and_database(reader: Any, disks: DiskUses) -> None:
    reader.num_finished = 7
    shown = words(system_update(reader, disks, ClientState())[2])
    for said in ("being counted", "21.0 MiB",
                 "SQLite", "answers in 0.4 ms", "1.3 MiB", "schema 0008", "2 of 2", "node-0, process 17", "4 s ago",
                 "digits, trial 7", "node-1, process 4711", "3 of 8", "/data/runs/digits"):  # fmt: skip
        assert said in shown


def test_disk_use_is_held_against_the_quota(reader: Any, disks: DiskUses) -> None:
    folder = reader.system().disks[0].folder
    while disks.of(folder) is None:
        time.sleep(0.01)
    assert "\u25b2 92 %" in words(system_update(reader, disks, ClientState())[2])


def test_system_page_without_work_says_so(reader: Any, disks: DiskUses) -> None:
    shown = words(system_update(reader, disks, ClientState())[2])
    assert "No study is being driven." in shown
    assert "No trial trains at the moment." in shown


def test_system_page_keeps_the_last_view_while_the_database_is_away(reader: Any, disks: DiskUses) -> None:
    seen = ClientState.from_json(system_update(reader, disks, ClientState())[-1])
    reader.error = UNREACHABLE
    banner, style, content, last = system_update(reader, disks, seen)
    assert "cannot be reached since" in words(banner)
    assert style is content is no_update
    reader.error = None
    assert system_update(reader, disks, ClientState.from_json(last))[0] is None


def test_the_report_is_a_file_to_save(reader: Any) -> None:
    found = report_response(reader, "digits")
    assert found.status_code == 200
    assert found.headers["content-disposition"] == 'attachment; filename="digits-report.html"'
    assert b"Pareto front" in found.body
    assert report_response(reader, "nope").status_code == 404
    reader.error = UNREACHABLE
    assert report_response(reader, "digits").status_code == 503


def test_downloads_have_addresses_of_their_own(reader: Any) -> None:
    pack = "import pathlib, sys; pathlib.Path(sys.argv[3], f'{sys.argv[1]}-{sys.argv[2]}.zip').write_bytes(b'zip')"
    server, bundles = FastAPI(), BundleJobs("sqlite://", command=(sys.executable, "-c", pack))
    add_downloads(server, reader, bundles)
    client = TestClient(server)
    job = bundles.start("digits", "7").id
    while (found := bundles.find(job)) is not None and not found.is_done:
        time.sleep(0.05)
    answer = client.get(f"/downloads/bundle/{job}")
    assert (answer.status_code, answer.content) == (200, b"zip")
    assert 'filename="digits-7.zip"' in answer.headers["content-disposition"]
    assert client.get("/downloads/bundle/..%2f..%2fetc%2fpasswd").status_code == 404
    assert client.get("/downloads/bundle/other").status_code == 404
    bundles.close()
    assert client.get(f"/downloads/bundle/{job}").status_code == 404


def test_the_app_serves_downloads_beside_its_pages(reader: Any) -> None:
    client = TestClient(create_app(reader).server)  # type: ignore[arg-type]  # it is an ASGI application
    assert b"Pareto front" in client.get("/downloads/report/digits").content
    assert b"_dash-config" in client.get("/study/digits").content


def test_progress_of_a_bundle_counts_every_step() -> None:
    assert len([*STEPS, PACKING]) == _NUM_STEPS


def test_who_cannot_act_is_not_invited_to(reader: Any) -> None:
    assert "Start a study" not in words(page_at(reader, "/")[0])
    assert "Start a study" in words(page_at(reader, "/", can_act=True)[0])


def test_origin_cost_and_log_of_a_trial(reader: Any) -> None:
    view, detail, provenance = reader.view("digits"), reader.trial("digits", 7), reader.provenance("digits", 7)
    shown = words(origin_cards(view, detail, provenance))
    # Its own 37.6 s and twice 6.2 s for what was derived from it.
    for said in ("the study's 3 references", "node-1, process 4711", "50 s", "12 s", "1 CPU core", "514.0 GFLOPs"):
        assert said in shown
    replicate = replace(provenance, confirms=4, confirmed_by=(9, 10), initial="rooms 7.1", started_from="rooms")
    shown = words(origin_cards(view, detail, replicate))
    for said in ("/study/digits/trial/4", "/study/digits/trial/10", "rooms 7.1", "/study/rooms"):
        assert said in shown
    assert "epoch 8 of 8" in words(log_card(provenance))
    assert "There is no log" in words(log_card(replace(provenance, log="")))


def over_budget(view: StudyView) -> StudyView:
    points = tuple(
        replace(point, is_feasible=False, on_front=False, exceeds=("flops",))
        if point.state is TrialState.COMPLETE else point
        for point in view.points
    )  # fmt: skip
    return replace(view, points=points, derived=(), summary=replace(view.summary, flop_budget=1_060_000))


def test_where_nothing_keeps_to_the_budget_the_least_excess_comes_first(view: StudyView) -> None:
    assert nearest_points(view) == []
    view = over_budget(view)
    found = nearest_points(view)
    assert [point.number for point in found] == [0, 6, 9, 1, 11]
    shown = words(nearest_table(view))
    assert "1.04 % FLOPs" in shown
    assert "miss it by least" in shown
    far = replace(view, summary=replace(view.summary, flop_budget=60_000))
    assert found[0].flops == 1_071_000
    assert "1,685 % FLOPs" in words(nearest_table(far))


def test_nothing_finished_is_nothing_near(view: StudyView) -> None:
    empty = replace(view, points=(), derived=())
    assert nearest_points(empty) == []
    assert "No trial is on the front yet." in words(nearest_table(empty))
