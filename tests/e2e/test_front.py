"""Working with a front in a browser: a budget, floors, layers, one selection in all views, two points, what is saved.

What changes the study's page is done on a laptop and on a phone.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from gatefront.search.results.records import StudyView, TrialPoint

pytestmark = pytest.mark.xdist_group("browser: front")

LAPTOP: ViewportSize = {"width": 1366, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
_PLOT = "document.querySelector('#study-front .js-plotly-plot')"
_HAS = "([plot, name]) => document.querySelector(`#${plot} .js-plotly-plot`)?.data?.some(t => t.name === name)"


def with_a_stopped_trial(view: StudyView) -> StudyView:
    """Trial 8 stood somewhere when it was stopped, and trial 7, the best, pays for it with its first task."""
    return replace(view, points=tuple(_changed(point) for point in view.points))


def _changed(point: TrialPoint) -> TrialPoint:
    if point.number == 7:
        return replace(point, metrics=dict(point.metrics) | {"left": 80.0})
    return replace(point, stopped_at=(-11.0, 1_140_000)) if point.number == 8 else point


@pytest.fixture
def pages(acting: Any) -> Iterator[Any]:
    reader = acting.reader
    reader.num_finished, reader.override = 12, with_a_stopped_trial
    yield acting
    reader.override = lambda view: view


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def front(request: pytest.FixtureRequest, page: Page, pages: Any) -> Page:
    """The study's page with its front drawn."""
    page.set_viewport_size(request.param)
    page.goto(pages.address + "/study/digits")
    page.wait_for_function(_HAS, arg=["study-front", "On the front"])
    expect_best(page, "7")
    return page


def expect_best(page: Page, label: str) -> None:
    """The best point is this one: in the command that pulls it, and on the plot."""
    command = f"gatefront pull digits --trial {label} -o digits-{label}"
    expect(page.locator("#front-best .command")).to_have_text(command)
    page.wait_for_function(
        f"label => {_PLOT}.data.find(t => t.name === 'Best within budget').customdata[0] === label", arg=label
    )


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="your budget")


def drag_budget(page: Page, to: float) -> None:
    """Take the line's foot where it stands and let it go at another cost."""
    # An answer that is still under way would move it away from under the mouse.
    page.wait_for_function(
        f"now => Math.abs({_PLOT}.layout.shapes.find(shape => shape.name === 'your-budget').x0 - now) < 0.0006",
        arg=float(slider(page).get_attribute("aria-valuenow") or 0),
    )
    page.locator("#study-front").evaluate("plot => plot.scrollIntoView({block: 'center'})")
    start, end, y = page.evaluate(
        f"""to => {{
            const plot = {_PLOT}, box = plot.getBoundingClientRect(), axis = plot._fullLayout.xaxis;
            const at = x => box.x + axis._offset + axis.c2p(x);
            const line = plot.layout.shapes.find(shape => shape.name === 'your-budget');
            return [at(line.x0), at(to), box.y + plot._fullLayout.yaxis._offset + plot._fullLayout.yaxis._length * 0.8];
        }}""",
        to,
    )
    page.mouse.move(start - 2, y)
    page.mouse.down()
    page.mouse.move((start + end) / 2, y, steps=4)
    page.mouse.move(end - 2, y, steps=4)
    page.mouse.up()


def test_a_budget_floors_another_axis_and_layers(front: Page) -> None:
    slider(front).focus()
    for _ in range(6):
        front.keyboard.press("ArrowLeft")
    expect_best(front, "10")
    drag_budget(front, 1.160)
    expect_best(front, "7.2")
    assert 1.155 < float(slider(front).get_attribute("aria-valuenow") or 0) < 1.165
    drag_budget(front, 1.215)
    expect_best(front, "7")
    floor = front.get_by_label("left may lose at most")
    floor.fill("5")
    expect_best(front, "10")
    expect(front.locator("#front-best")).to_contain_text("left losing at most 5 %")
    front.wait_for_function(_HAS, arg=["study-front", "Below a floor"])
    floor.fill("")
    expect_best(front, "7")
    front.get_by_label("stopped early").click()
    front.wait_for_function(f"has => !({_HAS})(has)", arg=["study-front", "Stopped early"])
    front.get_by_label("stopped early").click()
    front.wait_for_function(_HAS, arg=["study-front", "Stopped early"])
    front.locator("#front-axis").get_by_text("Parameters").click()
    front.wait_for_function(f"() => {_PLOT}.layout.xaxis.title.text.startsWith('Parameters')")
    expect(front.locator("#front-best")).to_contain_text("34 500 parameters")
    front.locator("#front-axis").get_by_text("FLOPs").click()
    expect(front.locator("#front-best")).to_contain_text("Within 1.215 MFLOPs: trial 7")


