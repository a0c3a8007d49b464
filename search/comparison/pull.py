"""Pull of a comparison's system: the network of its first seed as a bundle."""

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gatefront.search.bundle.file_names import STUDY_FILE
from gatefront.search.bundle.manifest import FlopsEntry, Manifest, ReferenceEntry
from gatefront.search.bundle.manifest_builder import TaskResults, describe_network
from gatefront.search.bundle.pictures import draw_systems
from gatefront.search.bundle.pull import write_bundle
from gatefront.search.bundle.source import BundleSource
from gatefront.search.bundle.staging import require_free
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import NothingToPullError, StudyNotFoundError
from gatefront.search.results.comparison_table import SINGLE_TASK, ComparisonTable, Line, SystemRun
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.tables.comparisons import read_comparison, read_run
from gatefront.spaces import FLOP_CONVENTION
from gatefront.trainer.checkpoints.network_file import load_delivered
from gatefront.trainer.data import load_data
from gatefront.trainer.trial.spec import NETWORK_FILE


def pull_system(engine: sa.Engine, study_file: str, system: str, *, folders: StudyFolders, output: Path) -> Path:
    """Write the bundle of a system of the study's comparison, and verify it.

    ``system`` is a row's name, or a beginning that one row's name alone has. The network is that of the first seed,
    which is the study's own. Taking the best seed would select on the split on which the table says that nothing was
    selected.

    Raises:
        StudyNotFoundError: there is no such comparison, or no such row.
        OutputFolderError: ``output`` holds something already.
        NothingToPullError: the network's file is missing.
        BundleError: the exported network differs from what was measured.
    """
    require_free(output)
    return write_bundle(_gather(engine, study_file, system, folders), output)


def _gather(engine: sa.Engine, study_file: str, system: str, folders: StudyFolders) -> BundleSource:
    with Session(engine) as session:
        table = read_comparison(session, folders.study)
        if table is None:
            raise StudyNotFoundError(
                f"there is no comparison {folders.study!r}.", hint="Make one with `gatefront compare STUDY.toml`."
            )
        line = _line(table, system)
        found = read_run(session, folders.study, line.system)
    if found is None:
        raise StudyNotFoundError(f"{line.system} is not in comparison {folders.study!r} any more.")
    run, key = found
    path = folders.system(key) / NETWORK_FILE
    if not path.is_file():
        raise NothingToPullError(
            f"the network of {line.system} is not at {path}.",
            hint="Name the storage folder in which it was trained with --storage.",
        )
    section = parse_study(study_file).data
    data = load_data(section.as_spec(), folders.cache)
    delivered = load_delivered(path)
    network = delivered.make_plain()
    alone = next(found for found in table.lines if found.system == SINGLE_TASK)
    results = TaskResults(
        records=table.tasks,
        metrics=run.metrics,
        single_task={name: spread.mean for name, spread in alone.metrics.items()},
        deltas=run.delta_per_task,
    )
    common = describe_network(delivered, network, section.name, data, results)
    return BundleSource(
        delivered=delivered,
        network=network,
        data=data,
        study_file=study_file,
        manifest=_describe(table, run, alone.flops, common),
        draw_front=partial(draw_systems, table, line.system),
    )


def _line(table: ComparisonTable, system: str) -> Line:
    wanted = system.casefold()
    exact = [line for line in table.lines if line.system.casefold() == wanted]
    matching = exact or [line for line in table.lines if line.system.casefold().startswith(wanted)]
    if len(matching) != 1:
        names = "; ".join(line.system for line in matching or table.lines)
        raise StudyNotFoundError(
            f"{'several systems begin' if matching else 'no system begins'} with {system!r}.",
            hint=f"Choose of {names}.",
        )
    return matching[0]


def _describe(table: ComparisonTable, run: SystemRun, single_task_flops: int, common: dict[str, Any]) -> Manifest:
    return Manifest(
        **common,
        study=table.name,
        trial=None,
        system=run.system,
        seed=run.seed,
        delta_mtl=run.delta_mtl,
        flops=FlopsEntry(
            value=run.flops,
            convention=FLOP_CONVENTION,
            requested=None,
            flop_budget=None,
            single_task=single_task_flops,
            floor=min(line.flops for line in table.lines),
        ),
        references=(ReferenceEntry(kind="single_task", flops=single_task_flops, delta_mtl=0.0),),
        trained_with={},
        reproduce=(
            f"gatefront compare {STUDY_FILE}",
            f"gatefront compare {STUDY_FILE} --pull {shlex.quote(run.system)} -o FOLDER",
        ),
    )
