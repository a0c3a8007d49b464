"""What a person does on the pages, in a browser: each begins on a laptop and goes on on a phone."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from sqlalchemy.exc import OperationalError

from gatefront.dashboards.pages.study.actions import STOP_ASKED
from gatefront.search.results.records import StudyEvent, StudyView
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.service.control.study_control import NotRunningError

pytestmark = pytest.mark.xdist_group("browser: actions")

PHONE: ViewportSize = {"width": 390, "height": 844}
UNREACHABLE = OperationalError("SELECT 1", {}, Exception("connection refused"))


@pytest.fixture
def pages(acting: Any) -> Iterator[Any]:
    """The module's server, as it was before any other test: a study under way, a control that obeys."""
    reader, control = acting.reader, acting.control
    reader.num_finished, reader.error, reader.override = 7, None, lambda view: view
    control.calls.clear()
    control.error, control.last_passes = None, True
    control.held.set()
    acting.packing.set()
    yield acting
    reader.error = None


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def go_on_on_a_phone(page: Page) -> None:
    """The same page in a small window, where nothing may stick out at the side."""
    page.set_viewport_size(PHONE)
    page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_a_study_is_started_from_fields(page: Page, pages: Any) -> None:
    pages.control.held.clear()
    page.goto(pages.address)
    page.get_by_role("main").get_by_role("link", name="Start a study").click()
    expect(page).to_have_title("Start a study · gatefront")
    text = page.get_by_label("Study file (TOML)")
    expect(page.get_by_label("orientation")).to_have_value("1")
    page.get_by_label("FLOP budget").fill("60%")
    expect(text).to_have_value(re.compile('flop_budget = "60%"'))
    page.get_by_label("Name of the study").fill("mine")
    expect(text).to_have_value(re.compile('name = "mine"'))
    expect(button(page, "Start the study")).to_be_disabled()
    button(page, "Check it").click()
    expect(page.get_by_text("disk passed: 20.1 GB free")).to_be_visible()
    expect(page.get_by_text("first steps")).to_have_count(0)
    expect(button(page, "Start the study")).to_be_disabled()
    go_on_on_a_phone(page)
    pages.control.held.set()
    expect(page.get_by_text("Everything has passed.", exact=True)).to_be_visible()
    button(page, "Start the study").click()
    expect(page).to_have_url(re.compile("/study/digits$"))
    expect(page.locator("#study-stats")).to_be_visible()
    assert page.evaluate("window.scrollY") == 0
    (_, checked, _), (_, started, options, actor) = pages.control.calls
    assert checked == started
    assert 'name = "mine"' in started
    assert (options.hours, actor) == (None, "dashboard")
    page.go_back()
    expect(page.get_by_role("heading", name="Start a study")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Studies", exact=True)).to_be_visible()


def test_a_study_file_is_uploaded_changed_and_checked_again(page: Page, pages: Any, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('# my own words\n[study]\nname = "uploaded"\ntrials = 4\n[data]\nname = "rooms"\n')
    page.goto(pages.address + "/start")
    page.locator("#start-upload input").set_input_files(path)
    expect(page.get_by_label("Name of the study")).to_have_value("uploaded")
    expect(page.get_by_label("normals")).to_have_value("1")
    text = page.get_by_label("Study file (TOML)")
    expect(text).to_have_value(re.compile("# my own words"))
    page.get_by_label("Hours at most").fill("2")
    button(page, "Check it").click()
    expect(page.get_by_text("Everything has passed.", exact=True)).to_be_visible()
    text.fill(text.input_value().replace("trials = 4", "trails = 4"))
    expect(page.get_by_text("Did you mean 'trials'?")).to_be_visible()
    expect(page.get_by_text("The study file has changed since: check it again.")).to_be_visible()
    expect(button(page, "Start the study")).to_be_disabled()
    assert [call[0] for call in pages.control.calls] == ["examine"]
    assert pages.control.calls[0][2].hours == 2.0


def test_a_study_is_stopped_extended_and_capped_each_confirmed(page: Page, pages: Any) -> None:
    page.goto(pages.address + "/study/digits")
    expect(button(page, "Resume …")).to_be_disabled()
    expect(page.get_by_text("Resume: its driver is at work.")).to_be_visible()
    button(page, "Stop …").click()
    dialog = page.get_by_role("dialog", name="Stop this study?")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert pages.control.calls == []
    button(page, "Stop …").click()
    pages.control.error = NotRunningError(
        "no driver of 'digits' is alive.", hint="`gatefront resume digits` starts one."
    )
    dialog.get_by_role("button", name="Stop the study").click()
    expect(dialog.get_by_text("gatefront resume digits")).to_be_visible()
    pages.control.error = None
    dialog.get_by_role("button", name="Stop the study").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text(STOP_ASKED)).to_be_visible()
    # Once it has stopped, the note would say what no longer is.
    pages.reader.override = lambda view: replace(
        view, revision="stopped", summary=replace(view.summary, state=StudyState.STOPPED)
    )
    expect(page.get_by_text(STOP_ASKED)).to_have_count(0)
    pages.reader.override = lambda view: view
    expect(button(page, "Add trials …")).to_be_enabled()
    go_on_on_a_phone(page)
    button(page, "Add trials …").click()
    page.get_by_label("More trials").fill("8")
    page.get_by_role("dialog").get_by_role("button", name="Add trials", exact=True).click()
    expect(page.get_by_text("The driver takes them up.")).to_be_visible()
    button(page, "Hour cap …").click()
    page.get_by_label("Hours at most").and_(page.locator("#study-hours")).fill("1.5")
    button(page, "Set the cap").click()
    expect(page.get_by_text("The session is capped at 1.5 h.")).to_be_visible()
    assert pages.control.calls == [
        ("stop", "digits", "dashboard"),
        ("extend", "digits", 8, "dashboard"),
        ("set_hours", "digits", 1.5, "dashboard"),
    ]


def test_a_stopped_study_is_resumed_and_its_changes_are_listed(page: Page, pages: Any, sample: ModuleType) -> None:
    event = StudyEvent(at=sample.START, kind="stop_asked", detail="", actor="ada")
    pages.reader.num_finished = 11

    def stopped(view: StudyView) -> StudyView:
        summary = replace(view.summary, state=sample.StudyState.STOPPED)
        return replace(view, summary=summary, revision="stopped", events=(event,))

    pages.reader.override = stopped
    page.goto(pages.address + "/study/digits")
    expect(page.locator("#study-events")).to_contain_text("ada")
    expect(page.locator("#study-events")).to_contain_text("asked to stop")
    go_on_on_a_phone(page)
    expect(button(page, "Stop …")).to_be_disabled()
    button(page, "Resume …").click()
    page.get_by_label("Workers").fill("3")
    page.get_by_role("dialog").get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_text("A driver is starting")).to_be_visible()
    assert pages.control.calls == [("resume", "digits", 3, None, "dashboard")]


