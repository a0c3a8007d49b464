"""Names in an ONNX graph: an output is called after its task, and nothing else in the graph is."""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

from gatefront.spaces.tasks import safe_names

TASKS_PROPERTY = "gatefront.tasks"
"""The model's metadata entry with the tasks' names, as a JSON list in the outputs' order."""

_INNER = "inner."
"""A prefix that the exporter never uses, so that a renamed value cannot collide with another one."""


def name_outputs(model: Any, task_names: Sequence[str]) -> None:
    """Call the outputs as :func:`gatefront.spaces.tasks.output_names` says, in place, and note the tasks' names.

    The exporter calls values after what computes them, ``relu`` or ``conv2d_1``, and ONNX gives a name to one value. A
    value that has the name of an output gets another one.

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
