"""All steps from a study file to a verified bundle, tried with an untrained network before anything trains."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.verify import Promise, check_exports
from gatefront.search.config.family import INTERROGATE
from gatefront.search.doctor.check import Check
from gatefront.search.doctor.environment_checks import architectures_by_backbone
from gatefront.search.errors import BundleError
from gatefront.search.planning.capacities import list_layouts
from gatefront.search.planning.family_costs import dearest_settings
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.spaces import (
    Architecture,
    GateLayout,
    InterroGateNetwork,
    PlainNetwork,
    build_gated_network,
    count_flops,
    count_parameters,
    project_to_budgets,
    prune_network,
)
from gatefront.spaces.architecture.tasks import safe_names
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.spaces.errors import ERRORS_OF_FOREIGN_CODE
from gatefront.spaces.families import build_family, plain_network
from gatefront.spaces.networks.encoder import image_shape
from gatefront.spaces.networks.equivalence import calibrate_norms, randomize

_NUM_SAMPLES = 2
_TOLERANCE = 2e-3
"""Largest difference between outputs that count as equal.

Random weights magnify the rounding of runtimes to about 1e-4. A wrong form of the network differs by percents.
"""
_NUM_CALIBRATED = 4
_SHARE_WITHOUT_BUDGET = 0.5  # of the way from the floor to the ceiling


@dataclass(slots=True)
class Journey:
    """Steps of one network to a bundle: the seconds of each step, and the reason if one of them failed.

    ``no_plan_because`` is the reason why the bundle has no plan. None means that it has one, or was not exported.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    fault: str | None = None
    no_plan_because: str | None = None

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - started


def check_journeys(plan: StudyPlan) -> Iterator[Check]:
    """Build the largest network of every family, backbone and gate layout of a study, and take it to a bundle.

    Each network is projected to the budget, pruned, exported and verified. Weights, norm statistics and gates are
    random, because zeros would be equal in any form. A check passes if every form of the network has the same outputs,
    and if FLOPs and parameters are the expected ones.
    """
    architectures = architectures_by_backbone(plan)
    for family in plan.config.family.names:
        for backbone, architecture in architectures.items():
            words: list[str] = [family] if len(plan.config.family.names) > 1 else []
            words += [backbone] if len(architectures) > 1 else []
            if family != INTERROGATE:
                settings = dearest_settings(plan.config.family, family)
                yield _check(take_family_journey(family, architecture, settings), words)
                continue
            layouts = list_layouts(plan.config.gates)
            for layout in layouts:
                parts = [f"gates per {layout.granularity}", f"groups of {layout.channel_group}"]
                journey = take_gated_journey(architecture, layout, plan.budgets)
                yield _check(journey, [*words, *(parts if len(layouts) > 1 else [])])


def _check(journey: Journey, words: Sequence[str]) -> Check:
    name = ", ".join(("journey to a bundle", *words))
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in journey.seconds.items())
    more = () if journey.no_plan_because is None else (f"without architecture.json: {journey.no_plan_because}",)
    if journey.fault is not None:
        return Check(name, False, f"failed at the step {list(journey.seconds)[-1]!r}: {journey.fault}", more)
    return Check(name, True, f"{journey.total_seconds:.0f} s with an untrained network: {steps}", more)


def take_gated_journey(architecture: Architecture, layout: GateLayout, budgets: Budgets) -> Journey:
    """Take a gated network from its architecture to verified exports.

    Args:
        architecture: the architecture of the network, whose weights are random.
        layout: the places of its gates.
        budgets: the most that it may cost. Without a FLOP budget it is projected to halfway between floor and ceiling.
    """

    def make(journey: Journey) -> tuple[nn.Module, PlainNetwork, int]:
        with journey.step("lift"):
            network = build_gated_network(_without_weights(architecture), layout).eval()
        with journey.step("cut"):
            _set_random_gates(network, budgets)
        with journey.step("prune"):
            return network, prune_network(network).eval(), network.flops()

    return _take(architecture, make)


def take_family_journey(family: str, architecture: Architecture, settings: dict[str, Any]) -> Journey:
    """Take a network of another family from its architecture to verified exports."""

    def make(journey: Journey) -> tuple[nn.Module, PlainNetwork, int]:
        with journey.step("build"):
            network = build_family(family, _without_weights(architecture), settings).eval()
            randomize(network, torch.Generator().manual_seed(0))
            _calibrate(network, architecture)
        with journey.step("make plain"):
            return network, plain_network(network).eval(), count_flops(network, image_shape(architecture))

    return _take(architecture, make)


def _take(architecture: Architecture, make: Callable[[Journey], tuple[nn.Module, PlainNetwork, int]]) -> Journey:
    journey = Journey()
    samples = torch.randn(_NUM_SAMPLES, *image_shape(architecture), generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            trained, plain, flops = make(journey)
            with journey.step("compare"):
                _require_equal(trained, plain, samples)
            _export_and_verify(journey, plain, samples, flops)
        except ERRORS_OF_FOREIGN_CODE as error:
            journey.fault = str(error).partition("\n")[0] or type(error).__name__
    return journey


def _set_random_gates(network: InterroGateNetwork, budgets: Budgets) -> None:
    generator = torch.Generator().manual_seed(0)
    randomize(network, generator)
    importance = [torch.rand(gate.alpha.shape, generator=generator) for gate in network.channel_gates()]
    cost = network.cost
    halfway = int(cost.floor + _SHARE_WITHOUT_BUDGET * (cost.ceiling - cost.floor))
    budget = halfway if budgets.flops is None else min(budgets.flops, cost.ceiling)
    pattern = project_to_budgets(network, budget, param_budget=budgets.params, importance=importance)
    network.set_gate_pattern(pattern)
    _calibrate(network, network.architecture)
    if network.flops() > budget:
        raise BundleError(f"the cut network costs {network.flops():,} FLOPs, over the {budget:,} asked for.")


def _calibrate(network: nn.Module, architecture: Architecture) -> None:
    generator = torch.Generator().manual_seed(2)
    calibrate_norms(network, torch.randn(_NUM_CALIBRATED, *image_shape(architecture), generator=generator), generator)


def _require_equal(trained: nn.Module, plain: PlainNetwork, samples: Tensor) -> None:
    expected = trained(samples)
    for task, found in zip(plain.task_names, plain(samples), strict=True):
        scale = expected[task].abs().max().clamp(min=1.0)
        difference = float((found - expected[task]).abs().max() / scale)
        if not difference <= _TOLERANCE:
            raise BundleError(f"task {task}: the pruned network differs from the whole one by {difference:.1e}.")


def _export_and_verify(journey: Journey, plain: PlainNetwork, samples: Tensor, flops: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gatefront-doctor-") as folder:
        with journey.step("export"):
            journey.no_plan_because = export_network(plain, samples, Path(folder)).no_plan_because
        with journey.step("verify"):
            promise = Promise(
                output_names=tuple(safe_names(plain.task_names)),
                flops=flops,
                flop_budget=flops,
                num_parameters=count_parameters(plain),
                tolerance=_TOLERANCE,
            )
            failed = [f"{one.name} {one.detail}" for one in check_exports(Path(folder), promise) if not one.passed]
            if failed:
                raise BundleError("; ".join(failed))


def _without_weights(architecture: Architecture) -> Architecture:
    return replace(architecture, pretrained=False, weights=None)
