"""The installed distribution: one import name, and nobody's modules in its way."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from tiny_study import tiny_study

ROOT = Path(__file__).resolve().parents[2]
BOOBY_TRAP = "raise ImportError('this is the module of another project')\n"
OTHER_PROJECTS = ("search", "trainer", "spaces", "dashboards")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("installation")]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def names_in_wheel(archives: Path) -> set[str]:
    (wheel,) = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if ".dist-info/" not in name}


def test_wheel_holds_one_top_level_name_and_every_source_file(archives: Path) -> None:
    files = (path for name in OTHER_PROJECTS for path in (ROOT / name).rglob("*") if path.is_file())
    listed = [str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts]
    assert len(listed) > 100
    assert names_in_wheel(archives) == {f"gatefront/{name}" for name in listed} | {
        "gatefront/__init__.py",
        "gatefront/py.typed",
    }


def test_source_archive_holds_the_files_of_the_wheel(archives: Path) -> None:
    (archive,) = archives.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        members = file.getmembers()
    inside = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert {name for name in inside if name.startswith("gatefront/")} == names_in_wheel(archives)


@pytest.fixture(scope="module")
def installed(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel, other projects' packages of those names, and our dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (wheel,) = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packages)
    for name in OTHER_PROJECTS:
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(BOOBY_TRAP)
    # A folder that a .pth file names is searched, its own .pth files are not: the checkout stays outside.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run_commands(python: Path, folder: Path, *, python_path: list[str]) -> None:
    """Run the demo's commands where the user's own modules have such names too."""
    for name in OTHER_PROJECTS:
        (folder / f"{name}.py").write_text(BOOBY_TRAP)
    (folder / "study.toml").write_text(tiny_study(study={"trials": 1}))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *python_path]), "OMP_NUM_THREADS": "1"}
    environment |= {"GATEFRONT_DB": f"sqlite:///{folder}/gatefront.db", "GATEFRONT_STORAGE": str(folder / "runs")}
    place = subprocess.run(
        [python, "-c", "import gatefront; print(gatefront.__file__)"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert Path(place.strip()).is_relative_to(ROOT) == (python == Path(sys.executable))
    main = "import sys; from gatefront.search.cli.main import main; sys.exit(main())"
    for arguments in (
        ["start", "study.toml"],
        ["front", "tiny"],
        ["pull", "tiny", "-o", "best"],
        ["verify", "best"],
        ["report", "tiny", "-o", "report.html"],
    ):
        done = subprocess.run(
            [python, "-c", main, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert (folder / "best" / "model.onnx").is_file()


def test_wheel_runs_the_commands_beside_modules_of_other_projects(installed: Path, tmp_path: Path) -> None:
    run_commands(installed, tmp_path, python_path=[])


def test_editable_install_runs_the_commands_beside_modules_of_other_projects(tmp_path: Path) -> None:
    run_commands(Path(sys.executable), tmp_path, python_path=os.environ.get("PYTHONPATH", "").split(os.pathsep))
