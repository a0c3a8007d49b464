"""One architecture of timm through the whole journey: lifted, pruned, trained for a step and exported.

    python benchmarks/timm_journey.py NAME MODULE [--export]

Prints an outcome as one line of JSON, at the smallest image size that the architecture takes. Does it lift, and how
much of its cost can gates choose? Does every feature have timm's channels and stride? Does the pruned network equal
the gated one in outputs, FLOPs and parameters? Is a training step finite, and do both exports give the same outputs?
Building a network checks that the lifted one computes what timm's computes.
"""

import argparse
import copy
import json
import logging
import os
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

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
TOLERANCE = 1e-4


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the architecture")
    parser.add_argument("module", help="of timm that has it")
    parser.add_argument("--export", action="store_true", help="compare both exports with the network too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(json.dumps(asdict(examine(options.name, options.module, export=options.export))))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
