"""In which phases should the single-task references teach a gated network?

    python benchmarks/distilled_gates.py [--study studies/digits.toml] [--seeds 1 2 3] [--reference-epochs 12]
        [--lambda-s 10] [--folder runs/distilled-gates]

Single trials at the whole budget without derived points, which differ in their distillation alone: none; while
weights are trained with frozen gates; in both phases; in both, with more weight and a higher temperature. All start
from the same references. Printed per seed: Δ_MTL on the validation split after the phase in which gates are learned,
and of the delivered network. A trial that is complete in the folder is not trained again.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from gatefront.search.config.study_file import read_study_file
from gatefront.search.driver.references import References, reference_jobs, train_job
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.search.planning.trial_settings import TrialSettings
from gatefront.trainer.config import DistillationConfig
from gatefront.trainer.reporting import EpochReport
from gatefront.trainer.trial.run_trial import run_trial

WAYS = {
    "none": None,
    "weights": DistillationConfig(weight=0.5, phases=("weights",)),
    "both": DistillationConfig(weight=0.5),
    "both, 0.7 at T 4": DistillationConfig(weight=0.7, temperature=4.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=Path("studies/digits.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--reference-epochs", type=int, default=12)
    parser.add_argument("--lambda-s", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/distilled-gates"))
    arguments = parser.parse_args()
    plan = _plan(arguments.study, arguments.reference_epochs)
    cache = arguments.folder / "cache"
    references = References(plan=plan, results={job.role: train_job(job, cache) for job in reference_jobs(plan)})
    print("seed | distillation | Δ_MTL after the gates | Δ_MTL delivered")
    for seed in arguments.seeds:
        for name, distillation in WAYS.items():
            params = {"gates.flop_target": 1.0, "gates.lambda_s": arguments.lambda_s}
            settings = replace(plan.search_space.decode(params, seed=seed), distillation=distillation)
            folder = arguments.folder / f"{seed} {name}"
            after, delivered = _train(references, settings, folder, cache)
            print(f"{seed} | {name} | {after:+.2f} | {delivered:+.2f}", flush=True)


def _plan(study: Path, epochs: int) -> StudyPlan:
    config = read_study_file(study)[1]
    lengths = {"reference_epochs": epochs, "shared_init_epochs": epochs, "hard_sharing_epochs": epochs}
    return plan_study(
        config.model_copy(
            update={
                "train": config.train.model_copy(update=lengths),
                "gates": config.gates.model_copy(update={"derived_points": 0}),
            }
        )
    )


def _train(references: References, settings: TrialSettings, folder: Path, cache: Path) -> tuple[float, float]:
    record = folder / "deltas.json"
    if not record.exists():
        spec = references.trial_spec(settings)
        deltas: list[float] = []

        def remember(report: EpochReport, /) -> None:
            if report.phase == "train" and report.delta_mtl is not None:
                deltas.append(report.delta_mtl)

        result = run_trial(spec, work_dir=folder, cache_dir=cache, reporter=remember)
        record.write_text(json.dumps([deltas[-1], result.delta_mtl]))
    after, delivered = json.loads(record.read_text())
    return after, delivered


if __name__ == "__main__":
    main()
