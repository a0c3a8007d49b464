"""Gated networks, their exact cost, and the plain networks that they become, in pure torch."""

from typing import TYPE_CHECKING

from gatefront.spaces.lazy_names import lazy_names

if TYPE_CHECKING:
    from gatefront.spaces.architecture.architecture import Architecture
    from gatefront.spaces.architecture.tasks import Task, TaskKind
    from gatefront.spaces.budgets.expected_flops import expected_flops
    from gatefront.spaces.budgets.flop_budget import close_gates_to_budget, project_to_budget
    from gatefront.spaces.budgets.parameter_budget import project_to_budgets
    from gatefront.spaces.errors import (
        BudgetBelowFloorError,
        GatefrontError,
        SpaceError,
        UnknownBackboneError,
        UntraceableBackboneError,
    )
    from gatefront.spaces.gating.channel_gate import ChannelGate
    from gatefront.spaces.gating.gate_layout import Estimator, GateLayout, Granularity
    from gatefront.spaces.gating.gate_map import GateMap, GateSite
    from gatefront.spaces.gating.regularizers import hinge_sparsity
    from gatefront.spaces.graph.flop_counter import FLOP_CONVENTION, count_flops, count_parameters
    from gatefront.spaces.networks.cost_model import CostModel, GatePattern
    from gatefront.spaces.networks.interrogate import InterroGateNetwork, build_gated_network
    from gatefront.spaces.networks.shared_network import SharedNetwork, build_shared_network
    from gatefront.spaces.pruning.compact_network import CompactNetwork, compact_network
    from gatefront.spaces.pruning.plain_network import PlainNetwork
    from gatefront.spaces.pruning.prune import prune_network
    from gatefront.spaces.pruning.width_padding import pad_widths
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Architecture": "architecture.architecture",
            "BudgetBelowFloorError": "errors",
            "ChannelGate": "gating.channel_gate",
            "CompactNetwork": "pruning.compact_network",
            "CostModel": "networks.cost_model",
            "Estimator": "gating.gate_layout",
            "FLOP_CONVENTION": "graph.flop_counter",
            "GateLayout": "gating.gate_layout",
            "GateMap": "gating.gate_map",
            "GatePattern": "networks.cost_model",
            "GateSite": "gating.gate_map",
            "GatefrontError": "errors",
            "Granularity": "gating.gate_layout",
            "InterroGateNetwork": "networks.interrogate",
            "PlainNetwork": "pruning.plain_network",
            "SharedNetwork": "networks.shared_network",
            "SpaceError": "errors",
            "Task": "architecture.tasks",
            "TaskKind": "architecture.tasks",
            "UnknownBackboneError": "errors",
            "UntraceableBackboneError": "errors",
            "build_gated_network": "networks.interrogate",
            "build_shared_network": "networks.shared_network",
            "close_gates_to_budget": "budgets.flop_budget",
            "compact_network": "pruning.compact_network",
            "count_flops": "graph.flop_counter",
            "count_parameters": "graph.flop_counter",
            "expected_flops": "budgets.expected_flops",
            "hinge_sparsity": "gating.regularizers",
            "pad_widths": "pruning.width_padding",
            "project_to_budget": "budgets.flop_budget",
            "project_to_budgets": "budgets.parameter_budget",
            "prune_network": "pruning.prune",
        },
    )

__all__ = [
    "FLOP_CONVENTION",
    "Architecture",
    "BudgetBelowFloorError",
    "ChannelGate",
    "CompactNetwork",
    "CostModel",
    "Estimator",
    "GateLayout",
    "GateMap",
    "GatePattern",
    "GateSite",
    "GatefrontError",
    "Granularity",
    "InterroGateNetwork",
    "PlainNetwork",
    "SharedNetwork",
    "SpaceError",
    "Task",
    "TaskKind",
    "UnknownBackboneError",
    "UntraceableBackboneError",
    "build_gated_network",
    "build_shared_network",
    "close_gates_to_budget",
    "compact_network",
    "count_flops",
    "count_parameters",
    "expected_flops",
    "hinge_sparsity",
    "pad_widths",
    "project_to_budget",
    "project_to_budgets",
    "prune_network",
]
