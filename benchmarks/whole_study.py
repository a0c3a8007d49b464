"""Running a study file from start to end, once per seed, for the benchmarks that judge whole studies."""

import re
import subprocess
import sys
from pathlib import Path

from search.queries import StudyReader
from search.records import StudyState, StudyView


def run_whole_study(study: Path, seed: int, folder: Path) -> tuple[StudyReader, StudyView]:
    """The study with this seed, named ``seed<seed>``, in ``folder``. A study that is complete there already is read."""
    folder.mkdir(parents=True, exist_ok=True)
    url, name = f"sqlite:///{folder.resolve()}/gatefront.db", f"seed{seed}"
    reader = StudyReader(url)
    known = {summary.name: summary.state for summary in reader.list_studies()}
    if known.get(name) is not StudyState.COMPLETE:
        # A benchmark has seeds of its own, so no trial is repeated within a study.
        named = f'name = "{name}"\nconfirm_points = 0'
        text = re.sub(r'(?m)^name = "[^"]+"', named, study.read_text(), count=1)
        file = folder / f"{name}.toml"
        file.write_text(re.sub(r"(?m)^seed = \d+", f"seed = {seed}", text, count=1))
        gatefront = str(Path(sys.executable).parent / "gatefront")
        subprocess.run([gatefront, "start", str(file), "--db", url, "--storage", str(folder), "--plain"], check=True)
    return reader, reader.view(name)
