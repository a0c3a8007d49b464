"""The command bench, which times a bundle's network on this machine."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gatefront.search.bundle.bench import BenchReport, bench_bundle
from gatefront.search.bundle.bench_settings import RUNTIMES, BenchSettings
from gatefront.search.bundle.latency_store import keep_latency, record_latency
from gatefront.search.cli.commands.options import AsJson, Database
from gatefront.search.cli.commands.pull import Folder
from gatefront.search.cli.json_output import to_document, to_text
from gatefront.search.config.environment import database_url
from gatefront.search.errors import BenchError
from gatefront.search.results.latency import Latency

_ALL_RUNTIMES = ",".join(RUNTIMES)

Runtimes = Annotated[str, typer.Option("--runtimes", metavar="NAME,...", help=f"Some of {', '.join(RUNTIMES)}.")]
Device = Annotated[str, typer.Option("--device", metavar="cpu|cuda", help="Where to run.")]
Threads = Annotated[int, typer.Option("--threads", help="Threads of one forward pass on the CPU.")]
Batch = Annotated[str, typer.Option("--batch", metavar="N,...", help="Images per forward pass, e.g. 1,8.")]
Precision = Annotated[str, typer.Option("--precision", metavar="fp32|bf16", help="Of weights and images.")]
Repeats = Annotated[int, typer.Option("--repeats", help="Timed forward passes of each runtime.")]
NoSave = Annotated[bool, typer.Option("--no-save", help="Write nothing, neither into the bundle nor the database.")]


def bench(  # noqa: PLR0913  # one parameter per option of the command line
    folder: Folder,
    runtimes: Runtimes = _ALL_RUNTIMES,
    device: Device = "cpu",
    threads: Threads = 1,
    batch: Batch = "1",
    precision: Precision = "fp32",
    repeats: Repeats = 50,
    no_save: NoSave = False,
    as_json: AsJson = False,
    db: Database = None,
) -> None:
    """Measure how long a bundle's network takes here, and keep the result in the bundle and beside its trial."""
    settings = BenchSettings(
        runtimes=_words(runtimes),
        device=device,
        threads=threads,
        batches=_numbers("--batch", batch),
        precision=precision,
        repeats=repeats,
    )
    report = bench_bundle(folder, settings)
    not_recorded: str | None = "--no-save was given."
    if not no_save:
        keep_latency(folder, report.manifest, report.measured)
        not_recorded = record_latency(database_url(db), report.manifest, report.measured)
    if as_json:
        typer.echo(to_text(bench_document(report, saved=not no_save, not_recorded=not_recorded)))
        return
    for line in _lines(folder, report, saved=not no_save, not_recorded=not_recorded):
        typer.echo(line)


def bench_document(report: BenchReport, *, saved: bool, not_recorded: str | None) -> dict[str, Any]:
    """Return the document of ``bench --json``.

    ``not_recorded`` is the reason why the database does not hold the measurements. Null means that it holds them.
    """
    return {
        "study": report.manifest.study,
        "trial": report.manifest.label,
        "flops": report.manifest.flops.value,
        "measured": [
            to_document(latency) | {"images_per_second": latency.images_per_second} for latency in report.measured
        ],
        "not_measured": dict(report.not_measured),
        "saved": saved,
        "not_recorded": not_recorded,
    }


def _lines(folder: Path, report: BenchReport, *, saved: bool, not_recorded: str | None) -> Iterable[str]:
    first = report.measured[0]
    yield f"{first.device} of {first.host}, {first.precision}, threads: {first.threads}. Wall time of one forward pass:"
    Console(width=None if Console().is_terminal else 120).print(_table(report.measured))
    for runtime, reason in report.not_measured.items():
        yield f"not measured: {runtime}: {reason}."
    if saved:
        yield f"Kept in {folder}: manifest.json and README.md."
    yield (
        f"Recorded with {report.manifest.origin}."
        if not_recorded is None
        else f"Not recorded in the database: {not_recorded}"
    )


def _table(measured: Iterable[Latency]) -> Table:
    table = Table("runtime")
    for name in ("batch", "median ms", "10 % ms", "90 % ms", "images/s"):
        table.add_column(name, justify="right")
    for one in measured:
        times = (f"{value:.3f}" for value in (one.median_ms, one.p10_ms, one.p90_ms))
        table.add_row(f"{one.runtime} {one.version}", str(one.batch), *times, f"{one.images_per_second:,.1f}")
    return table


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    words = _words(text)
    try:
        return tuple(int(word) for word in words)
    except ValueError as error:
        raise BenchError(f"{option} must be whole numbers such as 1,8, found {text!r}.") from error
