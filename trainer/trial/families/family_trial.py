"""Trial of another family: its cost is known before training, and its network is kept."""

from dataclasses import replace
from pathlib import Path

from gatefront.spaces import BudgetBelowFloorError
from gatefront.trainer.data.compatibility import require_match
from gatefront.trainer.data.registry import load_data
from gatefront.trainer.loop.environment import describe_environment, device_name, peak_memory_mib, reset_peak_memory
from gatefront.trainer.loop.runtime import resolve_runtime
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import EpochReport, Reporter, TrialResult
from gatefront.trainer.trial.families.lomt_layer_search import LayerSearch
from gatefront.trainer.trial.families.train_family import FamilySpec, train_family
from gatefront.trainer.trial.family_config import FamilyChoice
from gatefront.trainer.trial.reporter import TrialReporter
from gatefront.trainer.trial.spec import NETWORK_FILE, TrialSpec
from gatefront.trainer.trial.teachers import find_teachers


def run_family_trial(
    spec: TrialSpec, family: FamilyChoice, *, work_dir: Path, cache_dir: Path, reporter: Reporter
) -> TrialResult:
    """Run a trial of another family. See :func:`gatefront.trainer.trial.run_trial.run_trial`.

    There are no gates, so the cost is that of the family at this capacity.

    Raises:
        BudgetBelowFloorError: the network costs more than the budgets; raised before it is trained.
    """
    data = load_data(spec.data, cache_dir)
    require_match(spec.architecture, data.description)
    teachers = find_teachers(spec.distillation, spec.single_task, data, spec.train, cache_dir=cache_dir)
    device = resolve_runtime(spec.train).device
    reset_peak_memory(device)

    def begin(flops: int, num_parameters: int) -> Reporter:
        _require_within_budgets(spec, family, flops, num_parameters)
        return TrialReporter(spec, flops, reporter, epochs_before=spec.num_epochs - spec.train.epochs)

    def report_search(report: EpochReport, /) -> None:
        # This is a network of one task alone, so Δ_MTL and the cost of the final network are not known yet.
        reporter(replace(report, num_epochs=spec.num_epochs))

    trained = train_family(
        _family_spec(spec, family), data, work_dir, begin=begin, search_reporter=report_search, teachers=teachers
    )
    delta = delta_mtl(spec.ranked_tasks, trained.metrics, spec.single_task_metrics())
    return TrialResult(
        metrics=trained.metrics,
        delta_per_task=delta.per_task,
        delta_mtl=delta.mean,
        flops=trained.flops,
        flop_budget=spec.budgets.flops,
        flops_before_cut=trained.flops,
        num_parameters=trained.num_parameters,
        gate_map=None,
        seconds=trained.seconds,
        device=device_name(device),
        train_flops=trained.train_flops,
        peak_memory_mib=peak_memory_mib(device),
        environment=describe_environment(),
        network_path=str(work_dir / NETWORK_FILE),
    )


def _family_spec(spec: TrialSpec, family: FamilyChoice) -> FamilySpec:
    search = None
    if family.sparsity is not None:
        search = LayerSearch(train=replace(spec.train, epochs=family.search_epochs), sparsity=family.sparsity)
    return FamilySpec(
        family=family.name,
        architecture=spec.architecture,
        train=spec.train,
        single_task=spec.single_task,
        settings=family.settings,
        layer_search=search,
        initial=spec.initial,
    )


def _require_within_budgets(spec: TrialSpec, family: FamilyChoice, flops: int, num_parameters: int) -> None:
    budgets = spec.budgets
    for found, budget, unit in ((flops, budgets.flops, "FLOPs"), (num_parameters, budgets.params, "parameters")):
        if budget is not None and found > budget:
            raise BudgetBelowFloorError(
                f"the {family.name} network has {found:,} {unit} at this capacity, the budget is {budget:,}.",
                hint="Another width, backbone or decoder_width costs less.",
            )
