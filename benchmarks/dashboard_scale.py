"""What the dashboard costs at ten thousand trials: a first look, an update, and what browsers do to the store.

    OMP_NUM_THREADS=1 python benchmarks/dashboard_scale.py --trials 10000 --clients 20

Writes a made-up study into a temporary database (`benchmarks/large_study.py`), finishes further trials one by one and
prints the processor time of what the study page asks for after each: its pictures are asked for again only where what
they show has changed; then the latency of the store's writes
with and without clients that poll the page as browsers do, served by another process.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dash._utils import to_json
from large_study import NAME, LargeStudy, write_large_study

from gatefront.dashboards.pages.study.front import Asked, front_update
from gatefront.dashboards.pages.study.page import study_update
from gatefront.dashboards.pages.study.points import Importances, parameters_update, rows_answer
from gatefront.dashboards.pages.study.two_points import pair_update
from gatefront.dashboards.server.app import create_app
from gatefront.dashboards.server.listen import listen
from gatefront.dashboards.widgets.figure_cache import ShownPoints
from gatefront.dashboards.widgets.polling import INTERVAL_MS, ClientState
from gatefront.search.snapshots.reader import StudyReader

PICTURES = ("front", "two points", "parameters")
ROWS = {"startRow": 0, "endRow": 100, "sortModel": [{"colId": "link", "sort": "desc"}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="of writes, with clients and without")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = write_large_study(f"sqlite:///{Path(folder) / 'large.db'}", arguments.trials)
        number = _page(study, arguments.trials, arguments.updates)
        _writes(study, number, arguments.clients, arguments.seconds)


def _page(study: LargeStudy, number: int, updates: int) -> int:
    """Print what the page costs; the number of the next trial."""
    reader, importances = StudyReader(study.url), Importances()
    print(f"first look at {number:,} trials: {_cost(lambda: reader.view(NAME)):.0f} ms of processor time")
    parts: dict[str, Callable[[], Any]] = {
        "read": lambda: reader.view(NAME).revision,
        "head, hypervolume": lambda: study_update(reader, NAME, ClientState("1", "light"), "light"),
        "front": lambda: front_update(reader, NAME, "light", Asked()),
        "two points": lambda: pair_update(reader, NAME, "light", None, None),
        "parameters": lambda: parameters_update(reader, importances, NAME, "light"),
        "table": lambda: rows_answer(reader, NAME, ROWS, None),
    }
    costs: dict[str, list[float]] = {name: [] for name in parts}
    shown = ShownPoints.of(reader.view(NAME), "light")
    for step in range(updates):
        study.finish_one(number + step)
        for name, draw in parts.items():
            # The first trial draws all: so every part has a cost.
            if step == 0 or name not in PICTURES or ShownPoints.of(reader.view(NAME), "light") != shown:
                costs[name].append(_cost(lambda draw=draw: to_json(draw())))  # type: ignore[misc]
        shown = ShownPoints.of(reader.view(NAME), "light")
    print(f"then, of {updates} finished trials (median, and how often it was asked for):")
    for name, values in costs.items():
        print(f"  {name}: {statistics.median(values):.0f} ms, {len(values)} times")
    print(f"  in all, per finished trial: {sum(map(sum, costs.values())) / updates:.0f} ms")
    print(f"  a tick without news: {_cost(lambda: reader.revision(NAME)):.1f} ms")
    return number + updates


def _cost(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began)


def _writes(study: LargeStudy, number: int, clients: int, seconds: float) -> None:
    alone = _write_latencies(study, number, seconds)
    listening = listen("127.0.0.1", 0)
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(study.url, listening), daemon=True)
    server.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    over = threading.Event()
    browsers = [threading.Thread(target=_poll, args=(address, over), daemon=True) for _ in range(clients)]
    for browser in browsers:
        browser.start()
    watched = _write_latencies(study, number + 100_000, seconds)
    over.set()
    server.terminate()
    print("one write of an epoch, in ms (median, 95th percentile):")
    print(f"  nobody looks: {_quantiles(alone)}")
    print(f"  {clients} clients poll: {_quantiles(watched)}")


def _write_latencies(study: LargeStudy, number: int, seconds: float) -> list[float]:
    """An epoch every tenth of a second, as a few busy workers report them."""
    from large_study import EPOCHS, Made

    study.store.open_trial(number, params={}, seed=0, num_epochs=EPOCHS)
    study.store.start_attempt(number, "host:1")
    report, found, end = Made.of(number).epoch(1), [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        study.store.record_epoch(number, report)
        found.append(1000 * (time.perf_counter() - began))
        time.sleep(0.1)
    return found


def _quantiles(values: list[float]) -> str:
    return f"{statistics.median(values):.1f}, {statistics.quantiles(values, n=20)[-1]:.1f}"


def _serve(url: str, listening: Any) -> None:
    import uvicorn

    app = create_app(StudyReader(url))
    uvicorn.Server(uvicorn.Config(app.server, log_level="error")).run(sockets=[listening])


def _poll(address: str, over: threading.Event) -> None:
    """What a browser's tick sends, with what it has seen."""
    update = _study_callback(address)
    state = {entry["id"]: None for entry in update["state"]}
    while not over.is_set():
        state["study-name"] = NAME
        body = json.dumps(
            {
                "output": update["output"],
                "outputs": update["outputs"],
                "inputs": [{**entry, "value": "light" if "scheme" in entry["id"] else 1} for entry in update["inputs"]],
                "changedPropIds": ["study-tick.n_intervals"],
                "state": [{**entry, "value": state[entry["id"]]} for entry in update["state"]],
            }
        ).encode()
        answer = _post(address, body)
        state["study-seen"] = answer.get("study-seen", {}).get("data", state["study-seen"])
        state["points"] = answer.get("points", {}).get("data", state["points"])
        over.wait(INTERVAL_MS / 1000)


def _post(address: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/_dash-update-component", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return dict(json.loads(text)["response"]) if text else {}


def _study_callback(address: str) -> dict[str, Any]:
    """The page's own callback as the server describes it."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{address}/_dash-dependencies", timeout=60) as answer:
                callbacks = json.loads(answer.read())
            break
        except OSError:
            time.sleep(0.25)
    found = next(entry for entry in callbacks if any(i["id"] == "study-tick" for i in entry["inputs"]))
    names = [part.rpartition(".") for part in found["output"].strip(".").split("...")]
    return found | {"outputs": [{"id": component, "property": prop} for component, _, prop in names]}


if __name__ == "__main__":
    main()
