"""Time the doctor's journey to a verified bundle, for every network of the contract tests.

    python benchmarks/doctor_journey.py [NAME ...]

Per network: the seconds of each step with a gate per channel, cut halfway from the floor to the ceiling. The limit is
60 s each.
"""

import argparse
import logging
import platform
import runpy
import time
import warnings
from pathlib import Path

import torch

from gatefront.search.doctor.journey import take_gated_journey
from gatefront.spaces import Architecture, GateLayout
from gatefront.spaces.budgets.budgets import Budgets

LIMIT = 60.0
CONTRACT = Path(__file__).parents[1] / "tests" / "contract" / "test_gated_networks.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these")
    wanted = parser.parse_args().names
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    cases: dict[str, Architecture] = runpy.run_path(str(CONTRACT))["CASES"]
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, torch {torch.__version__}, 1 thread")
    print("| network | lift | cut | prune | compare | export | verify | all, s | limit kept |")
    print("| --- |" + " ---: |" * 8)
    for name in wanted or cases:
        taken = take_gated_journey(cases[name], GateLayout(), Budgets())
        if taken.fault is not None:
            raise SystemExit(f"{name} failed at {list(taken.seconds)[-1]}: {taken.fault}")
        steps = " | ".join(f"{seconds:.1f}" for seconds in taken.seconds.values())
        kept = "yes" if taken.total_seconds <= LIMIT else "no"
        print(f"| {name} | {steps} | {taken.total_seconds:.1f} | {kept} |", flush=True)


if __name__ == "__main__":
    main()
