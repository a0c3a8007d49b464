"""Verification that a bundle is whole and does what its manifest says."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gatefront.search.bundle.file_names import (
    ARCHITECTURE,
    INPUT_NAME,
    MANIFEST,
    ONNX_MODEL,
    SAMPLE_INPUTS,
    SAMPLE_OUTPUTS,
    TORCH_MODEL,
    WEIGHTS,
)
from gatefront.search.bundle.manifest import Manifest, file_entry, read_manifest
from gatefront.search.errors import BundleError
from gatefront.spaces import PlainNetwork, count_flops, count_parameters

Runner = Callable[[Tensor], dict[str, Tensor]]

TOLERANCE = 1e-4
"""Largest difference between two outputs that counts as equal, relative where outputs exceed 1."""

_ALWAYS_THERE = (TORCH_MODEL, ONNX_MODEL, SAMPLE_INPUTS, SAMPLE_OUTPUTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of one check: its name, its verdict, and the findings."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """All checks of one bundle. A report that is returned has passed every one of them.

    ``trial`` is ``"7"``, or ``"7.2"`` for a point derived from it. ``origin`` names it in words.
    """

    folder: Path
    study: str
    trial: str
    origin: str
    checks: tuple[Check, ...]


def verify_bundle(folder: Path) -> VerifyReport:
    """Re-hash every file, run both exports on the stored samples, rebuild the network and count its FLOPs again.

    The exports are opened only after every file has proved unchanged.

    Raises:
        BundleError: a check failed. The message names every failed check.
    """
    manifest = read_manifest(folder)
    checks = [Check(name=MANIFEST, passed=True, detail="unchanged"), *require_intact(folder, manifest)]
    checks += check_exports(
        folder,
        Promise(
            output_names=tuple(manifest.output_names),
            flops=manifest.flops.value,
            flop_budget=manifest.flops.flop_budget,
            num_parameters=manifest.num_parameters,
        ),
    )
    _raise_failures(folder, checks)
    return VerifyReport(
        folder=folder, study=manifest.study, trial=manifest.label, origin=manifest.origin, checks=tuple(checks)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Names, costs and tolerance that an exported network must keep to. FLOPs are 2 per multiply-add, batch 1.

    ``tolerance`` is the largest difference between two outputs that counts as equal, relative where outputs exceed 1.
    """

    output_names: tuple[str, ...]
    flops: int
    flop_budget: int | None
    num_parameters: int
    tolerance: float = TOLERANCE


def check_exports(folder: Path, promise: Promise) -> list[Check]:
    """Run every form of the network in a folder on the stored samples, and count FLOPs and parameters again.

    Args:
        folder: the folder that :func:`gatefront.search.bundle.export.export_network` wrote.
        promise: the names and costs that the network must keep to.
    """
    samples = load_file(folder / SAMPLE_INPUTS)[INPUT_NAME]
    expected = load_file(folder / SAMPLE_OUTPUTS)
    exported = torch.export.load(folder / TORCH_MODEL).module()
    runs = {
        TORCH_MODEL: _module_runner(exported, promise),
        ONNX_MODEL: _onnx_runner(folder / ONNX_MODEL, promise),
    }
    checks = []
    if (folder / ARCHITECTURE).exists():
        rebuilt = rebuild_network(folder)
        runs[f"{ARCHITECTURE} + {WEIGHTS}"] = _module_runner(rebuilt, promise)
        checks.append(_parameters_check(rebuilt, promise))
    checks += [_outputs_check(name, run, samples, expected, promise.tolerance) for name, run in runs.items()]
    return checks + _cost_checks(exported, samples, promise)


def require_intact(folder: Path, manifest: Manifest) -> list[Check]:
    """Check that the folder holds the manifest's files, unchanged, and no others.

    Raises:
        BundleError: a file is missing, changed or not in the manifest.
    """
    checks = _file_checks(folder, manifest)
    _raise_failures(folder, checks)
    return checks


def rebuild_network(folder: Path) -> PlainNetwork:
    """Return the plain network of architecture.json and weights.safetensors, in evaluation mode."""
    document = json.loads((folder / ARCHITECTURE).read_text())
    return PlainNetwork.from_json(document, load_file(folder / WEIGHTS)).eval()


