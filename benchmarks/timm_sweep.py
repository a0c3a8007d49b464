"""Architectures of every timm module, lifted, pruned, trained for a step and exported, each in a process of its own.

    python benchmarks/timm_sweep.py [--per-module 3] [--results FILE] [--table FILE] [NAME ...]

Per module the smallest architecture, then the smallest ones whose names begin differently or one of medium size, all
under 60 million parameters. A module whose networks are all larger gives its smallest one. `timm_journey.py` examines
each of them; the first of each module is exported too. Results are kept in a file, one line per architecture; a second
run goes on where the first one stopped. ``--table`` writes them into a page.
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from timm_journey import Outcome

from gatefront.spaces import count_parameters
from gatefront.spaces.backbones.timm_import import import_timm

MOST_PARAMETERS = 60_000_000
MOST_PARAMETERS_OF_THE_SMALLEST = 150_000_000
TIME_LIMIT = 900
MEMORY_LIMIT = 20 << 30
JOURNEY = Path(__file__).with_name("timm_journey.py")


def choose(per_module: int) -> list[tuple[str, str]]:
    """``(module, name)`` of the architectures, the smallest of each module first."""
    import_timm()
    from timm.models._registry import _module_to_models

    chosen: list[tuple[str, str]] = []
    for module, names in sorted(_module_to_models.items()):
        sizes = sorted((count, name) for name in sorted(names) if (count := _count(name)) is not None)
        chosen += [(module, name) for name in _choose_of_module(sizes, per_module)]
    return chosen


def _choose_of_module(sizes: list[tuple[int, str]], per_module: int) -> list[str]:
    """Return the smallest of each kind of name; of one kind alone, also one of medium size."""
    small = [name for count, name in sizes if count <= MOST_PARAMETERS]
    if not small:
        return [name for count, name in sizes[:1] if count <= MOST_PARAMETERS_OF_THE_SMALLEST]
    kinds: dict[str, str] = {}
    for name in small:
        kinds.setdefault(name.partition("_")[0], name)
    chosen = list(kinds.values())[:per_module]
    others = [name for name in small if name not in chosen]
    if len(chosen) == 1 < per_module and others:
        chosen.append(others[len(others) // 2])
    return chosen


def _count(name: str) -> int | None:
    """Parameters without classifier; None for a network that needs more than shapes to be made."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return count_parameters(import_timm().create_model(name, num_classes=0))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):  # made by computing with values
        return None


def write_table(outcomes: Iterable[Outcome]) -> str:
    """Return the results as a Markdown table, module by module, with the totals above it."""
    rows = sorted(outcomes, key=lambda outcome: (outcome.module, outcome.name))
    lifted = [row for row in rows if row.state == "ok"]
    lines = [
        f"{len(rows)} architectures of {len({row.module for row in rows})} modules; {len(lifted)} lifted "
        f"({100 * len(lifted) / len(rows):.0f} %), {_number(rows, 'refused')} refused, {_number(rows, 'wrong')} with a "
        f"wrong result, {_number(rows, 'crashed')} crashed; both exports of {sum(row.exported for row in rows)} agree.",
        "",
        "| module | architecture | px | million parameters | gates | not gated, % of FLOPs | result |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.module} | `{row.name}` | {row.size} | {row.num_parameters / 1e6:.1f} | {row.num_sites} | "
        f"{_share(row)} | {_result(row)} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _number(rows: list[Outcome], state: str) -> int:
    return sum(row.state == state for row in rows)


def _share(row: Outcome) -> str:
    if not row.opaque_share:
        return ""
    return f"{100 * row.opaque_share:.0f} ({', '.join(row.opaque[:3])}{', …' if len(row.opaque) > 3 else ''})"


def _result(row: Outcome) -> str:
    if row.state != "ok":
        return f"{row.state}: {row.reason}".replace("|", "\\|").replace("\n", " ")
    return "equal, exported" if row.exported else "equal"


def read_results(path: Path) -> dict[str, Outcome]:
    """Read the outcomes of earlier runs, by architecture."""
    if not path.exists():
        return {}
    return {(outcome := Outcome(**json.loads(line))).name: outcome for line in path.read_text().splitlines()}


def _run_apart(name: str, module: str, export: bool) -> Outcome:
    """One architecture in a process of its own, with limits of time and memory."""
    command = [sys.executable, str(JOURNEY), name, module, *(["--export"] if export else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, preexec_fn=_limit_memory)
    except subprocess.TimeoutExpired:
        return Outcome(name=name, module=module, state="crashed", reason=f"took more than {TIME_LIMIT} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Outcome(name=name, module=module, state="crashed", reason=f"exit {done.returncode}: {last}"[:300])
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these architectures, examined anew")
    parser.add_argument("--per-module", type=int, default=3)
    parser.add_argument("--without-exports", action="store_true", help="leave them to a later run")
    parser.add_argument("--results", type=Path, default=Path("runs/timm_sweep.jsonl"))
    parser.add_argument("--table", type=Path, help="write the table here, between its two marks")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    found = read_results(options.results)
    for module, name, export in _wanted(options, found):
        outcome = _run_apart(name, module, export)
        found[name] = outcome
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found.values()))
        print(f"{name:45} {outcome.state:8} {outcome.seconds:6.1f} s  {outcome.reason}", flush=True)
    table = write_table(found.values())
    print(table.partition("\n")[0])
    if options.table:
        _put_between_marks(options.table, table)


def _wanted(options: Any, found: dict[str, Outcome]) -> list[tuple[str, str, bool]]:
    if options.names:
        modules = {name: found[name].module if name in found else _module_of(name) for name in options.names}
        return [(module, name, True) for name, module in modules.items()]
    chosen, seen, wanted = _chosen_once(options), set(), []
    for module, name in chosen:
        export = module not in seen and not options.without_exports
        known = found.get(name)
        if known is None or (export and known.state == "ok" and not known.exported):
            wanted.append((module, name, export))
        seen.add(module)
    return wanted


def _chosen_once(options: Any) -> list[tuple[str, str]]:
    """The choice, kept beside the results: counting the parameters of all of timm's networks takes minutes."""
    kept = options.results.with_suffix(f".choice{options.per_module}.json")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(choose(options.per_module)))
    return [(module, name) for module, name in json.loads(kept.read_text())]


def _module_of(name: str) -> str:
    import_timm()
    from timm.models._registry import _model_to_module

    return str(_model_to_module[name])


_BEGIN, _END = "<!-- sweep: begin -->\n", "<!-- sweep: end -->\n"


def _put_between_marks(page: Path, table: str) -> None:
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{before}{_BEGIN}{table}{_END}{rest.partition(_END)[2]}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
