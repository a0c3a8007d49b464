"""The card: a bundle's README.md, for a person who has the folder and nothing else."""

import re
from collections.abc import Iterable

from gatefront.search.bundle.certainty import on_test, reference_on_test, sureness
from gatefront.search.bundle.file_names import (
    ARCHITECTURE,
    FRONT_PICTURE,
    GATE_MAP_PICTURE,
    INPUT_NAME,
    MANIFEST,
    ONNX_MODEL,
    SAMPLE_INPUTS,
    SAMPLE_OUTPUTS,
    STUDY_FILE,
    TORCH_MODEL,
    WEIGHTS,
)
from gatefront.search.bundle.manifest import Manifest, TaskEntry, WorkerLatencyEntry
from gatefront.search.results.formats import format_delta, format_latency, format_share
from gatefront.search.results.latency import Latency

_MAX_LISTED_CLASSES = 40
_WORD = re.compile(r"\w+")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_REFERENCES = {"single_task": "one network per task", "hard_sharing": "one encoder shared by all tasks"}


def write_card(manifest: Manifest) -> str:
    """Return the card's Markdown text."""
    parts = [
        _head(manifest),
        _tasks(manifest),
        _pictures(manifest),
        _use(manifest),
        _files(manifest),
        _origin(manifest),
    ]
    if manifest.latency:
        parts.insert(2, latency_section(manifest.latency))
    return "\n\n".join(parts) + "\n"


def as_text(name: str) -> str:
    """Escape a name that a person chose, so that a Markdown page and its tables show it unchanged.

    A word stays as it is, unless it begins or ends with an underscore. In any other name punctuation is escaped, and
    white space becomes a space.
    """
    if _WORD.fullmatch(name) and not name.startswith("_") and not name.endswith("_"):
        return name
    return _PUNCTUATION.sub(r"\\\1", " ".join(name.split()))


def _head(manifest: Manifest) -> str:
    flops = manifest.flops
    names = ", ".join(as_text(task.name) for task in manifest.tasks)
    delta_mtl = format_delta(manifest.delta_mtl)
    share = format_share(flops.value, flops.single_task)
    lines = [
        f"# {manifest.title}",
        "",
        f"A plain network for {len(manifest.tasks)} tasks in one forward pass ({names}), {_making(manifest)} by "
        "gatefront. It has no gates and needs no gatefront to run.",
        "",
        "| | |",
        "| --- | --- |",
        f"| Δ_MTL | {delta_mtl} (mean change against single-task networks; positive is better) |",
        f"| with other seeds | {sureness(manifest)} |",
        f"| on the test split | {on_test(manifest)} |",
        f"| FLOPs | {flops.value:,} = {share} of one network per task ({flops.single_task:,}) |",
    ]
    if flops.flop_target is not None:
        lines.append(f"| FLOPs requested / delivered | {flops.flop_target:,} / {flops.value:,} |")
    if flops.flop_budget is not None:
        asked = f" (asked for as {flops.requested})" if flops.requested else ""
        lines.append(f"| FLOP budget | {flops.flop_budget:,}{asked}: kept |")
    if manifest.worker_latency is not None:
        lines.append(f"| latency in the study | {_worker_latency(manifest.worker_latency)} |")
    lines += [
        f"| for comparison: {_REFERENCES[ref.kind]} | Δ_MTL {format_delta(ref.delta_mtl)}{reference_on_test(ref)} at "
        f"{ref.flops:,} FLOPs |"
        for ref in manifest.references
    ]
    lines += [
        f"| parameters | {manifest.num_parameters:,} |",
        "",
        f"FLOP convention: {flops.convention}",
    ]
    return "\n".join(lines)


def _making(manifest: Manifest) -> str:
    return "found and pruned" if manifest.family == "interrogate" else f"of the family {manifest.family}, trained"


