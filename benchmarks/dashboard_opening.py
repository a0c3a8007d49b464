"""How long a study's page takes to open in a browser: at ten thousand trials, and at ten for comparison.

    OMP_NUM_THREADS=1 python benchmarks/dashboard_opening.py [--trials 10000 10] [--repeats 5]

A service is started on a made-up study (`benchmarks/large_study.py`), and Chromium opens its page: with nothing in the
server's or the browser's memory, and then again as somebody who comes back does. The page's own clock says how many
seconds after it was asked for the trials and the best Δ_MTL stand in its head, the front and what to pull are there,
and everything below is drawn, too; of the visits after the first the median. Browser and service share the machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from large_study import NAME, write_large_study
from playwright.sync_api import Page, sync_playwright

from gatefront.dashboards.server.listen import listen

SERVE = "import sys; from gatefront.search.cli.main import main; sys.exit(main())"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# In milliseconds since the page was asked for; a frame that holds it has been shown by the next one.
_WATCH = """
window.found = {};
const isDrawn = id => document.querySelector(`#${id} .js-plotly-plot`)?.data?.length > 0;
const marks = {
    head: () => document.querySelector('#study-stats .stat-value'),
    front: () => isDrawn('study-front') && document.querySelector('#front-best .command'),
    all: () => isDrawn('points-parallel') && isDrawn('points-importance') && isDrawn('points-tasks'),
};
const look = now => {
    for (const [name, isThere] of Object.entries(marks)) if (!found[name] && isThere()) found[name] = now;
    requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
_PARTS = ("head", "front", "all")
_PATIENCE_MS = 120_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000, 10])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    executable = os.environ.get("GATEFRONT_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        parser.error("there is no chromium: run scripts/install-browser.sh")
    print("trials | visit | head, s | front, s | all, s", flush=True)
    with sync_playwright() as playwright:
        for trials in arguments.trials:
            browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
            context = browser.new_context(viewport={"width": 1366, "height": 860})
            with tempfile.TemporaryDirectory(prefix="gf") as folder, serving(Path(folder), trials) as address:
                found = [open_page(context.new_page(), address) for _ in range(1 + arguments.repeats)]
            browser.close()
            again = [statistics.median(visits) for visits in zip(*found[1:], strict=True)]
            for visit, seconds in (("first", found[0]), ("again", again)):
                print(f"{trials} | {visit} | {' | '.join(f'{value:.2f}' for value in seconds)}", flush=True)


def open_page(page: Page, address: str) -> list[float]:
    """Seconds until the head, until the front, and until everything is there."""
    page.add_init_script(_WATCH)
    page.goto(f"{address}/study/{NAME}", wait_until="commit")
    page.wait_for_function("() => window.found.all", timeout=_PATIENCE_MS)
    found = page.evaluate("window.found")
    page.close()
    return [found[part] / 1000 for part in _PARTS]


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
