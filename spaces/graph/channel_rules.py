"""Channel rules of all kinds of graph nodes: the visible table that lifting, costing and pruning share."""

from enum import Enum

from torch import fx, nn

from gatefront.spaces.graph.attention import HeadAttention
from gatefront.spaces.graph.channel_axis import follow_axis
from gatefront.spaces.graph.layers import LayerNorm2d


class ChannelRule(Enum):
    """Dependence of a node's output channels on its inputs."""

    INPUT = "input"
    """Images, or a feature given to a head. Nothing is computed."""
    DENSE = "dense"
    """Layer whose output channels read all input channels and can be left out (convolution, linear)."""
    CHANNEL_WISE = "channel-wise"
    """Node whose output channel c reads channel c of every operand (norm, activation, pooling, depthwise, add, mul).
    """
    GROUP_WISE = "group-wise"
    """Node whose output group g reads only group g of every operand (attention heads, grouped convolution)."""
    ACROSS = "across"
    """Node that reads all channels and gives each at its own place (layer norm). It has no cost and leaves nothing out.
    """
    PARAMETER = "parameter"
    """Tensor of the backbone itself, or a reshaped one: layer scale, position embedding."""
    OPAQUE = "opaque"
    """Any other node, which needs all input channels and gives all output channels. Always right, but less prunable."""
    OUTPUT = "output"
    """Output of the graph."""


