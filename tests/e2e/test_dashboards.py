"""The dashboards in a browser, on a sample study that grows while one looks."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from gatefront.dashboards.figures.theme import scheme_named
from gatefront.search.results.records import StudyView
from gatefront.search.results.states import StudyState
from gatefront.search.snapshots.protocol import Reader
from gatefront.spaces.gating.gate_map import GateMap

pytestmark = pytest.mark.xdist_group("browser: dashboards")

Serve = Callable[[Reader], str]


def wait_for_front(page: Page, *numbers: int) -> None:
    """Until the trials' own points of the front on the plot are these."""
    script = """numbers => {
        const plot = document.querySelector('#study-front .js-plotly-plot');
        const trace = plot && plot.data && plot.data.find(t => t.name === 'On the front');
        return trace && Array.from(trace.customdata).sort((a, b) => a - b).join() === numbers.join();
    }"""
    page.wait_for_function(script, arg=sorted(numbers))


def point_on_screen(page: Page, label: str) -> tuple[float, float]:
    """Where the plot shows a point, in pixels of the window."""
    script = """label => {
        const plot = document.querySelector('#study-front .js-plotly-plot');
        const trace = plot.data.find(t => t.customdata && Array.from(t.customdata).includes(label));
        const i = Array.from(trace.customdata).indexOf(label);
        const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.c2p(trace.x[i]), box.y + yaxis._offset + yaxis.c2p(trace.y[i])];
    }"""
    x, y = page.evaluate(script, label)
    return x, y


def click_point(page: Page, label: str) -> None:
    x, y = point_on_screen(page, label)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.mouse.click(x, y)


def preparing(view: StudyView) -> StudyView:
    summary = replace(view.summary, state=StudyState.PREPARING, best_trial=None, best_label=None)
    return replace(view, revision="preparing", points=(), derived=(), references=(), hypervolume=(), summary=summary)


