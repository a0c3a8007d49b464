"""Every page in both colour schemes, before axe-core's rules."""

from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from gatefront.search.results.records import StudyEvent

pytestmark = pytest.mark.xdist_group("browser: accessibility")

# Each page with words that it shows last.
PAGES = {
    "/": "digits",
    "/study/digits": "What was changed",
    "/study/digits/trial/6": "epoch 8 of 8",
    "/start": "Tasks and their weights in the loss",
    "/system": "node-0, process 17",
    "/comparison/digits": "InterroGate, task weights",
    "/nowhere": "No page has this address",
}
GRAVE = ("serious", "critical")
# Plots are pictures to axe; they are named as such, and their colours are tested as data.
EXCEPT_PLOTS = {"exclude": [[".js-plotly-plot"]]}
# A progress bar moves for ever.
STANDS_STILL = "() => document.getAnimations().every(found => found.effect.getTiming().iterations === Infinity)"


def findings(page: Page) -> list[str]:
    found = Axe().run(page, context=EXCEPT_PLOTS).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}" for rule in found if rule["impact"] in GRAVE for node in rule["nodes"]
    ]


@pytest.fixture
def pages(acting: Any, sample: Any) -> Any:
    event = StudyEvent(at=sample.START, kind="extended", detail="6 more trials, 12 in all", actor="ada")
    acting.reader.num_finished = 7
    acting.reader.comparisons = {"digits": sample.sample_comparison()}
    acting.reader.override = lambda view: replace(view, events=(event,))
    return acting


@pytest.mark.parametrize("path", PAGES)
def test_no_grave_finding_in_either_scheme(page: Page, pages: Any, path: str) -> None:
    page.goto(pages.address + path)
    expect(page.get_by_role("main").get_by_text(PAGES[path]).first).to_be_visible()
    # A slider has its value with the first figure.
    page.wait_for_function("() => !document.querySelector('[role=slider]:not([aria-valuenow])')")
    assert findings(page) == []
    page.get_by_label("switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    # Colours fade over; what is measured in between is neither scheme.
    page.wait_for_function(STANDS_STILL)
    assert findings(page) == []


def test_no_grave_finding_in_a_dialog_and_beside_the_doctor(page: Page, pages: Any) -> None:
    page.goto(pages.address + "/study/digits")
    page.get_by_role("button", name="Add trials …").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_function(STANDS_STILL)
    assert findings(page) == []
    pages.control.last_passes = False
    page.goto(pages.address + "/start")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("1 of 3 checks failed: first steps")).to_be_visible()
    assert findings(page) == []
