"""Pulling a system of a comparison: its first seed's network as a bundle like any other."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import torch
from sqlalchemy.orm import Session

from gatefront.search.bundle.card import write_card
from gatefront.search.bundle.export import export_network
from gatefront.search.bundle.file_names import CARD, FRONT_PICTURE, GATE_MAP_PICTURE, STUDY_FILE
from gatefront.search.bundle.manifest import FlopsEntry, Manifest, ReferenceEntry, file_entry, write_manifest
from gatefront.search.bundle.manifest_builder import describe_data, describe_input, describe_task, versions
from gatefront.search.bundle.pictures import draw_gate_map, draw_systems
from gatefront.search.bundle.source import first_images
from gatefront.search.bundle.staging import placing, require_free
from gatefront.search.bundle.verify import TOLERANCE, verify_bundle
from gatefront.search.config.study_config import DataSection
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import BundleError, NothingToPullError, StudyNotFoundError
from gatefront.search.results.comparison_table import SINGLE_TASK, ComparisonTable, Line, SystemRun
from gatefront.search.storage.artifacts.paths import StudyFolders
from gatefront.search.storage.tables.comparisons import read_comparison, read_run
from gatefront.spaces import FLOP_CONVENTION, InterroGateNetwork, PlainNetwork, count_flops, count_parameters
from gatefront.spaces.tasks import safe_names
from gatefront.trainer.checkpoints.network_file import Delivered, load_delivered
from gatefront.trainer.data import MultiTaskData, load_data
from gatefront.trainer.trial.spec import NETWORK_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    table: ComparisonTable
    line: Line
    run: SystemRun
    delivered: Delivered
    study_file: str
    section: DataSection
    data: MultiTaskData


def pull_system(engine: sa.Engine, study_file: str, system: str, *, folders: StudyFolders, output: Path) -> Path:
    """Write the bundle of a system of the study's comparison, and verify it.

    ``system`` is a row's name or how just one of them begins. Of several seeds it is the first, which is the study's
    own: taking the best would select on the split on which the table says that nothing was selected.

    Raises:
        StudyNotFoundError: there is no such comparison, or no such row.
        OutputFolderError: ``output`` holds something already.
        NothingToPullError: the network's file is gone.
        BundleError: the exported network does not do what was measured.
    """
    require_free(output)
    source = _gather(engine, study_file, system, folders)
    output = output.absolute()
    with placing(output) as partial:
        _write(source, partial)
        verify_bundle(partial)
    return output


def _gather(engine: sa.Engine, study_file: str, system: str, folders: StudyFolders) -> _Source:
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
    return _Source(
        table=table,
        line=line,
        run=run,
        delivered=load_delivered(path),
        study_file=study_file,
        section=section,
        data=load_data(section.as_spec(), folders.cache),
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


def _write(source: _Source, folder: Path) -> None:
    network = source.delivered.make_plain()
    counted = count_flops(network, (source.data.description.in_channels, *source.data.description.input_size))
    if counted != source.run.flops:
        raise BundleError(
            f"{source.line.system} is recorded with {source.run.flops:,} FLOPs, its network costs {counted:,}.",
            hint="Its file in the storage folder is not the one that was measured.",
        )
    exported = export_network(network, samples := first_images(source.data), folder)
    with torch.no_grad():
        expected = source.delivered.network(samples)
    for name, output in zip(network.task_names, exported.outputs, strict=True):
        if not torch.allclose(output, expected[name], rtol=TOLERANCE, atol=TOLERANCE):
            raise BundleError(f"task {name}: the plain network's outputs differ from the trained network's.")
    (folder / STUDY_FILE).write_text(source.study_file)
    draw_systems(source.table, source.line.system, folder / FRONT_PICTURE)
    if isinstance(source.delivered.network, InterroGateNetwork):
        title = f"{source.table.name}, {source.line.system}"
        draw_gate_map(source.delivered.network.gate_map(), folder / GATE_MAP_PICTURE, title=title)
    manifest = _describe(source, network, exported.no_plan_because)
    (folder / CARD).write_text(write_card(manifest))
    files = {path.name: file_entry(path) for path in sorted(folder.iterdir())}
    write_manifest(manifest.model_copy(update={"files": files}), folder)


def _describe(source: _Source, network: PlainNetwork, no_plan_because: str | None) -> Manifest:
    run, description, table = source.run, source.data.description, source.table
    alone = {line.system: line for line in table.lines}[SINGLE_TASK]
    records = {record.name: record for record in table.tasks}
    return Manifest(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        study=table.name,
        trial=None,
        system=source.line.system,
        family=source.delivered.family,
        seed=run.seed,
        input=describe_input(description),
        tasks=tuple(
            describe_task(
                task,
                records[task.name],
                description,
                output_name=output_name,
                value=run.metrics[task.name],
                single=alone.metrics[task.name].mean,
                delta=run.delta_per_task.get(task.name),
            )
            for task, output_name in zip(
                source.delivered.architecture.tasks, safe_names(network.task_names), strict=True
            )
        ),
        delta_mtl=run.delta_mtl,
        flops=FlopsEntry(
            value=run.flops,
            convention=FLOP_CONVENTION,
            requested=None,
            flop_budget=None,
            single_task=alone.flops,
            floor=min(line.flops for line in table.lines),
        ),
        references=(ReferenceEntry(kind="single_task", flops=alone.flops, delta_mtl=0.0),),
        num_parameters=count_parameters(network),
        no_plan_because=no_plan_because,
        data=describe_data(source.section.name, source.data),
        versions=versions(),
        trained_with={},
        reproduce=(
            f"gatefront compare {STUDY_FILE}",
            f"gatefront compare {STUDY_FILE} --pull {shlex.quote(source.line.system)} -o FOLDER",
        ),
        files={},
    )