def test_a_trial_is_declared_void_and_taken_back(page: Page, pages: Any) -> None:
    page.goto(pages.address + "/study/digits/trial/6")
    button(page, "Declare void …").click()
    page.get_by_label("Reason").fill("the labels were wrong")
    button(page, "Declare void").click()
    expect(page.get_by_text("The trial is void.")).to_be_visible()

    def voided(view: StudyView) -> StudyView:
        points = tuple(replace(p, state=TrialState.VOID) if p.number == 6 else p for p in view.points)
        return replace(view, points=points, revision="void")

    pages.reader.override = voided
    go_on_on_a_phone(page)
    expect(button(page, "Declare void …")).to_be_disabled()
    button(page, "Take the void back …").click()
    button(page, "Take it back").click()
    expect(page.get_by_text("The trial counts again.")).to_be_visible()
    assert pages.control.calls == [
        ("void", "digits", 6, "the labels were wrong", "dashboard"),
        ("unvoid", "digits", 6, "dashboard"),
    ]


def test_a_bundle_is_packed_step_by_step_and_saved(page: Page, pages: Any) -> None:
    pages.packing.clear()
    page.goto(pages.address + "/study/digits/trial/6")
    button(page, "Download as zip").click()
    expect(page.get_by_text("Step 2 of 8: pruning the trained network")).to_be_visible()
    go_on_on_a_phone(page)
    with page.expect_download() as download:
        pages.packing.set()
    assert download.value.suggested_filename == "digits-6.zip"
    assert Path(download.value.path()).read_bytes() == b"a bundle"
    expect(page.get_by_role("link", name="digits-6.zip")).to_be_visible()


