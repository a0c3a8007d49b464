"""What does training only the delivered network, once the gates are learned, save, and does it cost accuracy?

    python benchmarks/compact_finetuning.py [--study studies/digits.toml] [--seeds 0 1 2] [--tau 0.2] [--lambda-s 3]

Per seed, one trial of the study learns its gates and is cut to the budget. From that
state it is fine-tuned twice: with all T+1 branches running, and on the compact network. Printed are both Δ_MTL, and
the trial's training FLOPs and seconds, both phases together, of the second as a share of the first. Single-task and
shared networks are cached in the folder.
"""

import argparse
import copy
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from gatefront.search.config.study_file import read_study_file
from gatefront.search.driver.references import reference_jobs, train_job
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.planning.trial_settings import TrialSettings
from gatefront.spaces import InterroGateNetwork, build_gated_network, close_gates_to_budget, compact_network
from gatefront.trainer.checkpoints.checkpoint import load_state
from gatefront.trainer.data.dataset import MultiTaskData
from gatefront.trainer.data.registry import load_data
from gatefront.trainer.loop.seeding import seed_everything
from gatefront.trainer.loop.train import train
from gatefront.trainer.loop.training_cost import count_training_flops
from gatefront.trainer.metrics.delta_mtl import delta_mtl
from gatefront.trainer.reporting import ReferenceResult
from gatefront.trainer.trial.gated.gate_training import finetune, finetune_config, learn_gates


@dataclass(frozen=True, slots=True)
class Finetuned:
    """One way of fine-tuning: what it reached and what it took."""

    delta_mtl: float
    train_flops: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tau", type=float, default=0.2)
    parser.add_argument("--lambda-s", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/compact"))
    arguments = parser.parse_args()
    print("seed | encoders | all branches, Δ_MTL | compact, Δ_MTL | training FLOPs | training seconds")
    shares, differences = [], []
    for seed in arguments.seeds:
        _, config = read_study_file(arguments.study)
        plan = plan_study(config.model_copy(update={"study": config.study.model_copy(update={"seed": seed})}))
        encoders, everything, compact = _compare(plan, seed, arguments.tau, arguments.lambda_s, arguments.folder)
        shares.append(compact.train_flops / everything.train_flops)
        differences.append(compact.delta_mtl - everything.delta_mtl)
        print(
            f"{seed} | {encoders:.2f} | {everything.delta_mtl:+.2f} % | {compact.delta_mtl:+.2f} % | "
            f"{shares[-1]:.2f} | {compact.seconds / everything.seconds:.2f}",
            flush=True,
        )
    print(
        f"mean: {statistics.mean(shares):.2f} of the training FLOPs, Δ_MTL {statistics.mean(differences):+.2f} points"
    )


def _compare(
    plan: StudyPlan, seed: int, tau: float, lambda_s: float, folder: Path
) -> tuple[float, Finetuned, Finetuned]:
    data = load_data(plan.data, folder)
    settings = plan.search_space.decode(
        {"gates.tau": tau, "gates.flop_target": 1.0, "gates.lambda_s": lambda_s}, seed=seed
    )
    # The hinge, whatever the study file says: how the gates were learned makes no difference to what follows.
    gates = replace(settings.gates, sparsity="hinge", tau=(tau,) * len(plan.tasks), lambda_s=lambda_s)
    settings = replace(settings, gates=gates)
    single_task, shared = _references(plan, folder)
    seed_everything(seed)
    network = build_gated_network(settings.capacity.architecture, settings.gates.layout())
    weights = {task: load_state(Path(result.path)) for task, result in single_task.items()}
    network.load_references(weights, load_state(Path(shared.path)))
    learned = train(
        network,
        data,
        settings.train,
        tasks=plan.tasks,
        strategy=learn_gates(network, settings.gates, target=None, num_steps=0),
    )
    spent = count_training_flops(network, _shape(plan), learned.num_samples)
    if plan.budgets.flops is not None:
        network.cpu().set_gate_pattern(close_gates_to_budget(network, plan.budgets.flops))
    encoders = (network.flops() - sum(network.cost.heads.values())) / network.cost.encoder
    state = copy.deepcopy(network.state_dict())
    baseline = {task: result.metrics[task] for task, result in single_task.items()}
    outcomes = []
    for compact in (False, True):
        network.cpu().load_state_dict(state)
        trained = _frozen(network, compact=compact)
        metrics, flops, seconds = _finetune(trained, plan, settings, data)
        delta = delta_mtl(plan.tasks, metrics, baseline).mean
        outcomes.append(Finetuned(delta, spent + flops, learned.seconds + seconds))
    return encoders, outcomes[0], outcomes[1]


def _frozen(network: InterroGateNetwork, *, compact: bool) -> nn.Module:
    """Gates that no longer learn: in the whole network, all branches running, or in the compact one."""
    for gate in network.channel_gates():
        gate.alpha.requires_grad_(False)
    if not compact:
        return network
    found = compact_network(network)
    if found is None:
        raise SystemExit("this backbone runs a layer with weights twice, so it cannot be compacted")
    return found


def _finetune(
    trained: nn.Module, plan: StudyPlan, settings: TrialSettings, data: MultiTaskData
) -> tuple[dict[str, float], float, float]:
    torch.manual_seed(settings.train.seed)
    outcome = train(
        trained,
        data,
        finetune_config(settings.train, settings.gates),
        tasks=plan.tasks,
        strategy=finetune(trained, settings.gates),
    )
    return dict(outcome.metrics), count_training_flops(trained, _shape(plan), outcome.num_samples), outcome.seconds


def _references(plan: StudyPlan, folder: Path) -> tuple[dict[str, ReferenceResult], ReferenceResult]:
    """The single-task networks by task, and the hard-sharing network that the shared branch starts from."""
    results = [(job, train_job(job, folder)) for job in reference_jobs(plan) if job.purpose != "hard_sharing"]
    single_task = {job.task_name: result for job, result in results if job.task_name is not None}
    (shared,) = (result for job, result in results if job.purpose == "shared_init")
    return single_task, shared


def _shape(plan: StudyPlan) -> tuple[int, int, int]:
    return (plan.description.in_channels, *plan.description.input_size)


if __name__ == "__main__":
    main()