def assign_rules(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Give every node ``meta["rule"]``, ``meta["channel_axis"]`` and, where group-wise, ``meta["group_size"]``.

    Needs ``meta["batched_shape"]`` and ``meta["has_tensor"]``.
    """
    for node in graph.nodes:
        node.meta["channel_axis"], node.meta["axis_is_likely"] = None, False
        node.meta["rule"] = _assign(node, modules)


def num_channels(node: fx.Node) -> int | None:
    """Return the number of channels of the node's value, or None if it is no tensor with a known channel axis."""
    axis = node.meta["channel_axis"]
    return None if axis is None else int(node.meta["batched_shape"][axis])


def is_depthwise(module: nn.Module) -> bool:
    """Return True for a convolution whose output channel c reads input channel c alone."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1


def tensor_operands(node: fx.Node) -> list[fx.Node]:
    """Return the operands that are tensors, without sizes and other numbers."""
    return [source for source in node.all_input_nodes if source.meta["has_tensor"]]


def _assign(node: fx.Node, modules: dict[str, nn.Module]) -> ChannelRule:
    if node.op == "output":
        return ChannelRule.OUTPUT
    shape = node.meta["batched_shape"]
    if node.op == "placeholder":
        node.meta["channel_axis"] = _usual_axis(shape)
        return ChannelRule.INPUT
    operands = tensor_operands(node)
    if node.op == "get_attr" or (operands and all(o.meta["rule"] is ChannelRule.PARAMETER for o in operands)):
        return ChannelRule.PARAMETER
    rule = _module_rule(node, modules[str(node.target)]) if node.op == "call_module" else None
    if rule is None:
        axis = _carried_axis(node, modules, operands)
        rule = ChannelRule.OPAQUE if axis is None else ChannelRule.CHANNEL_WISE
        node.meta["channel_axis"] = axis
    if rule is ChannelRule.OPAQUE and node.meta["channel_axis"] is None:
        node.meta["channel_axis"] = _likely_axis(node, operands)
        node.meta["axis_is_likely"] = True
    elif rule is ChannelRule.CHANNEL_WISE:
        node.meta["axis_is_likely"] = any(operand.meta["axis_is_likely"] for operand in operands)
    return _as_decoders_read_it(node, rule)


def _as_decoders_read_it(node: fx.Node, rule: ChannelRule) -> ChannelRule:
    """Return the rule of a feature whose axis may be a guess.

    Decoders read features on the usual axis, so a guess gives way to it.
    """
    usual = _usual_axis(node.meta["batched_shape"])
    is_feature = any(user.op == "output" for user in node.users)
    if not is_feature or not node.meta["axis_is_likely"] or node.meta["channel_axis"] in (None, usual):
        return rule
    node.meta["channel_axis"] = usual
    return ChannelRule.OPAQUE


def _likely_axis(node: fx.Node, operands: list[fx.Node]) -> int | None:
    """Return the axis on which an opaque operation's channels probably are: that of its operands, or the usual one.

    Any axis would be right, because all of them are computed whole. On this axis a gate chooses between features, and
    not between the rows of an image. An axis that grows with the batch holds no channels (None).
    """
    shape = node.meta["batched_shape"]
    if shape is None:
        return None
    alike = [o for o in operands if o.meta["batched_shape"] is not None and len(o.meta["batched_shape"]) == len(shape)]
    axes = {operand.meta["channel_axis"] for operand in alike if operand.meta["channel_axis"] is not None}
    axis = axes.pop() if len(axes) == 1 else _usual_axis(shape)
    return axis if axis is not None and len({sizes[axis] for sizes in node.meta["batched_shapes"]}) == 1 else None


def _usual_axis(shape: tuple[int, ...] | None) -> int | None:
    """Return axis 1 for maps ``[b, c, h, w]`` and vectors ``[b, c]``, and axis 2 for tokens ``[b, n, c]``."""
    return None if shape is None else {2: 1, 3: 2, 4: 1}.get(len(shape))


def _module_rule(node: fx.Node, module: nn.Module) -> ChannelRule | None:
    """Return the rule of a layer that computes across channels, or None for any other module."""
    shape = node.meta["batched_shape"]
    source = node.all_input_nodes[0]
    axis = source.meta["channel_axis"]
    if isinstance(module, nn.Conv2d):
        return _convolution_rule(node, module, axis)
    if isinstance(module, nn.Linear):
        last = len(shape) - 1
        if type(module) is nn.Linear and (axis == last or _is_guess(source)):
            node.meta["channel_axis"] = last
        return ChannelRule.DENSE if type(module) is nn.Linear and axis == last else ChannelRule.OPAQUE
    if isinstance(module, nn.LayerNorm | LayerNorm2d):
        return _norm_rule(node, module, axis)
    if isinstance(module, HeadAttention):
        node.meta["channel_axis"] = len(shape) - 1
        node.meta["group_size"] = module.head_dim
        known = all(o.meta["channel_axis"] == len(shape) - 1 for o in node.all_input_nodes)
        return ChannelRule.GROUP_WISE if known else ChannelRule.OPAQUE
    return None


def _norm_rule(node: fx.Node, module: nn.LayerNorm | LayerNorm2d, axis: int | None) -> ChannelRule:
    """Return the rule of a norm, which is known for a norm over the channels alone.

    A class derived from torch's may compute anything.
    """
    place = 1 if isinstance(module, LayerNorm2d) else len(node.meta["batched_shape"]) - 1
    single = isinstance(module, LayerNorm2d) or len(module.normalized_shape) == 1
    if type(module) not in (nn.LayerNorm, LayerNorm2d) or not single:
        return ChannelRule.OPAQUE
    if axis == place or _is_guess(node.all_input_nodes[0]):
        node.meta["channel_axis"] = place
    return ChannelRule.ACROSS if axis == place else ChannelRule.OPAQUE


def _is_guess(source: fx.Node) -> bool:
    """Return True if nothing shows where the value's channels are. A layer that reads one axis then decides it."""
    return source.meta["channel_axis"] is None or source.meta["axis_is_likely"]


def _convolution_rule(node: fx.Node, module: nn.Conv2d, axis: int | None) -> ChannelRule:
    node.meta["channel_axis"] = 1
    if type(module) is not nn.Conv2d or axis != 1:
        return ChannelRule.OPAQUE
    if is_depthwise(module):
        return ChannelRule.CHANNEL_WISE
    if module.groups > 1:
        node.meta["group_size"] = module.out_channels // module.groups
        return ChannelRule.GROUP_WISE if module.in_channels == module.out_channels else ChannelRule.OPAQUE
    return ChannelRule.DENSE


def _carried_axis(node: fx.Node, modules: dict[str, nn.Module], operands: list[fx.Node]) -> int | None:
    """Return the result's channel axis if every operand's channels stay apart and arrive at the same place."""
    computed = [o for o in operands if o.meta["rule"] is not ChannelRule.PARAMETER]
    axes = {_follow(node, modules, operand) for operand in computed}
    if len(axes) != 1 or (axis := axes.pop()) is None:
        return None
    parameters = [o for o in operands if o.meta["rule"] is ChannelRule.PARAMETER]
    return axis if all(_adopt(node, modules, parameter, axis) for parameter in parameters) else None


def _follow(node: fx.Node, modules: dict[str, nn.Module], operand: fx.Node) -> int | None:
    axis = operand.meta["channel_axis"]
    return None if axis is None else follow_axis(node, modules, operand, axis)


def _adopt(node: fx.Node, modules: dict[str, nn.Module], parameter: fx.Node, axis: int) -> bool:
    """Find the parameter's axis that arrives at ``axis`` of the result, and mark it on the parameter's way here."""
    for candidate in range(len(parameter.meta["batched_shape"] or ())):
        if follow_axis(node, modules, parameter, candidate) == axis and _mark(parameter, modules, candidate):
            return True
    return False


def _mark(parameter: fx.Node, modules: dict[str, nn.Module], axis: int) -> bool:
    if parameter.meta["channel_axis"] is not None:
        return bool(parameter.meta["channel_axis"] == axis)
    if parameter.op == "get_attr":
        parameter.meta["channel_axis"] = axis
        return True
    sources = tensor_operands(parameter)
    if not all(_adopt(parameter, modules, source, axis) for source in sources):
        return False
    parameter.meta["channel_axis"] = axis
    return True
