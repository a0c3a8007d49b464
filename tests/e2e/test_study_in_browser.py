"""The whole way of a person: start a study that was checked, watch its front grow, open a point, copy its command.

`make pictures` runs it on studies/digits.toml instead of the tiny study: its screenshots are the README's pictures.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from gatefront.search.config.study_file import read_study_file
from gatefront.search.results.states import StudyState, TrialState
from gatefront.search.snapshots.reader import StudyReader

_GATEFRONT = str(Path(sys.executable).parent / "gatefront")
_PATIENCE_S = 600
_DEMO_STUDY = Path(__file__).parents[2] / "studies" / "digits.toml"
_STUDY = """
[study]
name = "tiny"
flop_budget = "45%"
trials = 3
workers = 1
confirm_points = 0
rank_unlearned = true
[data]
name = "digits"
[data.options]
train_size = 512
[network]
backbone = "smallconv"
stem = "small"
[train]
epochs = 2
batch_size = 64
reference_epochs = 2
hard_sharing_epochs = 2
[gates]
tau = {low = 0.0, high = 0.8}
lambda_s = {low = 0.3, high = 10.0, log = true}
finetune_epochs = 1
"""

Picture = Callable[..., Path]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "GATEFRONT_DB": f"sqlite:///{tmp_path}/gatefront.db",
        "GATEFRONT_STORAGE": str(tmp_path / "runs"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """The tiny study; the demo's own where pictures are wanted."""
    if os.environ.get("GATEFRONT_PICTURES"):
        return _DEMO_STUDY
    path = tmp_path / "tiny.toml"
    path.write_text(_STUDY)
    return path


@contextmanager
def running(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gatefront command in the background; it is ended with the block at the latest."""
    with log.open("wb") as output:
        command = [_GATEFRONT, *arguments]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=log.parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def address_in(log: Path) -> str:
    """Where `gatefront serve` says that it listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(f"gatefront serve did not start: {log.read_text()}")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_from_a_started_study_to_a_copied_pull_command(
    page: Page,
    context: BrowserContext,
    environment: dict[str, str],
    tmp_path: Path,
    study_file: Path,
    picture: Picture,
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    _, config = read_study_file(study_file)
    study = config.study
    serve_log = tmp_path / "serve.log"
    with running(["serve", "--port", "0"], environment, serve_log):
        page.goto(address_in(serve_log))
        expect(page.get_by_text("No study yet")).to_be_visible()
        page.evaluate("window.notReloaded = true")
        _start(page, study_file, study.name)
        expect(page.locator("#study-front-sentence")).to_contain_text("training")
        page.wait_for_function(_FRONT_HAS_A_POINT, timeout=1000 * _PATIENCE_S)
        assert page.evaluate("window.notReloaded")
        expect(page.locator("#study-header")).to_contain_text("complete", timeout=1000 * _PATIENCE_S)
        expect(page.locator("#study-stats")).to_contain_text(f"{study.trials} of {study.trials}")
        expect(page.locator("#study-events")).to_contain_text("started")
        page.wait_for_function(_FRONT_HAS_A_POINT)
        picture(page, "front", full_page=True, clip=_down_to(page, "#study-front"))
        _open_best_point(page, study.name, StudyReader(environment["GATEFRONT_DB"]))
        gate_map = page.locator(".mantine-Paper-root", has=page.locator("#trial-map"))
        picture(page, "gate-map", full_page=True, clip=gate_map.evaluate(_BOX))
        command = _copied_command(page, study.name)
        page.close()  # before its server, whose absence it would report
    bundle = tmp_path / "bundle"
    words = [*shlex.split(command)[1:-1], str(bundle)]
    done = subprocess.run([_GATEFRONT, *words], env=environment, cwd=tmp_path, capture_output=True, timeout=_PATIENCE_S)
    assert done.returncode == 0, done.stderr.decode()
    assert (bundle / "manifest.json").is_file()


def _start(page: Page, study_file: Path, name: str) -> None:
    """Upload the file, let the doctor look at it, and start the study on the page."""
    page.get_by_role("main").get_by_role("link", name="Start a study").click()
    page.locator("#start-upload input").set_input_files(study_file)
    expect(page.get_by_label("Name of the study")).to_have_value(name)
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("Everything has passed.", exact=True)).to_be_visible(timeout=1000 * _PATIENCE_S)
    page.get_by_role("button", name="Start the study").click()
    page.wait_for_url(f"**/study/{name}", timeout=1000 * _PATIENCE_S)


_FRONT_HAS_A_POINT = """() => {
    const plot = document.querySelector('#study-front .js-plotly-plot');
    const trace = plot && plot.data && plot.data.find(t => t.name === 'On the front');
    return Boolean(trace && trace.customdata.length);
}"""
_BEST_ON_SCREEN = """() => {
    const plot = document.querySelector('#study-front .js-plotly-plot');
    const trace = plot.data.find(t => t.name === 'Best within budget');
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    return [box.x + xaxis._offset + xaxis.c2p(trace.x[0]), box.y + yaxis._offset + yaxis.c2p(trace.y[0])];
}"""


_BOX = """e => {
    const box = e.getBoundingClientRect();
    return {x: box.x + window.scrollX, y: box.y + window.scrollY, width: box.width, height: box.height};
}"""


def _down_to(page: Page, selector: str) -> dict[str, float]:
    """From the top of the page to a little under an element."""
    box = page.locator(selector).evaluate(_BOX)
    width = page.evaluate("document.documentElement.clientWidth")
    return {"x": 0, "y": 0, "width": width, "height": box["y"] + box["height"] + 34}


def _open_best_point(page: Page, study: str, reader: StudyReader) -> None:
    """Click the best point and compare the gate map that opens with the one in the database."""
    view = reader.view(study)
    best = view.best
    assert view.summary.state is StudyState.COMPLETE
    assert best is not None
    assert best.state is TrialState.COMPLETE
    x, y = page.evaluate(_BEST_ON_SCREEN)
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    query = rf"\?point={best.derived}" if best.derived else ""
    expect(page).to_have_url(re.compile(f"/study/{study}/trial/{best.number}{query}$"))
    heat = page.locator("#trial-map .js-plotly-plot")
    expect(heat.locator(".heatmaplayer image").first).to_be_attached()
    shown: list[list[float]] = heat.evaluate("plot => plot.data[0].z.map(row => Array.from(row))")
    networks = reader.trial(study, best.number).networks
    gate_map = next(network.gate_map for network in networks if network.point.derived == best.derived)
    assert gate_map is not None
    wanted = [[100 * site.own_fraction(t) for site in gate_map.sites] for t in range(len(gate_map.tasks))]
    assert shown == [pytest.approx(row) for row in wanted]


def _copied_command(page: Page, study: str) -> str:
    page.get_by_role("button", name="Copy command").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command: str = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#trial-pull-command").inner_text()
    assert command.startswith(f"gatefront pull {study} --trial ")
    return command
