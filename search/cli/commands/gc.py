"""The command gc, which removes files that a study no longer needs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatefront.search.cli.commands.options import AsJson, Database, StudyName, open_reader, resolve_study_name
from gatefront.search.cli.json_output import to_text
from gatefront.search.results.formats import format_bytes
from gatefront.search.snapshots.reader import studies_from
from gatefront.search.storage.artifacts.disk_usage import DiskUse, disk_use
from gatefront.search.storage.artifacts.garbage_collection import Garbage, collect_garbage, find_garbage
from gatefront.search.storage.artifacts.paths import StudyFolders

DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would go, and leave it.")]


def gc(study: StudyName = None, dry_run: DryRun = False, as_json: AsJson = False, db: Database = None) -> None:
    """Remove resume points of ended trials and networks far from the front. The front can always be pulled."""
    reader = open_reader(db)
    name = resolve_study_name(reader, study)
    view = reader.view(name)
    folders = StudyFolders(Path(view.summary.storage_dir), name)
    later_studies = studies_from(reader, name)
    repeated = reader.config(name).study.confirm_points
    found = find_garbage(folders, view, networks=True, later_studies=later_studies, repeated=repeated)
    if not dry_run:
        found = collect_garbage(found)
    use = disk_use(folders)
    if as_json:
        typer.echo(to_text(_document(found, use, dry_run=dry_run)))
        return
    for file in found.files:
        typer.echo(f"{format_bytes(file.num_bytes):>10}  {file.path}")
    typer.echo(f"{'would go' if dry_run else 'removed'}: {_total(found)}. {name} takes {_parts(use)}.")
    if later_studies:
        typer.echo(f"All networks stay: {', '.join(later_studies)} started from them.")


def _document(found: Garbage, use: DiskUse, *, dry_run: bool) -> dict[str, Any]:
    files = [{"path": str(file.path), "kind": file.kind, "bytes": file.num_bytes} for file in found.files]
    return {
        "dry_run": dry_run,
        "files": files,
        "bytes": found.num_bytes,
        "use": {
            "networks": use.networks,
            "resume_points": use.resume_points,
            "other": use.other,
            "total": use.total,
            "free": use.free,
        },
    }


def _total(found: Garbage) -> str:
    return f"{len(found.files)} files, {format_bytes(found.num_bytes)}"


def _parts(use: DiskUse) -> str:
    return (
        f"{format_bytes(use.total)}: networks {format_bytes(use.networks)}, resume points "
        f"{format_bytes(use.resume_points)}, other {format_bytes(use.other)}; {format_bytes(use.free)} are free"
    )
