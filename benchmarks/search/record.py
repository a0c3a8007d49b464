"""Records a table of finished trials on `digits`, from which `compare.py` and the tests replay searches in seconds.

    OMP_NUM_THREADS=1 python benchmarks/search/record.py [--points 64] [--repeats 3]

Trains the references of `digits.toml`, then trials over both spaces that a study can search: τ x λ_s with the hinge,
and FLOP target x λ_s with training towards a cost. The points are corners and edges, then a Sobol sequence;
four of them are repeated with other seeds, which tells the noise. Each row has the trial's outcome, what it
took, and Δ_MTL and FLOPs after every epoch. About twenty minutes of one core.
"""

import argparse
import gzip
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scipy.stats import qmc

from gatefront.search.config.parameters import FloatRange
from gatefront.search.config.study_file import parse_study
from gatefront.search.driver.references import References, reference_jobs, train_job
from gatefront.search.planning.study_plan import StudyPlan, plan_study
from gatefront.trainer.reporting import EpochReport
from gatefront.trainer.trial.run_trial import run_trial

FOLDER = Path(__file__).parent
LAMBDA = "lambda_s = {low = 0.1, high = 30.0, log = true}\n"
SPACES = {
    "hinge": "tau = {low = 0.0, high = 1.0}\n" + LAMBDA,
    "expected_flops": 'sparsity = "expected_flops"\nflop_target = {low = 0.0, high = 1.0}\n' + LAMBDA,
}
CORNERS_AND_EDGES = ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0), (0.5, 1), (0, 0.5), (1, 0.5))
REPEATED = ((0, 1), (1, 1), (0.5, 1), (1, 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=64, help="per space")
    parser.add_argument("--repeats", type=int, default=3, help="further seeds of the repeated points")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--output", type=Path, default=FOLDER / "digits.json.gz")
    arguments = parser.parse_args()
    study = (FOLDER / "digits.toml").read_text()
    tables = [
        _record(name, study + gates, arguments.cache, list(_points(arguments.points, arguments.repeats)))
        for name, gates in SPACES.items()
    ]
    command = f"python benchmarks/search/record.py --points {arguments.points} --repeats {arguments.repeats}"
    text = json.dumps({"command": command, "tables": tables})
    # No time of writing inside: the same table is the same file.
    arguments.output.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"wrote {arguments.output}, {arguments.output.stat().st_size:,} bytes")


def _points(num_points: int, num_repeats: int) -> Iterator[tuple[float, ...]]:
    """Places in the unit square; one that comes again is another seed."""
    yield from CORNERS_AND_EDGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # not a power of two: the balance of the whole is not needed
        yield from map(tuple, qmc.Sobol(d=2, seed=0).random(num_points - len(CORNERS_AND_EDGES)).tolist())
    for _ in range(num_repeats):
        yield from REPEATED


def _record(name: str, text: str, cache: Path, points: list[tuple[float, ...]]) -> dict[str, Any]:
    plan = plan_study(parse_study(text))
    cache.mkdir(parents=True, exist_ok=True)
    references = References(plan=plan, results={job.role: train_job(job, cache) for job in reference_jobs(plan)})
    cost_parameter = "gates.tau" if name == "hinge" else "gates.flop_target"
    rows = []
    for number, place in enumerate(points):
        params = {cost_parameter: float(place[0]), "gates.lambda_s": _on_log_scale(plan, place[1])}
        rows.append(_run(plan, references, params, seed=number + 1, cache=cache))
        row = rows[-1]
        print(f"{name} {number + 1}/{len(points)} {params} Δ_MTL {row['delta_mtl']} FLOPs {row['flops']}", flush=True)
    return {
        "name": name,
        "study": text,
        "single_task_flops": plan.largest.single_task,
        "floor_flops": plan.floor,
        "flop_budget": plan.budgets.flops,
        "hard_sharing_delta_mtl": references.hard_sharing_delta_mtl(),
        "rows": rows,
    }


def _on_log_scale(plan: StudyPlan, share: float) -> float:
    parameter = plan.config.gates.lambda_s
    if not isinstance(parameter, FloatRange):
        raise SystemExit(f"lambda_s must be a range to be recorded, found {parameter}")
    return float(min(parameter.high, max(parameter.low, parameter.low * (parameter.high / parameter.low) ** share)))


def _run(
    plan: StudyPlan, references: References, params: Mapping[str, float], *, seed: int, cache: Path
) -> dict[str, Any]:
    spec = references.trial_spec(plan.search_space.decode(params, seed=seed))
    epochs: list[EpochReport] = []
    with tempfile.TemporaryDirectory() as folder:
        result = run_trial(spec, work_dir=Path(folder), cache_dir=cache, reporter=epochs.append)
    return {
        "params": params,
        "seed": seed,
        "delta_mtl": round(result.delta_mtl, 4),
        "flops": result.flops,
        "seconds": round(result.seconds, 3),
        "train_flops": result.train_flops,
        "epochs": [[round(epoch.delta_mtl or 0.0, 4), epoch.flops, round(epoch.seconds, 3)] for epoch in epochs],
    }


if __name__ == "__main__":
    main()
