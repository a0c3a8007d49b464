"""What can be searched: gated networks, their exact cost, and the plain networks they become. Pure torch."""

from gatefront.spaces.architecture import Architecture
from gatefront.spaces.budget import close_gates_to_budget, project_to_budget
from gatefront.spaces.compaction import CompactNetwork, compact_network
from gatefront.spaces.errors import (
    BudgetBelowFloorError,
    GatefrontError,
    SpaceError,
    UnknownBackboneError,
    UntraceableBackboneError,
)
from gatefront.spaces.estimators import Estimator
from gatefront.spaces.expected_cost import expected_flops
from gatefront.spaces.flops import FLOP_CONVENTION, CostModel, GatePattern, count_flops, count_parameters
from gatefront.spaces.gate_layout import GateLayout, Granularity
from gatefront.spaces.gate_map import GateMap, GateSite
from gatefront.spaces.gates import ChannelGate
from gatefront.spaces.interrogate import InterroGateNetwork, build_gated_network
from gatefront.spaces.padding import pad_widths
from gatefront.spaces.parameter_budget import project_to_budgets
from gatefront.spaces.plain_network import PlainNetwork
from gatefront.spaces.pruning import prune_network
from gatefront.spaces.regularizers import hinge_sparsity
from gatefront.spaces.shared_network import SharedNetwork, build_shared_network
from gatefront.spaces.tasks import Task, TaskKind

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
