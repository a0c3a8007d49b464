"""Graph module of a trace, also if a layer's name is a keyword of Python."""

import keyword
import operator

from torch import fx, nn


def build_graph_module(module: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """Make a module of ``graph``, whose targets are layers and tensors of ``module``.

    torch.fx writes ``self.parts.class(x)`` for a layer called ``class``, which is no valid Python. Keywords in the
    names of layers and tensors therefore get an underscore behind them.
    """
    users = [node for node in graph.nodes if node.op in ("call_module", "get_attr")]
    if not any(keyword.iskeyword(part) for node in users for part in str(node.target).split(".")):
        return fx.GraphModule(module, graph)
    found, taken = {}, {str(node.target) for node in users}
    for node in users:
        target = str(node.target)
        node.target = _without_keywords(target, taken)
        found[node.target] = operator.attrgetter(target)(module)
    return fx.GraphModule(found, graph)


def _without_keywords(target: str, taken: set[str]) -> str:
    parts = target.split(".")
    if not any(keyword.iskeyword(part) for part in parts):
        return target
    renamed = ".".join(f"{part}_" if keyword.iskeyword(part) else part for part in parts)
    while renamed in taken:
        renamed += "_"
    return renamed
