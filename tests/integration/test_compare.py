"""`gatefront compare` from the command line: real Ray, real SQLite, tiny networks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from databases import PATIENCE_S

STUDY = """
[study]
name = "tiny"
flop_budget = "60%"
rank_unlearned = true
[data]
name = "digits"
options = {train_size = 192, val_size = 96}
[network]
backbone = "smallconv"
stem = "small"
[train]
epochs = 1
reference_epochs = 1
[gates]
finetune_epochs = 1
"""


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_table_is_printed_and_what_was_trained_is_kept(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    command = [
        *(sys.executable, "-c", "import sys; from gatefront.search.cli.main import main; sys.exit(main())"),
        *("compare", str(tmp_path / "study.toml"), "--seeds", "1", "--weightings", "uniform,pcgrad", "--json"),
        *("--db", f"sqlite:///{tmp_path}/gatefront.db", "--storage", str(tmp_path / "runs")),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    document = json.loads(first.stdout)
    assert [system["system"] for system in document["systems"]] == [
        "single-task", "hard sharing, uniform", "hard sharing, PCGrad", "fitted hard sharing, task weights",
        "fitted single-task, task weights", "cross-stitch, task weights",
        "MTAN, task weights", "ETR-NLP, task weights", "LOMT, task weights", "InterroGate, task weights",
    ]  # fmt: skip
    assert json.loads(second.stdout) == document
    assert "9 of 9 systems are trained already" in second.stderr
