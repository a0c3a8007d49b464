"""Take the README's pictures from a finished study: `python docs/pictures/take.py STUDY [--db URL]`.

The study is shown by the real dashboards in a real chromium (see scripts/install-browser.sh).
"""

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from playwright.sync_api import Page, sync_playwright

from dashboards.app import create_app
from dashboards.cli import listen
from dashboards.links import study_path, trial_path
from search.errors import NothingToPullError
from search.queries import StudyReader
from search.settings import database_url

_FOLDER = Path(__file__).parent
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
_WIDTH = 1366


def take(study: str, db: Annotated[str | None, typer.Option("--db")] = None, folder: Path = _FOLDER) -> None:
    """Write front.png and gate-map.png beside this script, or into another folder."""
    reader = StudyReader(database_url(db))
    best = reader.view(study).summary.best_trial
    if best is None:
        raise NothingToPullError(f"study {study} has no finished trial to show.")
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(reader).server, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with sync_playwright() as playwright:
        executable = os.environ.get("GATEFRONT_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900}, device_scale_factor=1.5)
        _open(page, address + study_path(study), "#study-front .scatterlayer .points path")
        page.screenshot(path=folder / "front.png", clip=_down_to(page, "#study-front"))
        _open(page, address + trial_path(study, best), "#trial-pattern .heatmaplayer image")
        page.locator(".mantine-Paper-root", has=page.locator("#trial-map")).screenshot(path=folder / "gate-map.png")
        browser.close()
    server.should_exit = True
    thread.join(timeout=10)


def _open(page: Page, address: str, drawn: str) -> None:
    page.goto(address)
    page.locator(drawn).first.wait_for(state="attached", timeout=60_000)
    # Fonts and the table's columns settle a moment after the plot is there.
    time.sleep(3)


def _down_to(page: Page, selector: str) -> dict[str, float]:
    """From the top of the page to a little under an element."""
    bottom = page.locator(selector).evaluate("e => e.getBoundingClientRect().bottom + window.scrollY")
    return {"x": 0, "y": 0, "width": _WIDTH, "height": bottom + 34}


if __name__ == "__main__":
    typer.run(take)
