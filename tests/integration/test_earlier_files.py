"""Files of a release whose modules had other names: the database, the bundle, the caches and a checkpoint still open.

``tests/files/study-before-gatefront-names.zip`` holds a finished study of two trials as version 0.1.0 wrote it. Its
packages were imported as ``search``, ``trainer`` and ``spaces``.
"""

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gatefront.search.bundle.manifest import read_manifest
from gatefront.trainer.checkpoints.checkpoint import CheckpointSlot, read_checkpoint

ARCHIVE = Path(__file__).resolve().parents[1] / "files" / "study-before-gatefront-names.zip"
WRITTEN_IN = "/tmp/old"
MAIN = "import sys; from gatefront.search.cli.main import main; sys.exit(main())"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("earlier files")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, with the paths in the database changed as if they had been written here."""
    folder = tmp_path_factory.mktemp("earlier")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    with closing(sqlite3.connect(folder / "gatefront.db")) as database, database:
        for table, column in (
            ("gatefront_studies", "storage_dir"),
            ("gatefront_references", "result"),
        ):
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (WRITTEN_IN, str(folder)))
    return folder


def gatefront(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"GATEFRONT_DB": f"sqlite:///{folder}/gatefront.db", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MAIN, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def test_earlier_study_is_shown_with_its_results(folder: Path) -> None:
    front = json.loads(gatefront(folder, "front", "earlier", "--json"))
    assert [(point["flops"], point["delta_mtl"]) for point in front["points"]] == [(17_700, 0.0)] * 2
    assert json.loads(gatefront(folder, "status", "earlier", "--json"))["state"] == "COMPLETE"


def test_earlier_bundle_is_verified(folder: Path) -> None:
    gatefront(folder, "verify", "bundle")


def test_earlier_trial_is_pulled_with_the_manifest_that_it_had(folder: Path) -> None:
    gatefront(folder, "pull", "earlier", "-o", "again")
    # As records, in which a key that is newer than the bundle has its default.
    earlier, again = (read_manifest(folder / name).model_dump(mode="json") for name in ("bundle", "again"))
    changed = {key for key in earlier.keys() | again.keys() if earlier.get(key) != again.get(key)}
    assert changed == {"created_at", "files", "manifest_sha256"}
    files = {name for name, entry in earlier["files"].items() if again["files"][name] != entry}
    # The card has the date, the gate map's title its numbers in today's form, and both exports the names of the modules
    # that built them. Another processor rounds the outputs of the samples otherwise.
    assert files <= {"README.md", "gate_map.png", "model.onnx", "model.pt2", "sample_outputs.safetensors"}
    before, after = (load_file(folder / name / "sample_outputs.safetensors") for name in ("bundle", "again"))
    assert before.keys() == after.keys()
    for task, outputs in before.items():
        torch.testing.assert_close(after[task], outputs, rtol=1e-4, atol=1e-5)


def test_earlier_checkpoint_is_read(folder: Path) -> None:
    checkpoint = read_checkpoint(CheckpointSlot(path=folder / "checkpoint" / "checkpoint.pt", key="earlier"))
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.phase) == (1, "train")


def test_earlier_study_goes_on_and_finds_its_references_and_data(folder: Path) -> None:
    cache = folder / "runs" / "cache"
    before = {str(path.relative_to(cache)): path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    gatefront(folder, "extend", "earlier", "--trials", "1")
    gatefront(folder, "resume", "earlier", "--plain")
    status = json.loads(gatefront(folder, "status", "earlier", "--json"))
    assert status["state"] == "COMPLETE"
    assert status["num_done"] == 3
    after = {str(path.relative_to(cache)): path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert after == before