def test_the_report_is_saved_and_the_trial_says_where_it_came_from(page: Page, pages: Any) -> None:
    page.goto(pages.address + "/study/digits")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download report").click()
    assert download.value.suggested_filename == "digits-report.html"
    assert "Pareto front" in Path(download.value.path()).read_text()
    page.goto(pages.address + "/study/digits/trial/6")
    expect(page.locator("#trial-origin")).to_contain_text("the study's 3 references")
    expect(page.locator("#trial-log")).to_contain_text("epoch 8 of 8")


def test_the_system_page_follows_and_keeps_the_last_view(page: Page, pages: Any) -> None:
    page.goto(pages.address)
    page.get_by_role("navigation", name="pages").get_by_role("link", name="System").click()
    expect(page.get_by_text("node-0, process 17")).to_be_visible()
    expect(page.get_by_role("link", name="digits, trial 7")).to_be_visible()
    go_on_on_a_phone(page)
    pages.reader.error = UNREACHABLE
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached since")
    expect(page.get_by_text("node-0, process 17")).to_be_visible()
    pages.reader.error, pages.reader.num_finished = None, 12
    expect(page.get_by_text("No study is being driven.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_keyboard_is_enough(page: Page, pages: Any) -> None:
    page.goto(pages.address + "/study/digits")
    expect(button(page, "Stop …")).to_be_enabled()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'page'")
    assert page.evaluate("location.pathname") == "/study/digits"
    button(page, "Stop …").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Stop this study?")
    expect(dialog).to_be_visible()
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("Boolean(document.activeElement.closest('[role=dialog]'))")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button(page, "Stop …")).to_be_focused()
    assert pages.control.calls == []


def test_nothing_feasible_names_what_comes_nearest(page: Page, pages: Any) -> None:
    def over(view: StudyView) -> StudyView:
        points = tuple(replace(point, is_feasible=False, on_front=False, exceeds=("flops",)) for point in view.points)
        summary = replace(view.summary, flop_budget=1_060_000, best_trial=None, best_label=None, best_delta_mtl=None)
        return replace(view, points=points, derived=(), summary=summary, revision="over")

    pages.reader.override = over
    page.goto(pages.address + "/study/digits")
    expect(page.get_by_text("none of them within the FLOP budget of 45%")).to_be_visible()
    nearest = page.locator("#study-front-points")
    expect(nearest).to_contain_text("these miss it by least")
    expect(nearest.get_by_role("row").nth(1)).to_contain_text("1.04 % FLOPs")
    nearest.get_by_role("link", name="Trial 0").click()
    expect(page).to_have_url(re.compile("/study/digits/trial/0$"))


def test_pages_without_a_control_only_show(page: Page, serve: Any, sample: ModuleType) -> None:
    address = serve(sample.SampleReader(7))
    page.goto(address + "/study/digits")
    expect(page.locator("#study-stats")).to_contain_text("7 of 12")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_role("link", name="Start a study")).to_have_count(0)
    expect(page.get_by_role("link", name="Download report")).to_be_visible()
    page.goto(address + "/start")
    expect(page.get_by_text("No page has this address")).to_be_visible()