def _worker_latency(measured: WorkerLatencyEntry) -> str:
    how = f"{measured.runtime}, {measured.precision}, threads {measured.threads}, batch {measured.batch}"
    cap = "" if measured.budget_ms is None else f", budget {format_latency(measured.budget_ms)}"
    return f"{format_latency(measured.median_ms)} on the worker's CPU ({how}){cap}"


def _tasks(manifest: Manifest) -> str:
    data = manifest.data
    lines = [
        "## What it was measured to do",
        "",
        f"On the validation split of `{data.name}` ({data.num_val:,} samples; {data.num_train:,} for training). "
        + (
            "The trial was chosen on this split, so expect a little less on new data."
            if manifest.system is None
            else "Nothing was selected on this split."
        )
        + (f" Nothing was selected on the test split ({data.num_test:,} samples)." if _is_tested(manifest) else ""),
        "",
        *_table_head(manifest),
    ]
    rows = (_task_row(task, has_test=_is_tested(manifest)) for task in manifest.tasks)
    return "\n".join([*lines, *rows, *_unlearned(manifest)])


def _is_tested(manifest: Manifest) -> bool:
    return any(task.test_value is not None for task in manifest.tasks)


def _table_head(manifest: Manifest) -> list[str]:
    more = ("on the test split", "single-task there", "change there") if _is_tested(manifest) else ()
    titles = ("this network", "single-task", "change", *more)
    return [f"| task | metric | {' | '.join(titles)} |", f"| --- | --- |{' ---: |' * len(titles)}"]


def _unlearned(manifest: Manifest) -> list[str]:
    """Return lines that name the tasks that Δ_MTL leaves out, and the unlearned ones that it counts."""
    # Bundles of earlier releases have no terms, so it is unknown which tasks they leave out.
    has_terms = any(task.delta is not None for task in manifest.tasks)
    left_out = [as_text(task.name) for task in manifest.tasks if has_terms and task.delta is None]
    counted = [
        as_text(task.name) for task in manifest.tasks if task.delta is not None and task.name in manifest.unlearned
    ]
    why = "The single-task network is no better than a constant prediction"
    lines = []
    if left_out:
        lines += ["", f"Left out of Δ_MTL: {', '.join(left_out)}. {why}."]
    if counted:
        lines += ["", f"Counted in Δ_MTL, which therefore says little: {', '.join(counted)}. {why}."]
    return lines


def _task_row(task: TaskEntry, *, has_test: bool) -> str:
    better = "higher is better" if task.higher_is_better else "lower is better"
    figures: list[tuple[float | None, ...]] = [(task.value, task.single_task_value, task.delta)]
    if has_test:
        figures.append((task.test_value, task.test_single_task_value, task.test_delta))
    cells = [cell for value, single, delta in figures for cell in _figures(value, single, delta)]
    return f"| {as_text(task.name)} | {task.metric} ({better}) | {' | '.join(cells)} |"


def _figures(value: float | None, single: float | None, delta: float | None) -> tuple[str, str, str]:
    first, second = ("" if number is None else f"{number:.4g}" for number in (value, single))
    return first, second, "" if delta is None else format_delta(delta)


def _pictures(manifest: Manifest) -> str:
    others = "the study's trials" if manifest.system is None else "the systems compared"
    pictures = [f"![Δ_MTL against FLOPs: {others} and this one]({FRONT_PICTURE})"]
    if manifest.family == "interrogate":
        pictures.append(f"![Which channels each task keeps for itself, and what each site costs]({GATE_MAP_PICTURE})")
    return "\n\n".join(pictures)