def _file_checks(folder: Path, manifest: Manifest) -> list[Check]:
    checks = [_file_check(folder, name, manifest) for name in manifest.files]
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    strays = sorted(present - set(manifest.files) - {MANIFEST})
    unlisted = [name for name in _ALWAYS_THERE if name not in manifest.files and name not in strays]
    checks += [Check(name=name, passed=False, detail="is not in the manifest") for name in (*strays, *unlisted)]
    return checks


def _file_check(folder: Path, name: str, manifest: Manifest) -> Check:
    path, written = folder / name, manifest.files[name]
    if not path.is_file():
        return Check(name=name, passed=False, detail="is missing")
    found = file_entry(path)
    if found.size != written.size:
        return Check(name=name, passed=False, detail=f"has {found.size:,} bytes, was written with {written.size:,}")
    if found.sha256 != written.sha256:
        return Check(name=name, passed=False, detail="was changed: its SHA-256 differs")
    return Check(name=name, passed=True, detail=f"{found.size:,} bytes, SHA-256 agrees")


def _module_runner(module: nn.Module, promise: Promise) -> Runner:
    return lambda images: dict(zip(promise.output_names, module(images), strict=True))


def _onnx_runner(path: Path, promise: Promise) -> Runner:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = promise.output_names
    return lambda images: {
        name: torch.from_numpy(array)
        for name, array in zip(names, session.run(names, {INPUT_NAME: images.numpy()}), strict=True)
    }


def _outputs_check(name: str, run: Runner, samples: Tensor, expected: Mapping[str, Tensor], tolerance: float) -> Check:
    # One image alone as well, because the exports accept any batch size.
    with torch.no_grad():
        together, alone = run(samples), run(samples[:1])
    title = f"outputs of {name}"
    worst = 0.0
    for task, wanted in expected.items():
        for found, reference in ((together[task], wanted), (alone[task], wanted[:1])):
            if found.shape != reference.shape:
                shapes = f"{tuple(found.shape)}, was written with {tuple(reference.shape)}"
                return Check(name=title, passed=False, detail=f"{task} has shape {shapes}")
            worst = max(worst, _difference(found, reference))
    return Check(
        name=title,
        passed=worst <= tolerance,
        detail=f"differ from the stored ones by {worst:.1e} (allowed: {tolerance:.0e}) on {len(samples)} samples",
    )


def _difference(found: Tensor, reference: Tensor) -> float:
    scale = max(1.0, float(reference.abs().max()))
    difference = float((found - reference).abs().max()) / scale
    # NaN must not count as small. Every comparison with it is false.
    return math.inf if math.isnan(difference) else difference


def _parameters_check(network: PlainNetwork, promise: Promise) -> Check:
    counted = count_parameters(network)
    return Check(
        name="parameters",
        passed=counted == promise.num_parameters,
        detail=f"counted {counted:,}, the manifest says {promise.num_parameters:,}",
    )


def _cost_checks(exported: nn.Module, samples: Tensor, promise: Promise) -> list[Check]:
    flops = count_flops(_Wrapped(exported), samples.shape[1:])
    budget = promise.flop_budget
    checks = [
        Check(
            name="FLOPs",
            passed=flops == promise.flops,
            detail=f"counted {flops:,} in {TORCH_MODEL}, the manifest says {promise.flops:,}",
        )
    ]
    if budget is not None:
        checks.append(
            Check(name="FLOP budget", passed=flops <= budget, detail=f"{flops:,} FLOPs of {budget:,} allowed")
        )
    return checks


class _Wrapped(nn.Module):
    """Wrapper that lets callers ask an exported module for evaluation mode, the only mode that it has."""

    def __init__(self, exported: nn.Module) -> None:
        super().__init__()
        # In a list, so that it is no submodule and `eval()`, which exported modules refuse, does not reach it.
        self._exported = [exported]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self._exported[0](images)
        return outputs


def _raise_failures(folder: Path, checks: list[Check]) -> None:
    failed = [f"{check.name} {check.detail}" for check in checks if not check.passed]
    if failed:
        raise BundleError(f"bundle {folder} does not hold: {'; '.join(failed)}.", hint="Pull it again.")