def test_a_point_under_the_line_of_the_budget_can_be_clicked(front: Page) -> None:
    drag_budget(front, front.evaluate(f"{_PLOT}.data.find(t => t.name === 'Best within budget').x[0]"))
    expect_best(front, "7")
    x, y = front.evaluate(
        f"""() => {{
            const plot = {_PLOT}, box = plot.getBoundingClientRect(), {{xaxis, yaxis}} = plot._fullLayout;
            const best = plot.data.find(t => t.name === 'Best within budget');
            return [box.x + xaxis._offset + xaxis.c2p(best.x[0]), box.y + yaxis._offset + yaxis.c2p(best.y[0])];
        }}"""
    )
    front.mouse.move(x - 3, y - 3)
    front.mouse.move(x, y)
    front.mouse.click(x, y)
    expect(front).to_have_url(re.compile("/study/digits/trial/7$"))


def highlighted(page: Page, *labels: str) -> None:
    """Until these points alone stand out in the plot; none at all: until nothing does."""
    page.wait_for_function(
        f"""wanted => {{
            const traces = {_PLOT}.data.filter(t => t.customdata && t.selectedpoints);
            const found = traces.flatMap(t => Array.from(t.selectedpoints, index => t.customdata[index]));
            return found.sort().join() === wanted;
        }}""",
        arg=",".join(sorted(labels)),
    )


def row(page: Page, number: int) -> Locator:
    return page.locator(f"#study-trials .ag-row[row-id='{number}']")


def test_one_selection_in_table_plot_and_parameters(front: Page) -> None:
    front.locator("#study-trials").scroll_into_view_if_needed()
    for number in (10, 9):
        row(front, number).locator("input[type=checkbox]").first.click()
    expect(front.locator("#points-selection")).to_have_text("2 points selected in the table.")
    highlighted(front, "10", "9")
    front.get_by_role("button", name="Show all").click()
    highlighted(front)
    expect(front.locator("#points-selection")).to_have_text("")
    frame_in_plot(front, "5", "10")
    expect(front.locator("#points-selection")).to_contain_text("selected in the plot")
    highlighted(front, "10", "5")
    front.locator("#study-trials").scroll_into_view_if_needed()
    expect(row(front, 9)).to_have_count(0)
    expect(row(front, 5).first).to_be_attached()
    front.get_by_role("button", name="Show all").click()
    expect(row(front, 9).first).to_be_attached()
    highlighted(front)


def frame_in_plot(page: Page, one: str, other: str) -> None:
    """Draw a frame around two points of the front, with the tool for it."""
    page.locator("#study-front").evaluate("plot => plot.scrollIntoView({block: 'center'})")
    page.locator("#study-front .modebar-btn[data-val=select]").click()
    (x0, y0), (x1, y1) = (
        page.evaluate(
            f"""label => {{
                const plot = {_PLOT}, box = plot.getBoundingClientRect(), {{xaxis, yaxis}} = plot._fullLayout;
                const trace = plot.data.find(t => t.name === 'On the front');
                const i = Array.from(trace.customdata).indexOf(label);
                return [box.x + xaxis._offset + xaxis.c2p(trace.x[i]), box.y + yaxis._offset + yaxis.c2p(trace.y[i])];
            }}""",
            label,
        )
        for label in (one, other)
    )
    page.mouse.move(x0 - 6, y0 + 8)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=4)
    page.mouse.move(x1 + 6, y1 - 8, steps=4)
    page.mouse.up()


def test_a_brush_across_a_parameter_selects_its_trials(front: Page) -> None:
    # The last axis is Δ_MTL, from -10.4 to -3.1.
    brush_last_axis(front, 0.15, 0.55)
    expect(front.locator("#points-selection")).to_have_text("4 points selected across the parameters.")
    highlighted(front, "1", "6", "9", "11")
    expect(row(front, 7)).to_have_count(0)
    front.get_by_role("button", name="Show all").click()
    highlighted(front)
    expect(front.locator("#points-selection")).to_have_text("")
    expect(row(front, 7).first).to_be_attached()


def brush_last_axis(page: Page, start: float, end: float) -> None:
    """Drag along the last axis of the parameters, between two shares of its height from below."""
    plot = page.locator("#points-parallel")
    brush = plot.locator(".axis-brush .background").last
    expect(brush).to_be_attached()
    plot.evaluate("plot => plot.scrollIntoView({block: 'center'})")
    brush.evaluate("axis => axis.scrollIntoView({block: 'center', inline: 'center'})")
    axis = brush.bounding_box()
    assert axis is not None
    x, low, height = axis["x"] + axis["width"] / 2, axis["y"] + axis["height"], axis["height"]
    page.mouse.move(x, low - start * height)
    page.mouse.down()
    page.mouse.move(x, low - (start + end) / 2 * height, steps=4)
    page.mouse.move(x, low - end * height, steps=4)
    page.mouse.up()


