"""Writing a plain network in every form a deployment may want."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from gatefront.search.bundle.file_names import (
    ARCHITECTURE,
    INPUT_NAME,
    ONNX_MODEL,
    SAMPLE_INPUTS,
    SAMPLE_OUTPUTS,
    TORCH_MODEL,
    WEIGHTS,
)
from gatefront.search.bundle.onnx_attention import attend_in_four_axes
from gatefront.search.bundle.onnx_names import name_outputs
from gatefront.search.errors import BundleError
from gatefront.spaces import PlainNetwork, SpaceError, pad_widths
from gatefront.spaces.tasks import safe_names

_BATCH = torch.export.Dim("batch", min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: the outputs for the samples, in task order, and why there is no plan, if there is none."""

    outputs: tuple[Tensor, ...]
    no_plan_because: str | None


def export_network(network: PlainNetwork, samples: Tensor, folder: Path) -> Exported:
    """Write both exports, the plan (architecture and weights) and the samples into ``folder``.

    A network with operations that fit no architecture.json goes without the plan; both exports hold it all the same.

    Args:
        network: in evaluation mode, on the CPU.
        samples: normalised images ``[batch, channels, height, width]``, float32, at least two.
        folder: an existing folder.
    """
    with torch.no_grad():
        outputs: tuple[Tensor, ...] = network(samples)
    _write_exports(network, samples, folder)
    refusal = _write_plan(network, folder)
    _write_tensors({INPUT_NAME: samples}, folder / SAMPLE_INPUTS)
    _write_tensors(dict(zip(safe_names(network.task_names), outputs, strict=True)), folder / SAMPLE_OUTPUTS)
    return Exported(outputs=outputs, no_plan_because=refusal)


def export_onnx(network: PlainNetwork, samples: Tensor, path: Path) -> None:
    """Write the ONNX export alone, the same file as in a bundle; arguments as for :func:`export_network`."""
    with _quiet():
        _write_onnx(_trace(pad_widths(network, samples) or network, samples), network, samples, path)


def _write_exports(network: PlainNetwork, samples: Tensor, folder: Path) -> None:
    with _quiet():
        program = _trace(network, samples)
        torch.export.save(program, folder / TORCH_MODEL)
        padded = pad_widths(network, samples)
        # Tracing takes long, so the program is used for both files where no width has to be filled up.
        onnx_program = program if padded is None else _trace(padded, samples)
        _write_onnx(onnx_program, network, samples, folder / ONNX_MODEL)


def _trace(network: PlainNetwork, samples: Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(attend_in_four_axes(network), (samples,), dynamic_shapes=({0: _BATCH},))


def _write_onnx(program: torch.export.ExportedProgram, network: PlainNetwork, samples: Tensor, path: Path) -> None:
    exported = torch.onnx.export(
        program,
        (samples,),
        dynamo=True,
        dynamic_shapes=({0: "batch"},),  # names the axis
        input_names=[INPUT_NAME],
        verbose=False,
    )
    if exported is None:
        raise BundleError("Cannot write the ONNX export: torch.onnx gave no program.")
    name_outputs(exported.model, network.task_names)
    exported.save(path, external_data=False)


def _write_plan(network: PlainNetwork, folder: Path) -> str | None:
    try:
        document = network.architecture_json()
    except SpaceError as error:
        return error.message
    (folder / ARCHITECTURE).write_text(json.dumps(document, indent=1) + "\n")
    _write_tensors(network.tensors(), folder / WEIGHTS)
    return None


def _write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    # Clones, because safetensors refuses tensors that share memory; not save_file, which hides the file
    # from everybody but its owner.
    path.write_bytes(save({name: tensor.clone().contiguous() for name, tensor in tensors.items()}))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress lines and deprecation notes off the person's screen; errors still rise."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
