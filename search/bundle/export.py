"""Exports of a plain network, in every form that a deployment may want."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, fx

from gatefront.search.bundle.file_names import (
    ARCHITECTURE,
    INPUT_NAME,
    ONNX_MODEL,
    SAMPLE_INPUTS,
    SAMPLE_OUTPUTS,
    TORCH_MODEL,
    WEIGHTS,
)
from gatefront.search.errors import BundleError
from gatefront.spaces import PlainNetwork, SpaceError, pad_widths
from gatefront.spaces.architecture.tasks import safe_names
from gatefront.spaces.graph.attention import attend

TASKS_PROPERTY = "gatefront.tasks"
"""Metadata entry of model.onnx that holds the tasks' names as a JSON list, in the order of the outputs."""

_BATCH = torch.export.Dim("batch", min=1)
# A prefix that the exporter never uses, so that a renamed value cannot collide with another one.
_INNER = "inner."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Outputs of an exported network for the samples, in task order.

    ``no_plan_because`` is the reason why no plan was written. None means that there is a plan.
    """

    outputs: tuple[Tensor, ...]
    no_plan_because: str | None


def export_network(network: PlainNetwork, samples: Tensor, folder: Path) -> Exported:
    """Write both exports, the plan (architecture and weights) and the samples into ``folder``.

    A network with operations that architecture.json cannot hold is written without the plan. Both exports hold it
    nevertheless.

    Args:
        network: in evaluation mode, on the CPU.
        samples: normalized images ``[batch, channels, height, width]``, float32, at least two.
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
    """Write the ONNX export alone to ``path``, the same file as in a bundle.

    ``network`` and ``samples`` are as for :func:`export_network`.
    """
    with _quiet():
        _write_onnx(_trace(pad_widths(network, samples) or network, samples), network, samples, path)


def attend_in_four_axes(network: PlainNetwork) -> PlainNetwork:
    """Return a network of the same layers whose attention reads and returns tensors of four axes.

    A network without attention is returned itself. Attention of local windows often has five axes: images, windows,
    heads, tokens and channels. The ONNX exporter of torch takes four only.
    """
    if not any(node.target is F.scaled_dot_product_attention for node in network.body.graph.nodes):
        return network
    graph = copy.deepcopy(network.body.graph)
    for node in graph.nodes:
        if node.target is F.scaled_dot_product_attention:
            node.target = attend
    return PlainNetwork(fx.GraphModule(network.body, graph), network.task_names)


def name_outputs(model: Any, task_names: Sequence[str]) -> None:
    """Name the outputs in place as :func:`~gatefront.spaces.architecture.tasks.safe_names` does, and record the tasks.

    The exporter names values after the operation that computes them, such as ``relu`` or ``conv2d_1``. A name belongs
    to one value in ONNX, so another value that has the name of an output is renamed.

    Args:
        model: an ``onnx_ir.Model`` with one output per task, in order.
        task_names: the tasks.
    """
    graph, names = model.graph, safe_names(task_names)
    outputs = {id(value) for value in graph.outputs}
    computed = (value for node in graph.all_nodes() for value in node.outputs)
    for value in list(chain(graph.initializers.values(), computed)):
        if value.name in names and id(value) not in outputs:
            value.name = f"{_INNER}{value.name}"
    for value, name in zip(graph.outputs, names, strict=True):
        value.name = name
    model.metadata_props[TASKS_PROPERTY] = json.dumps(list(task_names), ensure_ascii=False)


def _write_exports(network: PlainNetwork, samples: Tensor, folder: Path) -> None:
    with _quiet():
        program = _trace(network, samples)
        torch.export.save(program, folder / TORCH_MODEL)
        padded = pad_widths(network, samples)
        # Tracing takes long, so the program is used for both files if no width has to be padded.
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
    # Clones, because safetensors refuses tensors that share memory. Not save_file, because it makes the file
    # readable for its owner alone.
    path.write_bytes(save({name: tensor.clone().contiguous() for name, tensor in tensors.items()}))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporters' progress lines and warnings. Errors are still raised."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
