"""A whole study whose tasks are called what a program would rather not: from the data's folder to the bundle."""

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gatefront.search.bundle.manifest import read_manifest
from gatefront.search.cli.main import main
from gatefront.search.snapshots.reader import StudyReader

NAMES = ("type", "flops", "shared.<b>", "名前 [/red] | $x$", "images")
NUM_TRAIN, NUM_VAL = 24, 12
STUDY = """
[study]
rank_unlearned = true
name = "named"
trials = 1
workers = 1
confirm_points = 0
sampler = "random"
[data]
name = "folder"
root = {root}
[network]
backbone = "smallconv"
stem = "small"
[train]
epochs = 2
batch_size = 8
reference_epochs = 2
hard_sharing_epochs = 1
shared_init_epochs = 1
[gates]
lambda_s = {{low = 0.3, high = 3.0}}
[gates.tau]
{tau}
"""


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study's file; its images are black or white, and every task is to tell which."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(["image", *NAMES])
    names = [f"{number:03d}" for number in range(NUM_TRAIN + NUM_VAL)]
    for number, name in enumerate(names):
        picture = Image.new("RGB", (12, 12), (255 * (number % 2),) * 3)
        picture.putpixel((0, 0), (number, number, number))  # no picture is in both splits
        picture.save(root / "images" / f"{name}.png")
        table.writerow([name, *["dark", "light"][number % 2 : number % 2 + 1] * len(NAMES)])
    (root / "labels.csv").write_text(rows.getvalue(), encoding="utf-8")
    (root / "train.txt").write_text("\n".join(names[:NUM_TRAIN]))
    (root / "val.txt").write_text("\n".join(names[NUM_TRAIN:]))
    tasks = "\n".join(
        f'[tasks.{_quoted(name)}]\nkind = "classification"\nclasses = ["dark", "light"]' for name in NAMES
    )
    (root / "dataset.toml").write_text(f"input_size = [12, 12]\n{tasks}\n", encoding="utf-8")
    tau = "\n".join(f"{_quoted(name)} = {{low = 0.1, high = 0.4}}" for name in NAMES)
    path = tmp_path / "study.toml"
    weight = f"[tasks.{_quoted(NAMES[2])}]\nweight = 2.0\n"
    path.write_text(STUDY.format(root=_quoted(str(root)), tau=tau) + weight, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_study_of_awkwardly_named_tasks_is_examined_run_shown_and_pulled(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/gatefront.db"
    where = ["--db", url, "--storage", str(tmp_path / "runs")]
    assert main(["doctor", str(study), *where]) == 0, capsys.readouterr().out
    assert f"labels of {NAMES[2]}" in capsys.readouterr().out
    assert main(["start", str(study), *where, "--quiet"]) == 0, capsys.readouterr().err
    capsys.readouterr()

    view = StudyReader(url).view("named")
    assert tuple(task.name for task in view.summary.tasks) == NAMES
    (point,) = view.trials
    assert set(point.metrics) == set(NAMES)
    assert {f"gates.tau.{name}" for name in NAMES} <= set(point.params)

    assert main(["front", "named", "--db", url, "--csv"]) == 0
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert len(set(header)) == len(header)
    columns = dict(zip(header, row, strict=True))
    for name in NAMES:
        assert float(columns["task:flops" if name == "flops" else name]) == pytest.approx(point.metrics[name])
    assert main(["front", "named", "--db", url, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["points"][0]["metrics"]) == set(NAMES)
    assert main(["front", "named", "--db", url]) == 0
    assert "[/red]" in capsys.readouterr().out

    bundle = tmp_path / "bundle"
    assert main(["pull", "named", "--db", url, "-o", str(bundle)]) == 0, capsys.readouterr().err
    assert main(["verify", str(bundle)]) == 0
    manifest = read_manifest(bundle)
    assert [task.name for task in manifest.tasks] == list(NAMES)
    assert manifest.output_names == ["type", "flops", "task_2", "task_3", "task_4"]
    outputs = load_file(bundle / "sample_outputs.safetensors")
    model = torch.export.load(bundle / "model.pt2").module()
    found = model(load_file(bundle / "sample_inputs.safetensors")["images"])
    for name, output in zip(manifest.output_names, found, strict=True):
        torch.testing.assert_close(outputs[name], output, rtol=1e-4, atol=1e-4)
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert r"shared\.\<b\>" in card
    assert repr(list(NAMES)) in card
