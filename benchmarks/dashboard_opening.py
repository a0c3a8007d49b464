"""How long a study's page takes to open in a browser: at ten thousand trials, and at ten for comparison.

    OMP_NUM_THREADS=1 python benchmarks/dashboard_opening.py [--trials 10000 10] [--repeats 5]

A service is started on a made-up study (`benchmarks/large_study.py`), and Chromium opens its page: with nothing in the
server's or the browser's memory, and then again as somebody who comes back does. Seconds from the request until the
best point and what it costs stand in the head, and until the front is drawn; of the visits after the first the median.
Browser and service share the machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from large_study import NAME, write_large_study
from playwright.sync_api import Page, sync_playwright

from dashboards.cli import listen

SERVE = "import sys; from search.cli import main; sys.exit(main())"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_FRONT = "document.querySelector('#study-front .js-plotly-plot')?.data?.length > 0"
_PATIENCE_MS = 120_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 10])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    executable = os.environ.get("GATEFRONT_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        parser.error("there is no chromium: run scripts/install-browser.sh")
    print("trials | visit | head, s | front, s", flush=True)
    with sync_playwright() as playwright:
        for trials in arguments.trials:
            browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
            context = browser.new_context(viewport={"width": 1366, "height": 860})
            with tempfile.TemporaryDirectory(prefix="gf") as folder, serving(Path(folder), trials) as address:
                found = [open_page(context.new_page(), address) for _ in range(1 + arguments.repeats)]
            browser.close()
            head, front = found[0]
            print(f"{trials} | first | {head:.2f} | {front:.2f}")
            heads, fronts = zip(*found[1:], strict=True)
            print(f"{trials} | again | {statistics.median(heads):.2f} | {statistics.median(fronts):.2f}", flush=True)


def open_page(page: Page, address: str) -> tuple[float, float]:
    """Seconds until the head and until the front are there."""
    began = time.perf_counter()
    page.goto(f"{address}/study/{NAME}", wait_until="commit")
    page.locator("#front-best .command").wait_for(timeout=_PATIENCE_MS)
    head = time.perf_counter() - began
    page.wait_for_function(_FRONT, timeout=_PATIENCE_MS)
    front = time.perf_counter() - began
    page.close()
    return head, front


@contextmanager
def serving(folder: Path, trials: int) -> Iterator[str]:
    """The address of a service with a study of so many trials."""
    url = f"sqlite:///{folder / 'large.db'}"
    write_large_study(url, trials)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["serve", "--port", str(port), "--db", url, "--storage", str(folder), "--no-watch"]
    service = subprocess.Popen([sys.executable, "-c", SERVE, *words], stderr=subprocess.PIPE, text=True)
    try:
        if service.stderr is None or "The studies are at" not in service.stderr.readline():
            raise SystemExit("the service did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait()


if __name__ == "__main__":
    main()