def test_a_point_appears_without_reload_and_zoom_is_kept(page: Page, serve: Serve, sample: ModuleType) -> None:
    reader = sample.SampleReader(0)
    page.goto(serve(reader) + "/study/digits")
    expect(page.get_by_text("No trial has finished yet: 2 running.")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    reader.num_finished = 7
    expect(page.locator("#study-stats")).to_contain_text("7 of 12")
    wait_for_front(page, 0, 1, 5, 6)
    expect(page.get_by_text("No trial has finished yet")).to_have_count(0)
    (left, top), (right, bottom) = point_on_screen(page, "6"), point_on_screen(page, "5")
    page.mouse.move(left - 20, top + 40)
    page.mouse.down()
    page.mouse.move(right + 20, bottom - 40, steps=8)
    page.mouse.up()
    axis = "() => document.querySelector('#study-front .js-plotly-plot')._fullLayout.xaxis.range"
    page.wait_for_function(f"() => ({axis})()[0] > 1.06")
    zoomed = page.evaluate(axis)
    reader.grow()
    wait_for_front(page, 0, 1, 5, 6, 7)
    assert page.evaluate(axis) == zoomed
    assert page.evaluate("window.notReloaded")


def test_from_a_point_to_its_gate_map_and_command(
    page: Page, context: BrowserContext, serve: Serve, sample: ModuleType
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(serve(sample.SampleReader()))
    page.get_by_role("link", name="digits", exact=True).click()
    expect(page.locator("#study-stats")).to_contain_text("12 of 12")
    wait_for_front(page, 0, 5, 6, 7, 9, 10)
    click_point(page, "9")
    expect(page).to_have_url(re.compile("/study/digits/trial/9$"))
    expect(page).to_have_title("Trial 9 of digits · gatefront")
    assert shown_map(page) == wanted_map(sample.sample_gate_map(9))
    page.get_by_role("button", name="Copy command").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "gatefront pull digits --trial 9 -o digits-9"


def test_a_derived_point_opens_its_trial_at_that_point(
    page: Page, context: BrowserContext, serve: Serve, sample: ModuleType, picture: Callable[..., Path]
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(serve(sample.SampleReader()) + "/study/digits")
    wait_for_front(page, 0, 5, 6, 7, 9, 10)
    legend = page.locator("#study-front .legendtext", has_text="Derived from a trial")
    expect(legend).to_have_count(1)
    click_point(page, "7.2")
    expect(page).to_have_url(re.compile(r"/study/digits/trial/7\?point=2$"))
    expect(page).to_have_title("Trial 7.2 of digits · gatefront")
    expect(page.get_by_role("heading", name="Trial 7, derived point 2")).to_be_visible()
    assert shown_map(page) == wanted_map(sample.sample_gate_map(3))
    picture(page, "trial-derived", full_page=True)
    page.get_by_role("link", name="7, its own").click()
    expect(page).to_have_url(re.compile("/study/digits/trial/7$"))
    expect(page.get_by_role("heading", name="Trial 7", exact=True)).to_be_visible()
    page.wait_for_function(_MAP_IS, arg=wanted_map(sample.sample_gate_map(7)))
    page.get_by_role("button", name="copy the pull command of 7.1").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).includes('--trial 7.1 ')")
    page.go_back()
    expect(page).to_have_url(re.compile(r"\?point=2$"))
    page.wait_for_function(_MAP_IS, arg=wanted_map(sample.sample_gate_map(3)))


_MAP_IS = """wanted => {
    const plot = document.querySelector('#trial-map .js-plotly-plot');
    return plot && plot.data[0] && plot.data[0].z
        && JSON.stringify(plot.data[0].z.map(row => Array.from(row))) === JSON.stringify(wanted);
}"""


def shown_map(page: Page) -> list[list[float]]:
    heat = page.locator("#trial-map .js-plotly-plot")
    expect(heat.locator(".heatmaplayer image").first).to_be_attached()
    found: list[list[float]] = heat.evaluate("plot => plot.data[0].z.map(row => Array.from(row))")
    return found


def wanted_map(gate_map: GateMap) -> list[list[float]]:
    return [[100 * site.own_fraction(t) for site in gate_map.sites] for t in range(len(gate_map.tasks))]


def test_a_site_is_chosen_on_the_map_and_in_the_list(page: Page, serve: Serve, sample: ModuleType) -> None:
    page.goto(serve(sample.SampleReader()) + "/study/digits/trial/7")
    site = page.locator("#trial-site")
    expect(site).to_have_value("stage3.block0.conv2")
    plot = page.locator("#trial-map .js-plotly-plot")
    expect(plot.locator(".heatmaplayer image").first).to_be_attached()
    box = plot.bounding_box()
    assert box is not None
    x, y = plot.evaluate("p => [p._fullLayout.xaxis._offset + p._fullLayout.xaxis.c2p(10), "
                         "p._fullLayout.yaxis._offset + p._fullLayout.yaxis.c2p(1)]")  # fmt: skip
    page.mouse.move(box["x"] + x - 2, box["y"] + y)
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(site).to_have_value("stage2.block1.conv2")
    channels = len(sample.sample_gate_map(7).sites[10].own[0])
    expect(page.locator("#trial-pattern-sentence")).to_contain_text(f"Own channels of {channels}:")
    site.click()
    page.get_by_role("option", name="stem").click()
    expect(page.locator("#trial-pattern-sentence")).to_contain_text("Own channels of 4:")


def test_a_row_of_the_table_opens_its_trial(page: Page, serve: Serve, sample: ModuleType) -> None:
    page.goto(serve(sample.SampleReader()) + "/study/digits")
    rows = page.locator("#study-trials .ag-center-cols-container .ag-row")
    expect(rows).to_have_count(12)
    expect(page.locator("#study-trials .ag-row[row-index='0']").first).to_contain_text("11")
    page.get_by_role("gridcell", name="✕ failed").click()
    expect(page).to_have_url(re.compile("/study/digits/trial/3$"))
    expect(page.get_by_role("alert")).to_contain_text("Cause: the loss of task right is NaN")
    expect(page.get_by_text("Only a complete trial can be pulled.")).to_be_visible()
    expect(page.locator("#trial-map")).to_be_hidden()


def test_database_that_goes_away_and_comes_back(page: Page, serve: Serve, sample: ModuleType) -> None:
    reader = sample.SampleReader(5)
    page.goto(serve(reader) + "/study/digits")
    expect(page.locator("#study-stats")).to_contain_text("5 of 12")
    reader.error = OSError("connection refused")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached since")
    expect(page.locator("#study-stats")).to_contain_text("5 of 12")
    reader.error, reader.num_finished = None, 6
    expect(page.locator("#study-stats")).to_contain_text("6 of 12")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_states_without_a_picture_say_why(page: Page, serve: Serve, sample: ModuleType) -> None:
    reader = sample.SampleReader()
    address = serve(reader)
    page.goto(address + "/study/nope")
    expect(page.get_by_text("there is no study 'nope'")).to_be_visible()
    page.goto(address + "/study/digits/trial/99")
    expect(page.get_by_text("Study digits has no such trial.")).to_be_visible()
    page.goto(address + "/nowhere")
    expect(page.get_by_text("No page has this address")).to_be_visible()
    reader.override = preparing
    page.goto(address + "/study/digits")
    expect(page.get_by_text("The references that define Δ_MTL are training.")).to_be_visible()


def test_a_phone_needs_no_sideways_scrolling(page: Page, serve: Serve, sample: ModuleType) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    address = serve(sample.SampleReader())
    for path, latest in (
        ("/", "main .mantine-Progress-root"),
        ("/study/digits", "#points-parallel .axis-brush, #study-trials .ag-row"),
        ("/study/digits/trial/7", "#trial-map .heatmaplayer image, #sharing-flow .sankey-link"),
    ):
        page.goto(address + path)
        for drawn in latest.split(", "):
            expect(page.locator(drawn).first).to_be_attached()
        page.wait_for_function("() => document.documentElement.scrollWidth <= 390")


def test_plots_out_of_sight_are_drawn_after_those_in_sight(page: Page, serve: Serve, sample: ModuleType) -> None:
    page.add_init_script("""
        window.drawn = [];
        const ids = () => Array.from(document.querySelectorAll('.js-plotly-plot'), plot => plot.parentElement.id);
        const note = () => ids().filter(id => !drawn.includes(id)).forEach(id => drawn.push(id));
        new MutationObserver(note).observe(document, {childList: true, subtree: true});
    """)
    page.goto(serve(sample.SampleReader()) + "/study/digits")
    page.wait_for_function("() => window.drawn.includes('points-parallel') && window.drawn.includes('points-tasks')")
    order = page.evaluate("window.drawn")
    assert order.index("study-front") < min(order.index("points-parallel"), order.index("points-tasks")), order


def test_a_page_opened_in_the_dark_is_never_drawn_light(
    context: BrowserContext, serve: Serve, sample: ModuleType
) -> None:
    page = context.new_page()
    page.add_init_script("""
        localStorage.setItem('mantine-color-scheme-value', 'dark');
        window.colors = new Set();
        const plot = () => document.querySelector('#study-front .js-plotly-plot');
        const note = () => plot()?.layout?.font && colors.add(plot().layout.font.color);
        new MutationObserver(note).observe(document, {childList: true, subtree: true});
    """)
    page.goto(serve(sample.SampleReader()) + "/study/digits")
    wait_for_front(page, 0, 5, 6, 7, 9, 10)
    assert page.evaluate("window.colors.size") == 1
    assert page.evaluate("Array.from(window.colors)") == [scheme_named("dark").text]


def test_dark_scheme_reaches_the_plots(page: Page, serve: Serve, sample: ModuleType) -> None:
    page.goto(serve(sample.SampleReader()) + "/study/digits")
    expect(page.locator("#study-stats")).to_contain_text("12 of 12")
    wait_for_front(page, 0, 5, 6, 7, 9, 10)
    color = "() => document.querySelector('#study-front .js-plotly-plot').layout.font.color"
    light = page.evaluate(color)
    page.get_by_label("switch between light and dark").click()
    page.wait_for_function(f"before => ({color})() !== before", arg=light)
