"""A real browser, and dashboards served to it on a free loopback port."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from gatefront.dashboards.server.app import create_app
from gatefront.dashboards.server.listen import listen
from gatefront.search.service.bundle_jobs import BundleJobs
from gatefront.search.snapshots.protocol import Reader

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PICTURES = "GATEFRONT_PICTURES"


# Packs in two steps, and ends once there is a file at the first argument.
_PACK = """
import pathlib, sys, time
go_on, study, label, folder = sys.argv[1:]
print("reading the study and its data", flush=True)
print("pruning the trained network", flush=True)
deadline = time.monotonic() + 60
while not pathlib.Path(go_on).exists() and time.monotonic() < deadline:
    time.sleep(0.05)
pathlib.Path(folder, f"{study}-{label}.zip").write_bytes(b"a bundle")
"""


@dataclass(frozen=True, slots=True)
class Packing:
    """Lets the process that packs a bundle go on, or holds it."""

    file: Path

    def set(self) -> None:
        self.file.touch()

    def clear(self) -> None:
        self.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Acting:
    """Where the pages are, what they show and act on, and what holds a bundle's packing until it is set."""

    address: str
    reader: Any
    control: Any
    packing: Packing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("GATEFRONT_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        pytest.fail(
            "The browser tests need chromium: run scripts/install-browser.sh, or name one in GATEFRONT_CHROMIUM.",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1366, "height": 860}, device_scale_factor=2)
    context.set_default_timeout(180_000)
    expect.set_options(timeout=180_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, serve: Callable[[Reader], str]) -> Iterator[Page]:
    """A page on which every script error, failed request and request to another host fails the test.

    It rests on `serve`, so that it is closed before its server stops: a page whose server has gone reports an error.
    """
    faults: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("response", lambda answer: faults.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda sent: faults.append(f"elsewhere: {sent.url}") if _is_elsewhere(sent.url) else None)
    yield page
    page.close()
    assert not faults


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serve an ASGI application from a thread for the length of the block, at the address handed out."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def serve() -> Iterator[Callable[[Reader], str]]:
    """Serve a reader's studies; the address is handed back."""
    with ExitStack() as servers:
        yield lambda reader: servers.enter_context(serving(create_app(reader).server))


@pytest.fixture(scope="module")
def acting(sample: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """One server for a whole module, whose pages may act on the sample study."""
    reader, control = sample.SampleReader(), sample.SampleControl()
    packing = Packing(tmp_path_factory.mktemp("packing") / "go-on")
    bundles = BundleJobs("sqlite://", command=(sys.executable, "-c", _PACK, str(packing.file)))
    with closing(bundles), serving(create_app(reader, control, bundles=bundles).server) as address:
        yield Acting(address, reader, control, packing)


@pytest.fixture(scope="session")
def sample(load_module: Callable[[str, Path], ModuleType]) -> ModuleType:
    """The sample study of the dashboards' unit tests."""
    return load_module("dashboards_sample", Path(__file__).parents[1] / "unit" / "dashboards" / "conftest.py")


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[Page, str], Path]:
    """Take a screenshot, into the folder GATEFRONT_PICTURES where it is set (`make pictures`), else a temporary one."""
    folder = Path(os.environ.get(_PICTURES) or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str, **options: Any) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path=path, **options)
        return path

    return take


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))
