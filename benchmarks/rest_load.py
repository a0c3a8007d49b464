"""How long REST takes to answer many readers while a study writes.

    python benchmarks/rest_load.py --rate 200 --seconds 60 --trials 200

A service, a writer and the readers are a process each. The writer reports `--reports` epochs a second and finishes a
trial every other second, so that what is read keeps changing. Requests are sent on a fixed schedule, whether or not
earlier ones were answered, and each is timed from when it was due: a service that falls behind shows it.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx2
from large_study import NAME, Made, write_large_study

from gatefront.dashboards.server.listen import listen

SERVE = "import sys; from gatefront.search.cli.main import main; sys.exit(main())"
FINISH_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--trials", type=int, default=200, help="that the study has at the start")
    parser.add_argument("--reports", type=float, default=5.0, help="epochs that are reported per second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gf") as folder:
        url = f"sqlite:///{folder}/gatefront.db"
        with (
            writing(url, arguments.trials, arguments.reports) as written,
            serving(url, Path(folder)) as (address, service),
        ):
            before, spent = written.value, cpu_seconds(service)
            asked = ask_all(address, arguments.rate, arguments.seconds, arguments.trials)
            waits, statuses = asyncio.run(asked)
            writes, spent = written.value - before, cpu_seconds(service) - spent
    ordered = sorted(waits)
    shown = {name: 1e3 * ordered[int(share * (len(ordered) - 1))] for name, share in
             (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("most", 1.0))}  # fmt: skip
    print(f"{len(waits)} requests in {arguments.seconds:g} s, {writes / arguments.seconds:.1f} writes/s beside them")
    print(
        ", ".join(f"{name} {value:.0f} ms" for name, value in shown.items()),
        f"mean {1e3 * statistics.mean(waits):.0f} ms",
    )
    print(f"the service took {spent / arguments.seconds:.0%} of a core, {1e3 * spent / len(waits):.1f} ms per request")
    print("answers:", ", ".join(f"{count} of status {status}" for status, count in sorted(statuses.items())))
    if set(statuses) != {200}:
        raise SystemExit("not every request was answered")


async def ask_all(address: str, rate: float, seconds: float, num_trials: int) -> tuple[list[float], Counter[int]]:
    """Seconds from when each request was due to its whole answer, and the answers' statuses; 0: none came."""
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    chance = random.Random(0)
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=30.0) as client:

        async def ask(path: str, due: float) -> None:
            try:
                status = (await client.get(path)).status_code
            except httpx2.HTTPError:
                status = 0
            waits.append(time.perf_counter() - due)
            statuses[status] += 1

        for path in (*paths(0), *paths(1)):
            await client.get(path)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(ask(chance.choice(paths(chance.randrange(num_trials))), due))
    return waits, statuses


def paths(trial: int) -> tuple[str, ...]:
    """What is read: lists, one study's pages, single trials, and what a monitor asks for."""
    study = f"/api/v1/studies/{NAME}"
    return (
        "/api/v1/studies", study, f"{study}/front", f"{study}/trials?limit=50", f"{study}/events",
        f"{study}/trials/{trial}", f"{study}/trials/{trial}", "/metrics", "/healthz",
    )  # fmt: skip


@contextmanager
def serving(url: str, folder: Path) -> Iterator[tuple[str, int]]:
    """A service's address and its process."""
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    words = ["serve", "--port", str(port), "--db", url, "--storage", str(folder), "--no-watch"]
    service = subprocess.Popen([sys.executable, "-c", SERVE, *words], stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _await(address, service)
        yield address, service.pid
    finally:
        service.terminate()
        service.wait()


def cpu_seconds(process: int) -> float:
    """That a process of Linux has used so far, in its own code and in the kernel's."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _await(address: str, service: "subprocess.Popen[bytes]") -> None:
    while service.poll() is None:
        try:
            httpx2.get(f"{address}/healthz")
        except httpx2.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the service did not start")


@contextmanager
def writing(url: str, num_trials: int, reports: float) -> Iterator["multiprocessing.sharedctypes.Synchronized[int]"]:
    """A driver in a process of its own; what is handed back counts its writes."""
    context = multiprocessing.get_context("spawn")
    ready, ended, written = context.Event(), context.Event(), context.Value("q", 0)
    process = context.Process(target=_write, args=(url, num_trials, reports, ready, ended, written))
    process.start()
    try:
        while not ready.wait(0.5):
            if not process.is_alive():
                raise SystemExit("the writer did not start")
        yield written
    finally:
        ended.set()
        process.join()


def _write(
    url: str,
    num_trials: int,
    reports: float,
    ready: Event,
    ended: Event,
    written: "multiprocessing.sharedctypes.Synchronized[int]",
) -> None:
    study = write_large_study(url, num_trials)
    number, epoch, last = num_trials, 1, time.monotonic()
    ready.set()
    while not ended.wait(1 / reports):
        running = Made.of(0)
        study.store.record_epoch(0, running.epoch(1 + epoch % 20))
        epoch += 1
        written.value += 1
        if time.monotonic() - last > FINISH_S:
            study.finish_one(number)
            number, last = number + 1, time.monotonic()
            written.value += 4


if __name__ == "__main__":
    main()
