"""What can be searched: gated networks, their exact cost, and the plain networks they become. Pure torch."""

from spaces.architecture import Architecture
from spaces.budget import close_gates_to_budget, project_to_budget
from spaces.compaction import CompactNetwork, compact_network
from spaces.errors import (
    BudgetBelowFloorError,
    GatefrontError,
    SpaceError,
    UnknownBackboneError,
    UntraceableBackboneError,
)
from spaces.estimators import Estimator
from spaces.expected_cost import expected_flops
from spaces.flops import FLOP_CONVENTION, CostModel, GatePattern, count_flops, count_parameters
from spaces.gate_layout import GateLayout, Granularity
from spaces.gate_map import GateMap, GateSite
from spaces.gates import ChannelGate
from spaces.interrogate import InterroGateNetwork, build_gated_network
from spaces.padding import pad_widths
from spaces.parameter_budget import project_to_budgets
from spaces.plain_network import PlainNetwork
from spaces.pruning import prune_network
from spaces.regularizers import hinge_sparsity
from spaces.shared_network import SharedNetwork, build_shared_network
from spaces.tasks import Task, TaskKind

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
