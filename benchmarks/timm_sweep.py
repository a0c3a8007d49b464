"""Architectures of every timm module, lifted, pruned, trained for a step and exported, each in a process of its own.

    python benchmarks/timm_sweep.py [--per-module 3] [--results FILE] [--table FILE] [NAME ...]

Per module the smallest architecture, then the smallest ones whose names begin differently or one of medium size, all
under 60 million parameters. A module whose networks are all larger gives its smallest one. For each of them, at the
smallest image size that it takes: does it lift, how much of its cost gates can choose, does every feature have timm's
channels and stride, does the pruned network equal the gated one in outputs, FLOPs and parameters, is a training step
finite, and, for one of each module, do both exports give the same outputs. That the lifted network computes what
timm's computes is checked whenever one is built. Results are kept in a file, one line per architecture; a second
run goes on where the first one stopped. ``--table`` writes them into a page.
"""

import argparse
import copy
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import INPUT_NAME, ONNX_MODEL, TORCH_MODEL
from gatefront.spaces import (
    Architecture,
    GateLayout,
    InterroGateNetwork,
    SpaceError,
    Task,
    build_gated_network,
    count_flops,
    count_parameters,
    prune_network,
)
from gatefront.spaces.backbones.timm_import import import_timm
from gatefront.spaces.graph.opaque import list_opaque_operations
from gatefront.spaces.networks.encoder import feature_shapes
from gatefront.spaces.networks.equivalence import calibrate_norms, randomize
from gatefront.spaces.pruning.plain_network import PlainNetwork

TASKS = (Task(name="depth", kind="depth", num_outputs=1), Task(name="label", kind="classification", num_outputs=5))
SIZES = (64, 96, 128, 160, 192, 224, 240, 256, 288, 320, 384)
MOST_PARAMETERS = 60_000_000
MOST_PARAMETERS_OF_THE_SMALLEST = 150_000_000
TOLERANCE = 1e-4
TIME_LIMIT = 900
MEMORY_LIMIT = 20 << 30


@dataclass(kw_only=True)
class Outcome:
    """One architecture: ``state`` is ``ok``, ``refused`` (in words, before any training), ``wrong`` or ``crashed``."""

    name: str
    module: str
    state: str = "ok"
    reason: str = ""
    size: int = 0
    num_parameters: int = 0
    num_sites: int = 0
    opaque_share: float = 0.0
    opaque: list[str] = field(default_factory=list)
    error: float = 0.0
    exported: bool = False
    plan: str = ""
    seconds: float = 0.0


def examine(name: str, module: str, *, export: bool) -> Outcome:
    """Take one architecture through the whole journey; what it does not refuse in words, it raises."""
    started = time.monotonic()
    outcome = Outcome(name=name, module=module)
    torch.manual_seed(0)
    try:
        _journey(outcome, export)
    except SpaceError as error:
        outcome.state, outcome.reason = "refused", error.message
    except WrongResultError as error:
        outcome.state, outcome.reason = "wrong", str(error)
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


class WrongResultError(Exception):
    """A network that was built and does not do what was promised."""


def _journey(outcome: Outcome, export: bool) -> None:
    network = _build(outcome)
    outcome.num_parameters = count_parameters(network.shared_encoder)
    outcome.num_sites = len(network.lifting.sites)
    _note_opaque(network, outcome)
    _check_levels(network, outcome)
    _randomize(network)
    _check_pruned(network.eval(), outcome)
    _check_training_step(network)
    if export:
        _check_exports(network.architecture, outcome)


def _build(outcome: Outcome) -> InterroGateNetwork:
    """The gated network at the smallest image size that it takes; the last refusal if there is none."""
    refusal: SpaceError | None = None
    for size in _sizes(outcome.name):
        outcome.size = size
        architecture = Architecture(
            backbone=outcome.name, tasks=TASKS, in_channels=3, input_size=(size, size), decoder_width=8
        )
        try:
            return build_gated_network(architecture)
        except SpaceError as error:
            refusal = error
    raise refusal or SpaceError(f"{outcome.name} takes images of no size.")


def _sizes(name: str) -> list[int]:
    """Small sizes first, then the size that the architecture was made for."""
    config = import_timm().get_pretrained_cfg(name)
    own = 224 if config is None else int(config.input_size[-1])
    return [*(size for size in SIZES[:3] if size < own), own]


def _note_opaque(network: InterroGateNetwork, outcome: Outcome) -> None:
    opaque = [one for one in list_opaque_operations(network.shared_encoder) if one.flops]
    outcome.opaque = sorted({one.kind for one in opaque})
    outcome.opaque_share = sum(one.flops for one in opaque) / max(1, network.cost.encoder)