def _use(manifest: Manifest) -> str:
    entry = manifest.input
    sizes = f"{entry.channels}, {entry.height}, {entry.width}"
    names = [task.name for task in manifest.tasks]
    return f"""## How to use it

Input `{entry.name}`: {entry.dtype}, `[batch, {sizes}]`, any batch size. Scale pixels to 0..1, then normalise each
channel: `(x - mean) / std` with mean {list(entry.mean)} and std {list(entry.std)}.

{_output_rows(manifest)}

With torch and nothing else:

```python
import torch

model = torch.export.load("{TORCH_MODEL}").module()
pixels = torch.rand(1, {sizes})  # your image, scaled to 0..1
mean = torch.tensor({list(entry.mean)}).view(-1, 1, 1)
std = torch.tensor({list(entry.std)}).view(-1, 1, 1)
with torch.no_grad():
    outputs = model((pixels - mean) / std)
predictions = dict(zip({names!r}, outputs))
```

With onnxruntime and numpy and nothing else:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{ONNX_MODEL}")
pixels = np.random.rand(1, {sizes}).astype(np.float32)  # your image, scaled to 0..1
mean = np.array({list(entry.mean)}, np.float32).reshape(-1, 1, 1)
std = np.array({list(entry.std)}, np.float32).reshape(-1, 1, 1)
outputs = session.run(None, {{"{INPUT_NAME}": (pixels - mean) / std}})
predictions = dict(zip({names!r}, outputs))
```"""


def _output_rows(manifest: Manifest) -> str:
    rows = ["| output | name in `" + ONNX_MODEL + "` | shape | values | how to read them |", "| --- " * 5 + "|"]
    for task in manifest.tasks:
        shape = ", ".join(str(part) for part in task.output_shape)
        classes = f": {', '.join(map(as_text, task.class_names))}" * (0 < len(task.class_names) <= _MAX_LISTED_CLASSES)
        names = f"{as_text(task.name)} | `{task.output_name or task.name}`"
        rows.append(f"| {names} | `[{shape}]` | {task.units} | {task.how_to_read}{classes} |")
    return "\n".join(rows)


def _files(manifest: Manifest) -> str:
    plan = (
        f"| `{WEIGHTS}`, `{ARCHITECTURE}` | weights, and the layers with their channel counts, to rebuild it from |\n"
    )
    if manifest.no_plan_because is not None:
        plan = ""
    return f"""## What is in this folder

| file | what it is |
| --- | --- |
| `{TORCH_MODEL}` | the network for torch (`torch.export`) |
| `{ONNX_MODEL}` | the network for any ONNX runtime |
{plan}| `{SAMPLE_INPUTS}`, `{SAMPLE_OUTPUTS}` | a few validation images and what the network answers |
| `{MANIFEST}` | all of this in a form for programs, with the SHA-256 of every file |
| `{STUDY_FILE}` | the study it comes from |

`gatefront verify FOLDER` re-hashes every file, runs both exports on the samples and counts the FLOPs again."""


def _origin(manifest: Manifest) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    commands = "\n".join(manifest.reproduce)
    return f"""## Where it comes from

{_origin_words(manifest)}, seed {manifest.seed}.
Pulled {manifest.created_at}, exported with {versions}.
To run it again:

```
{commands}
```"""


def _origin_words(manifest: Manifest) -> str:
    if manifest.system is not None:
        return f"Comparison `{manifest.study}`, {manifest.system}"
    return f"Study `{manifest.study}`, trial {manifest.trial}{_derived(manifest)}"


def _derived(manifest: Manifest) -> str:
    if not manifest.derived:
        return ""
    return f" (point {manifest.derived} derived from it: the gates it learned, cut to a smaller budget)"


def latency_section(latencies: Iterable[Latency]) -> str:
    """Return the card's section on latency in Markdown, with one row per setting."""
    lines = [
        "## How long it takes",
        "",
        "One forward pass as `gatefront bench` measured it: the median in milliseconds, and 10th to 90th percentile.",
        "",
        "| device (host) | runtime | threads | batch | precision | ms | images/s |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    return "\n".join(lines + [_row(latency) for latency in latencies])


def _row(latency: Latency) -> str:
    cells = (
        f"{latency.device} ({latency.host})",
        f"{latency.runtime} {latency.version}",
        str(latency.threads),
        str(latency.batch),
        latency.precision,
        f"{latency.median_ms:.3g} ({latency.p10_ms:.3g} to {latency.p90_ms:.3g})",
        f"{latency.images_per_second:,.0f}",
    )
    return f"| {' | '.join(cells)} |"
