"""Do gates end where they were asked to, and what is a network worth that was trained towards its cost?

    python benchmarks/flop_targets.py [--study studies/digits.toml] [--seeds 0 1 2] [--targets 40 45 60] [--ways ...]

One trial of the study per seed, target (percent of the single-task cost) and way of meeting it:

    hinge                  the paper's hinge, tau matched to the target, strong lambda_s; what is over is cut
    hinge, loose           the same with tau 0.4 and a weak lambda_s: gates end open and most of the work is the cut
    hinge+projection       the same; then gates are opened too, until none more fits
    expected               the expected FLOPs by dual ascent, projected by logit
    expected+sensitivity   the same, projected by loss sensitivity
    hard-concrete          as `expected`, with hard-concrete gates

Printed are the FLOPs the gates chose and the delivered ones, both in percent of the request, and Δ_MTL. Single-task and
shared networks are cached in the folder.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gatefront.search.config.study_file import read_study_file
from gatefront.search.driver.references import References, reference_jobs, train_job
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.spaces.budgets.budgets import Budgets
from gatefront.trainer.config import GateConfig
from gatefront.trainer.reporting import EpochReport, TrialResult
from gatefront.trainer.trial.run_trial import run_trial
from gatefront.trainer.trial.spec import TrialSpec

LOOSE_TAU, LOOSE_LAMBDA_S = 0.4, 2.0
WAYS = ("hinge", "hinge, loose", "hinge+projection", "expected", "expected+sensitivity", "hard-concrete")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--targets", type=float, nargs="+", default=[40, 45, 60])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--lambda-s", type=float, default=10.0, help="of the hinge")
    parser.add_argument("--rho", type=float, default=10.0, help="lambda_s of the expected FLOPs")
    parser.add_argument("--finetune-epochs", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=Path("runs/flop-targets"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "seed | target | way | gates chose, of request | delivered, of request | Δ_MTL | training FLOPs, T", flush=True
    )
    found: dict[tuple[float, str], list[float]] = {}
    for seed in arguments.seeds:
        plan = _plan(arguments.study, seed)
        jobs = [job for job in reference_jobs(plan) if job.purpose != "hard_sharing"]
        results = {job.role: train_job(job, arguments.folder) for job in jobs}
        references = References(plan=plan, results=results)
        for percent in arguments.targets:
            for way in arguments.ways:
                result, target = _run(plan, references, seed, percent, way, arguments)
                found.setdefault((percent, way), []).append(result.delta_mtl)
                chosen, delivered = 100 * result.flops_before_cut / target, 100 * result.flops / target
                print(
                    f"{seed} | {percent:g} % | {way} | {chosen:.1f} % | {delivered:.2f} % | "
                    f"{result.delta_mtl:+.2f} % | {result.train_flops / 1e12:.2f}",
                    flush=True,
                )
    for (percent, way), deltas in found.items():
        print(f"mean | {percent:g} % | {way} | {statistics.mean(deltas):+.2f} %")


def _plan(study: Path, seed: int) -> StudyPlan:
    _, config = read_study_file(study)
    section = config.study.model_copy(update={"seed": seed, "flop_budget": None})
    return plan_study(config.model_copy(update={"study": section}))


def _run(
    plan: StudyPlan, references: References, seed: int, percent: float, way: str, arguments: argparse.Namespace
) -> tuple[TrialResult, int]:
    capacity = plan.largest
    target = int(percent / 100 * capacity.single_task)
    settings = plan.search_space.decode(
        {"gates.tau": 0.2, "gates.flop_target": 1.0, "gates.lambda_s": 1.0}, seed=seed + 1
    )
    gates = _gates(settings.gates, way, _matching_tau(capacity.encoder, capacity.hard_sharing, target, len(plan.tasks)))
    gates = replace(gates, lambda_s=_strength(way, arguments), derived_points=0)
    if arguments.finetune_epochs is not None:
        gates = replace(gates, finetune_epochs=arguments.finetune_epochs)
    spec = TrialSpec(
        architecture=capacity.architecture,
        data=plan.data,
        train=settings.train,
        gates=gates,
        budgets=Budgets(flops=target),
        flop_target=None if way == "hinge" else target,
        single_task=references.single_task(capacity),
        hard_sharing=references.shared_init(capacity),
    )
    with TemporaryDirectory() as folder:
        return run_trial(spec, work_dir=Path(folder), cache_dir=arguments.folder, reporter=_ignore), target


def _gates(gates: GateConfig, way: str, tau: float) -> GateConfig:
    if way.startswith("hinge"):
        return replace(gates, sparsity="hinge", tau=(LOOSE_TAU if way == "hinge, loose" else tau,) * len(gates.tau))
    return replace(
        gates,
        sparsity="expected_flops",
        importance="sensitivity" if way.endswith("sensitivity") else "logit",
        estimator="hard_concrete" if way == "hard-concrete" else "straight_through",
    )


def _strength(way: str, arguments: argparse.Namespace) -> float:
    if way == "hinge, loose":
        return LOOSE_LAMBDA_S
    strength: float = arguments.lambda_s if way.startswith("hinge") else arguments.rho
    return strength


def _matching_tau(encoder: int, floor: int, target: int, num_tasks: int) -> float:
    """The share of own channels at which all tasks together cost about the target, none open twice."""
    return (target - floor) / encoder / num_tasks


def _ignore(_: EpochReport, /) -> None:
    """The trial's result says it all."""


if __name__ == "__main__":
    main()