def _check_levels(network: InterroGateNetwork, outcome: Outcome) -> None:
    """Every feature must be a level that timm names, with its channels and its stride, and the last one the last."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        info = import_timm().create_model(outcome.name).feature_info
    named = [(level["num_chs"], level["reduction"]) for level in info]
    shapes = [tuple(shape[1:]) for shape in feature_shapes(network.shared_encoder)]
    found = [(channels, height) for channels, height, _ in shapes]
    left = [level for level in found if not any(_same_level(level, other, outcome.size) for other in named)]
    if left or not _same_level(found[-1], named[-1], outcome.size):
        raise WrongResultError(f"features (channels, px) {found} are not those of timm, (channels, stride) {named}")


def _same_level(found: tuple[int, int], named: tuple[int, int], size: int) -> bool:
    """A map may be smaller than its stride says: some networks fill up no borders."""
    expected = size / named[1]
    return found[0] == named[0] and expected / 2 - 1 <= found[1] <= expected + 1


@torch.no_grad()
def _check_pruned(network: InterroGateNetwork, outcome: Outcome) -> None:
    pruned = prune_network(network)
    images = torch.randn(2, 3, outcome.size, outcome.size)
    outcome.error = _largest_error(pruned, network, images)
    if not outcome.error < TOLERANCE:
        # Random attention weights can magnify rounding a million times; in double precision that stays small.
        outcome.error = _largest_error(prune_network(network.double()), network, images.double())
        network.float()
    if not outcome.error < TOLERANCE:
        raise WrongResultError(f"the pruned network differs from the gated one by {outcome.error:.1e}")
    counted = count_flops(pruned, (3, outcome.size, outcome.size))
    if counted != network.flops():
        raise WrongResultError(f"{network.flops():,} FLOPs were promised, the pruned network has {counted:,}")
    try:
        rebuilt = type(pruned).from_json(pruned.architecture_json(), pruned.tensors())
    except SpaceError as error:
        outcome.plan = error.message
        return
    for found, wanted in zip(rebuilt(images), pruned(images), strict=True):
        if not _relative_error(found, wanted) < TOLERANCE:
            raise WrongResultError("the network built from architecture.json differs from the pruned one")
    if count_parameters(rebuilt) != count_parameters(pruned):
        raise WrongResultError("the network built from architecture.json has another number of parameters")


def _largest_error(pruned: PlainNetwork, network: InterroGateNetwork, images: Tensor) -> float:
    expected = network(images)
    return max(
        _relative_error(found, expected[task]) for task, found in zip(pruned.task_names, pruned(images), strict=True)
    )


def _check_training_step(network: InterroGateNetwork) -> None:
    network.train()
    size = network.architecture.input_size
    predictions = network(torch.randn(4, 3, *size))
    loss = torch.stack([prediction.square().mean() for prediction in predictions.values()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not (loss.isfinite() and all(gradient.isfinite().all() for gradient in gradients)):
        raise WrongResultError("a training step gives values that are not finite")
    if any(gate.alpha.grad is None for gate in network.channel_gates()):
        raise WrongResultError("a gate gets no gradient")


@torch.no_grad()
def _check_exports(architecture: Architecture, outcome: Outcome) -> None:
    """Gates per block: exporting takes seconds per hundred operations."""
    from onnxruntime import InferenceSession

    network = _coarsely_gated(architecture)
    _randomize(network)
    pruned = prune_network(network.eval())
    images = torch.randn(2, 3, *architecture.input_size)
    with tempfile.TemporaryDirectory() as folder:
        export_network(pruned, images, Path(folder))
        program = torch.export.load(Path(folder) / TORCH_MODEL).module()
        session = InferenceSession(Path(folder) / ONNX_MODEL, providers=["CPUExecutionProvider"])
        # What rounding does to the network itself, it may do to the exports: random attention weights magnify it.
        exact = copy.deepcopy(pruned).double()(images.double())
        rounding = max(_relative_error(one, other) for one, other in zip(pruned(images), exact, strict=True))
        allowed = max(1e-3, 10 * rounding)
        for batch in (images, images[:1]):
            by_onnx = session.run(None, {INPUT_NAME: batch.numpy()})
            for wanted, one, other in zip(pruned(batch), program(batch), by_onnx, strict=True):
                if not max(_relative_error(one, wanted), _relative_error(torch.from_numpy(other), wanted)) < allowed:
                    raise WrongResultError("an export differs from the pruned network")
    outcome.exported = True


@torch.no_grad()
def _randomize(network: InterroGateNetwork) -> None:
    """Set random gates, four of ten open, and random weights with norms that fit them."""
    generator = torch.Generator().manual_seed(1)
    randomize(network, generator)
    network.set_gate_pattern(tuple(torch.rand(p.shape, generator=generator) < 0.4 for p in network.gate_pattern()))
    calibrate_norms(network, torch.randn(4, 3, *network.architecture.input_size, generator=generator), generator)


def _coarsely_gated(architecture: Architecture) -> InterroGateNetwork:
    try:
        return build_gated_network(architecture, GateLayout(granularity="block"))
    except SpaceError:  # some networks are no chain of blocks
        return build_gated_network(architecture)


def _relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=1e-6))


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
    command = [sys.executable, __file__, "--one", json.dumps({"name": name, "module": module, "export": export})]
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
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    if options.one:
        print(json.dumps(asdict(examine(**options.one))))
        return
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
