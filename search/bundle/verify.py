"""Is a bundle whole, and does it do what its manifest says?"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors.torch import load_file
from torch import Tensor

from search.bundle.layout import (
    ARCHITECTURE,
    INPUT_NAME,
    MANIFEST,
    ONNX_MODEL,
    SAMPLE_INPUTS,
    SAMPLE_OUTPUTS,
    TORCH_MODEL,
    WEIGHTS,
)
from search.bundle.manifest import Manifest, file_entry, read_manifest
from search.errors import BundleError
from spaces import PlainNetwork, count_flops, count_parameters

TOLERANCE = 1e-4
"""Largest difference between two outputs that counts as equal, relative where outputs exceed 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what was looked at, whether it holds, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """All checks of one bundle; a report that is returned has passed every one of them."""

    folder: Path
    study: str
    trial: int
    checks: tuple[Check, ...]


def verify_bundle(folder: Path) -> VerifyReport:
    """Re-hash every file, run both exports on the stored samples, rebuild the network and count its FLOPs again.

    The exports are only opened once every file is known to be the one that was written.

    Raises:
        BundleError: naming every check that failed.
    """
    manifest = read_manifest(folder)
    checks = [Check(name=MANIFEST, passed=True, detail="unchanged"), *_file_checks(folder, manifest)]
    _raise_failures(folder, checks)
    samples = load_file(folder / SAMPLE_INPUTS)[INPUT_NAME]
    expected = load_file(folder / SAMPLE_OUTPUTS)
    rebuilt = _rebuild(folder)
    runs: Mapping[str, Callable[[Tensor], dict[str, Tensor]]] = {
        TORCH_MODEL: _torch_runner(folder / TORCH_MODEL, manifest),
        ONNX_MODEL: _onnx_runner(folder / ONNX_MODEL, manifest),
        f"{ARCHITECTURE} + {WEIGHTS}": lambda images: dict(zip(rebuilt.task_names, rebuilt(images), strict=True)),
    }
    checks += [_outputs_check(name, run, samples, expected) for name, run in runs.items()]
    checks += _cost_checks(rebuilt, samples, manifest)
    _raise_failures(folder, checks)
    return VerifyReport(folder=folder, study=manifest.study, trial=manifest.trial, checks=tuple(checks))


def _file_checks(folder: Path, manifest: Manifest) -> list[Check]:
    checks = [_file_check(folder, name, manifest) for name in manifest.files]
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    strays = sorted(present - set(manifest.files) - {MANIFEST})
    checks += [Check(name=name, passed=False, detail="is not in the manifest") for name in strays]
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


def _rebuild(folder: Path) -> PlainNetwork:
    document = json.loads((folder / ARCHITECTURE).read_text())
    return PlainNetwork.from_json(document, load_file(folder / WEIGHTS)).eval()


def _torch_runner(path: Path, manifest: Manifest) -> Callable[[Tensor], dict[str, Tensor]]:
    module = torch.export.load(path).module()
    return lambda images: dict(zip(_task_names(manifest), module(images), strict=True))


def _onnx_runner(path: Path, manifest: Manifest) -> Callable[[Tensor], dict[str, Tensor]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = _task_names(manifest)

    def run(images: Tensor) -> dict[str, Tensor]:
        arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = session.run(
            names, {INPUT_NAME: images.numpy()}
        )
        return {name: torch.from_numpy(array) for name, array in zip(names, arrays, strict=True)}

    return run


def _task_names(manifest: Manifest) -> list[str]:
    return [task.name for task in manifest.tasks]


def _outputs_check(
    name: str, run: Callable[[Tensor], dict[str, Tensor]], samples: Tensor, expected: Mapping[str, Tensor]
) -> Check:
    # One image alone as well: the exports promise any batch size.
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
        passed=worst <= TOLERANCE,
        detail=f"differ from the stored ones by {worst:.1e} (allowed: {TOLERANCE:.0e}) on {len(samples)} samples",
    )


def _difference(found: Tensor, reference: Tensor) -> float:
    scale = max(1.0, float(reference.abs().max()))
    difference = float((found - reference).abs().max()) / scale
    # NaN would pass for small: max() and <= are both false on it.
    return math.inf if math.isnan(difference) else difference


def _cost_checks(network: PlainNetwork, samples: Tensor, manifest: Manifest) -> list[Check]:
    flops = count_flops(network, samples.shape[1:])
    num_parameters = count_parameters(network)
    budget = manifest.flops.flop_budget
    checks = [
        Check(
            name="FLOPs",
            passed=flops == manifest.flops.value,
            detail=f"counted {flops:,}, the manifest says {manifest.flops.value:,}",
        ),
        Check(
            name="parameters",
            passed=num_parameters == manifest.num_parameters,
            detail=f"counted {num_parameters:,}, the manifest says {manifest.num_parameters:,}",
        ),
    ]
    if budget is not None:
        checks.append(
            Check(name="FLOP budget", passed=flops <= budget, detail=f"{flops:,} FLOPs of {budget:,} allowed")
        )
    return checks


def _raise_failures(folder: Path, checks: list[Check]) -> None:
    failed = [f"{check.name} {check.detail}" for check in checks if not check.passed]
    if failed:
        raise BundleError(f"bundle {folder} does not hold: {'; '.join(failed)}.", hint="Pull it again.")
