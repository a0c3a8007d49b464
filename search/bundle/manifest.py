"""The manifest: what a bundle holds, what it was measured to do, where it comes from. Checked when read."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gatefront.search.bundle.file_names import MANIFEST
from gatefront.search.config.latency import Precision, Runtime
from gatefront.search.errors import BundleError
from gatefront.search.results.latency import Latency
from gatefront.search.results.point_label import PointLabel

FORMAT_VERSION = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Record):
    """One file: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class InputEntry(_Record):
    """The one input: ``[batch, channels, height, width]``, each channel ``(x - mean) / std`` with x in 0..1."""

    name: str
    channels: int
    height: int
    width: int
    batch: Literal["any"]
    dtype: Literal["float32"]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class TaskEntry(_Record):
    """One output, in this order in every export, with what it was measured to do on the validation split.

    ``output_name`` is the output's name in model.onnx and sample_outputs.safetensors. It is null in older bundles,
    whose outputs have the tasks' names. ``delta`` is the task's term of Δ_MTL in percent, positive is better than
    ``single_task_value``. The ``test`` values are the same on the test split, null if not measured.
    """

    name: str
    output_name: str | None = None
    kind: str
    output_shape: tuple[int | Literal["batch"], ...]
    units: str
    how_to_read: str
    class_names: tuple[str, ...]
    metric: str
    higher_is_better: bool
    value: float
    single_task_value: float | None
    delta: float | None
    test_value: float | None = None
    test_single_task_value: float | None = None
    test_delta: float | None = None


class FlopsEntry(_Record):
    """FLOPs of one forward pass at batch 1; ``requested`` is the budget in words, ``flop_budget`` in FLOPs.

    Those two are what this pull asked for; ``flop_target`` is what this network was made for, null if without a bound.
    ``floor`` is the cheapest network of the study, everything shared at the smallest capacity; of a comparison the
    cheapest system.
    """

    value: int
    convention: str
    requested: str | None
    flop_budget: int | None
    flop_target: int | None = None
    single_task: int
    floor: int


class WorkerLatencyEntry(_Record):
    """Latency of this network on the CPU of the study's worker: median milliseconds of one forward pass."""

    median_ms: float = Field(gt=0, allow_inf_nan=False)
    budget_ms: float | None
    runtime: Runtime
    threads: int = Field(ge=1)
    batch: int = Field(ge=1)
    precision: Precision


class ConfirmationEntry(_Record):
    """Mean and 95 % interval of Δ_MTL, in percent, over ``seeds`` replicates of the trial with other seeds."""

    mean: float
    low: float
    high: float
    seeds: int = Field(ge=2)


class ReferenceEntry(_Record):
    """Cost and ``delta_mtl`` in percent of a reference, which shares nothing or everything."""

    kind: Literal["single_task", "hard_sharing"]
    flops: int
    delta_mtl: float
    test_delta_mtl: float | None = None


class DataEntry(_Record):
    """Data that the network was trained and measured on. ``num_test`` is 0 without a test split."""

    name: str
    fingerprint: str
    num_train: int
    num_val: int
    num_test: int = 0
    measured_on: Literal["validation split"]


class Manifest(_Record):
    """``manifest.json``. ``manifest_sha256`` is the hash of this document with that one field empty.

    ``trial`` is null for a system of a comparison, which ``system`` names. ``family`` is how its tasks share; networks
    of other families than InterroGate have no gate map.
    ``derived`` is 0 for the trial's own network, else which of those derived from it, counted from 1.
    ``no_plan_because`` is null where architecture.json and weights.safetensors are in the folder, else the reason.
    ``latency`` is what ``gatefront bench`` measured, one entry per setting; all else was written at the pull.
    ``confirmation`` is null where its trial was not repeated: then ``delta_mtl`` is that of one seed.
    ``test_delta_mtl`` and ``test_confirmation`` are the same on the test split, null where it was not measured.
    ``worker_latency`` is null where the study does not measure latency.
    ``unlearned`` names the tasks whose single-task network is no better than a constant prediction.
    """

    format: Literal["gatefront-bundle"] = "gatefront-bundle"
    format_version: Literal[1] = 1
    manifest_sha256: str = ""
    created_at: str
    study: str
    trial: int | None
    derived: int = Field(default=0, ge=0)
    system: str | None = None
    family: str = "interrogate"
    seed: int
    input: InputEntry
    tasks: tuple[TaskEntry, ...]
    delta_mtl: float
    unlearned: tuple[str, ...] = ()
    flops: FlopsEntry
    references: tuple[ReferenceEntry, ...]
    num_parameters: int
    no_plan_because: str | None
    data: DataEntry
    versions: dict[str, str]
    trained_with: dict[str, str]
    reproduce: tuple[str, ...]
    confirmation: ConfirmationEntry | None = None
    test_delta_mtl: float | None = None
    test_confirmation: ConfirmationEntry | None = None
    worker_latency: WorkerLatencyEntry | None = None
    latency: tuple[Latency, ...] = ()
    files: dict[str, FileEntry]

    @property
    def label(self) -> str:
        """The network's name within its study: ``7``, or ``7.2`` for the second point derived from trial 7."""
        return self.system or str(PointLabel(self.trial or 0, self.derived))

    @property
    def test_gap(self) -> float | None:
        """Δ_MTL on the test split less that on the validation split, of the same networks; None if not measured."""
        if self.test_confirmation is not None and self.confirmation is not None:
            return self.test_confirmation.mean - self.confirmation.mean
        return None if self.test_delta_mtl is None else self.test_delta_mtl - self.delta_mtl

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs in model.onnx and sample_outputs.safetensors, in the tasks' order."""
        return [task.output_name or task.name for task in self.tasks]

    @property
    def title(self) -> str:
        """The study and the network within it: ``digits, trial 7``."""
        return f"{self.study}, {'trial ' if self.system is None else ''}{self.label}"

    @property
    def origin(self) -> str:
        """Return the name of what delivered the network, for messages."""
        if self.system is not None:
            return f"{self.system} of comparison {self.study}"
        return f"trial {self.label} of study {self.study}"


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Seal the manifest with its own hash and write it."""
    document = manifest.model_dump(mode="json")
    (folder / MANIFEST).write_bytes(_to_bytes(document | {"manifest_sha256": _own_sha256(document)}))


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json``.

    Raises:
        BundleError: it is missing, of another format, malformed, or any byte of it was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(f"{folder} is no bundle: it holds no {MANIFEST}.")
    content = path.read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{MANIFEST} is no JSON document: {error}.") from error
    if isinstance(document, dict) and document.get("format_version") not in (None, FORMAT_VERSION):
        raise BundleError(
            f"{MANIFEST} has format_version {document['format_version']!r}; this gatefront reads {FORMAT_VERSION}."
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BundleError(f"{MANIFEST} is malformed at {where}: {first['msg']}.") from error
    # Of the document, not of the record: a key that is newer than the bundle is not in the file.
    if manifest.manifest_sha256 != _own_sha256(document) or content != _to_bytes(document):
        raise BundleError(f"{MANIFEST} was changed after it was written.", hint="Pull the bundle again.")
    return manifest


def file_entry(path: Path) -> FileEntry:
    """Hash and size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return FileEntry(sha256=digest.hexdigest(), size=path.stat().st_size)


def _own_sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(_to_bytes(document | {"manifest_sha256": ""})).hexdigest()


def _to_bytes(document: dict[str, Any]) -> bytes:
    # One spelling only, so that a changed space is a changed document.
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
