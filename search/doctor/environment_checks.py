"""Checks of the range of costs that a study may search, of its disk and its database."""

import shutil
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from gatefront.search.config.family import FamilyName
from gatefront.search.doctor.check import Check
from gatefront.search.planning.family_costs import least_flops, most_flops
from gatefront.search.planning.study_plan import StudyPlan
from gatefront.search.results.formats import format_flops, format_share
from gatefront.search.storage.database.open import open_store
from gatefront.spaces import Architecture
from gatefront.spaces.errors import GatefrontError
from gatefront.spaces.graph.opaque import list_opaque_operations
from gatefront.spaces.networks.encoder import build_encoder

_BYTES_PER_VALUE = 16  # a weight, its gradient's two moments, and room for the atomic copy
_MIN_FREE_BYTES = 512 * 2**20


def check_networks(plan: StudyPlan) -> Check:
    """Report floor, ceiling and budget, and the costs of other families' networks at the largest capacity."""
    whole = plan.largest.single_task
    budget = "no cap" if plan.budgets.flops is None else format_flops(plan.budgets.flops)
    return Check(
        "networks",
        True,
        f"capacities: {len(plan.capacities)}; floor {format_flops(plan.floor)} "
        f"({format_share(plan.floor, whole)}), ceiling {format_flops(plan.ceiling)}, budget {budget}",
        (*(_family_cost(plan, name) for name in plan.config.family.others), *_whole_operations(plan)),
    )


def _whole_operations(plan: StudyPlan) -> list[str]:
    """Name, per backbone, the kinds of operation that gates cannot choose within, with their share of its FLOPs."""
    lines = []
    for architecture in architectures_by_backbone(plan).values():
        encoder = build_encoder(replace(architecture, pretrained=False, weights=None))
        whole = [one for one in list_opaque_operations(encoder) if one.flops]
        if whole:
            share = sum(one.flops for one in whole) / sum(node.meta["flops"] for node in encoder.graph.nodes)
            kinds = ", ".join(sorted({one.kind for one in whole}))
            lines.append(f"{architecture.backbone}: kept whole, {share:.0%} of its encoder's FLOPs: {kinds}")
    return lines


def architectures_by_backbone(plan: StudyPlan) -> dict[str, Architecture]:
    """Return the dearest architecture of each backbone that the study tries."""
    by_cost = sorted(plan.capacities, key=lambda capacity: capacity.single_task)
    return {capacity.architecture.backbone: capacity.architecture for capacity in by_cost}


def _family_cost(plan: StudyPlan, name: FamilyName) -> str:
    least, most = (count(plan.config.family, name, plan.largest) for count in (least_flops, most_flops))
    cost = f"{format_flops(least)} to {format_flops(most)}" if least < most else format_flops(most)
    return f"{name}: {'at most ' if name == 'lomt' else ''}{cost} ({format_share(most, plan.largest.single_task)})"


def check_disk(plan: StudyPlan, storage: Path) -> Check:
    """Check that the disk has room for every trial's checkpoint and network."""
    existing = next(folder for folder in (storage, *storage.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    per_trial = plan.largest.num_parameters * (len(plan.tasks) + 1) * _BYTES_PER_VALUE
    needed = max(_MIN_FREE_BYTES, plan.config.study.trials * per_trial)
    return Check("disk", free >= needed, f"{free / 2**30:.1f} GiB free at {existing}, {needed / 2**30:.1f} GiB wanted")


def check_database(url: str) -> Check:
    """Check that the database can be opened.

    SQLite must be in the mode that lets readers and the driver work at once.
    """
    try:
        engine, _ = open_store(url)
        with engine.connect() as connection:
            if engine.dialect.name != "sqlite":
                return Check("database", True, f"{engine.dialect.name} is reachable")
            mode = connection.execute(sa.text("PRAGMA journal_mode")).scalar_one()
            return Check("database", mode == "wal", f"SQLite, journal mode {mode}")
    except GatefrontError as error:
        return Check("database", False, str(error))