def test_systems_are_sorted_and_their_plot_is_saved_as_a_table(page: Page, pages: Any, sample: Any) -> None:
    pages.reader.comparisons = {"digits": sample.sample_comparison()}
    page.set_viewport_size(LAPTOP)
    page.goto(pages.address + "/comparison/digits")
    systems = page.locator("#comparison-table .ag-cell[col-id=system]")
    expect(systems).to_have_count(3)
    heading = page.locator("#comparison-table .ag-header-cell[col-id=delta_mtl]")
    for _ in range(2):
        heading.click()
    order = """names => Array.from(document.querySelectorAll('#comparison-table .ag-row'))
        .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))
        .map(row => row.getAttribute('row-id')).join() === names"""
    page.wait_for_function(order, arg="single-task,InterroGate, task weights,hard sharing, uniform")
    heading.click()
    page.locator("#comparison-table .ag-header-cell[col-id=flops]").click()
    page.wait_for_function(order, arg="hard sharing, uniform,InterroGate, task weights,single-task")
    page.wait_for_function("() => document.querySelector('#comparison-plot .js-plotly-plot')?.data?.length > 2")
    table = saved(page, "comparison-plot", "csv")
    assert "hard sharing, uniform" in table
    assert ",1.215,-3.1" in table


def test_two_points_are_compared_and_charts_are_saved(front: Page) -> None:
    words = front.locator("#points-words")
    expect(words).to_contain_text("7 takes")
    choose = front.get_by_role("combobox", name="compared with").or_(front.get_by_label("compared with")).first
    choose.click()
    front.get_by_role("option", name=re.compile("^0: ")).click()
    expect(words).to_contain_text("compared with 0.")
    expect(words.get_by_role("listitem")).to_have_count(4)
    front.wait_for_function(_HAS, arg=["points-tasks", "0"])
    table = saved(front, "study-front", "csv")
    assert table.splitlines()[0].startswith('\ufeffseries,point,"FLOPs per image (MFLOPs')
    assert "On the front,10,1.193,-4.4" in table
    assert "0.0031," in saved(front, "points-parallel", "csv")
    assert saved(front, "points-difference", "csv").count("\n") == 1 + 3 * 20
    assert saved(front, "points-tasks", "svg").startswith("<svg")
    assert saved(front, "study-hypervolume", "png").startswith("\x89PNG")


def saved(page: Page, plot: str, kind: str) -> str:
    """What the button under a plot hands out, byte by byte; a table or drawing as text."""
    group = page.get_by_role("group").filter(has=page.locator(f"#{plot}")).last
    with page.expect_download() as download:
        group.get_by_role("button", name=f"save as {kind.upper()}").click()
    assert download.value.suggested_filename.endswith(f"digits-{plot}.{kind}")
    return Path(download.value.path()).read_text("latin-1" if kind == "png" else "utf-8")


def test_the_trials_and_their_causes_are_seen_without_scrolling_sideways(page: Page, pages: Any) -> None:
    page.set_viewport_size(LAPTOP)
    page.goto(pages.address + "/study/digits")
    expect(row(page, 3).first).to_be_attached()
    expect(page.locator("#study-trials .ag-header-cell[col-id=cause]")).to_be_visible()
    page.wait_for_function(
        """() => {
            const shown = document.querySelector('#study-trials .ag-center-cols-viewport');
            return shown && shown.scrollWidth <= shown.clientWidth;
        }"""
    )


def test_the_gates_of_every_epoch_are_gone_through_with_the_keyboard(page: Page, pages: Any) -> None:
    page.set_viewport_size(LAPTOP)
    page.goto(pages.address + "/study/digits/trial/7")
    words = page.locator("#course-sentence")
    expect(words).to_contain_text("Epoch 8 of 8, with the gates frozen")
    total = """() => document.querySelector('#course-map .js-plotly-plot').data[0].z
        .reduce((sum, row) => sum + Array.from(row).reduce((a, b) => a + b, 0), 0)"""
    page.wait_for_function("() => document.querySelector('#course-map .js-plotly-plot')?.data?.[0]?.z")
    last = page.evaluate(total)
    slider = page.get_by_role("slider", name="epoch whose gates are shown")
    slider.focus()
    page.keyboard.press("Home")
    expect(words).to_contain_text("Epoch 1 of 8, while the gates learn")
    page.wait_for_function(f"last => ({total})() > last", arg=last)
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("Epoch 2 of 8")
    page.keyboard.press("End")
    expect(words).to_contain_text("Epoch 8 of 8")
    page.wait_for_function(f"last => ({total})() === last", arg=last)
    page.set_viewport_size(PHONE)
    page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_what_the_tasks_of_a_trial_share(page: Page, pages: Any) -> None:
    page.set_viewport_size(LAPTOP)
    page.goto(pages.address + "/study/digits/trial/7")
    page.wait_for_function(
        """() => {
            const first = id => document.querySelector(`#${id} .js-plotly-plot`)?.data?.[0];
            return first('sharing-affinity')?.z?.length === 3 && first('sharing-flops')?.y?.length === 20
                && first('sharing-flow')?.link?.value?.length > 3;
        }"""
    )
    expect(page.locator("#sharing-words")).to_contain_text("share the most")
    expect(page.locator("#sharing-flow .sankey-link").first).to_be_attached()
    page.set_viewport_size(PHONE)
    expect(page.locator("#sharing-affinity .heatmaplayer image").first).to_be_attached()
    page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")
