"""Guards over the repository itself: what its names mean, how it is cut, what lies at its top."""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gatefront.search.config.distillation import DistillationSection
from gatefront.search.config.early_stopping import StoppingRule
from gatefront.search.config.family import FamilySection
from gatefront.search.config.gates import GatesSection
from gatefront.search.config.study_config import (
    DataSection,
    LatencySection,
    NetworkSection,
    StudySection,
    TaskSection,
)
from gatefront.search.config.study_file import parse_study
from gatefront.search.config.train import TrainSection
from gatefront.search.planning.study_plan import plan_study

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("spaces", "trainer", "search", "dashboards")
SECTIONS: dict[str, type[BaseModel]] = {
    "study": StudySection,
    "data": DataSection,
    "network": NetworkSection,
    "train": TrainSection,
    "gates": GatesSection,
    "family": FamilySection,
    "distillation": DistillationSection,
    "latency": LatencySection,
    "early_stopping": StoppingRule,
}
UNPICKLING = {
    "torch.load",
    "torch.jit.load",
    "pickle.load",
    "pickle.loads",
    "cloudpickle.load",
    "cloudpickle.loads",
    "joblib.load",
    "dill.load",
}
UNCLEAR_BEGINNINGS = {"What", "Whether", "How", "Where", "Who", "Whose", "Of", "As", "That", "Those"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
ALLOWED_AT_TOP = {
    *PACKAGES,
    "gatefront",
    "tests",
    "studies",
    "benchmarks",
    "docs",
    "scripts",
    ".ci",
    ".gitignore",
    "Makefile",
    "LICENSE",
    "README.md",
    "docker-compose.yml",
    "pyproject.toml",
}


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("package", PACKAGES)
def test_package_name_resolves_in_this_repository(package: str) -> None:
    module = importlib.import_module(f"gatefront.{package}")
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == ROOT / package / "__init__.py"


def test_gatefront_links_every_package_and_says_that_it_is_typed() -> None:
    links = {path.name: path.readlink() for path in (ROOT / "gatefront").iterdir() if path.is_symlink()}
    assert links == {package: Path("..") / package for package in PACKAGES}
    assert (ROOT / "gatefront" / "py.typed").is_file()


def test_packages_name_each_other_below_gatefront() -> None:
    plain = re.compile(rf"^\s*(?:from|import)\s+(?:{'|'.join(PACKAGES)})\b", flags=re.MULTILINE)
    folders = [ROOT / name for name in (*PACKAGES, "tests", "benchmarks", "gatefront")]
    sources = [path for folder in folders for path in folder.glob("**/*.py")]
    assert [str(path.relative_to(ROOT)) for path in sources if plain.search(path.read_text())] == []


def test_tests_hold_no_package() -> None:
    # pytest would then import the tests under names that depend on what else lies on Python's path.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_unit_tests_lie_where_the_module_lies_that_they_are_named_after() -> None:
    strays = []
    for test in (ROOT / "tests" / "unit").rglob("test_*.py"):
        folder = ROOT / test.parent.relative_to(ROOT / "tests" / "unit")
        modules = [path.stem for path in folder.glob("*.py")]
        named = test.stem.removeprefix("test_")
        if not any(named == module or named.startswith(f"{module}_") for module in modules):
            strays.append(str(test.relative_to(ROOT)))
    assert strays == []


def test_files_stay_short() -> None:
    sources = _sources()
    assert sources
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_stay_short() -> None:
    too_long = {}
    for path in _sources():
        for function in _functions(ast.parse(path.read_text())):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                too_long[f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"] = lines
    assert too_long == {}


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    """``Return``, ``Store`` or the name of the thing; no clause that leaves the reader to find its verb."""
    unclear = []
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = (ast.get_docstring(node) or "").partition(" ")[0]
                if first in UNCLEAR_BEGINNINGS:
                    unclear.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)} {first}")
    assert unclear == []


def test_sections_of_docstrings_are_indented_by_four() -> None:
    section = re.compile(r"^( *)(?:Args|Returns|Raises):\n( *)", re.MULTILINE)
    crooked = [
        f"{path.relative_to(ROOT)}: {found.group().strip()}"
        for path in _sources()
        for found in section.finditer(path.read_text())
        if len(found[2]) != len(found[1]) + 4
    ]
    assert crooked == []


def test_nothing_stray_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is no list of tracked files")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tops = {line.split("/", 1)[0] for line in listed.stdout.splitlines()}
    assert tops
    assert tops - ALLOWED_AT_TOP == set()


def test_make_test_leaves_no_test_out() -> None:
    commands = (ROOT / "Makefile").read_text()
    named = re.findall(r"^(?:SIDE_BY_SIDE|FILE_BY_FILE) :=(.*)$", commands, flags=re.MULTILINE)
    places = [ROOT / word for words in named for word in words.split() if word.startswith("tests/")]
    assert len(places) > len(named) == 2
    tests = list((ROOT / "tests").rglob("test_*.py"))
    assert tests
    assert [path for path in tests if not any(path.is_relative_to(place) for place in places)] == []


def test_study_file_document_names_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "study-file.md").read_text()
    rows = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("## `["):
            table = line.removeprefix("## `[").split("]", 1)[0].split(".")[0]
        elif line.startswith("| `"):
            key, _, default, _ = (cell.strip() for cell in line.strip("|").split(" | "))
            rows[f"{table}.{key.strip('`')}"] = default
    for name, section in (SECTIONS | {"tasks": TaskSection}).items():
        for key, field in section.model_fields.items():
            default = rows.pop(f"{name}.{key}")
            if isinstance(field.default, str | int | float) and not isinstance(field.default, bool):
                assert ast.literal_eval(default.strip("`")) == field.default, f"{name}.{key}"
    assert rows == {}


@pytest.mark.parametrize("name", ["README.md", "docs/study-file.md"])
def test_study_file_that_is_shown_can_be_started(name: str) -> None:
    text = (ROOT / name).read_text().split("```toml\n")[1].split("```")[0]
    plan = plan_study(parse_study(text))
    assert plan.budgets.flops is not None
    assert plan.floor <= plan.budgets.flops < plan.ceiling


def test_files_of_weights_are_never_unpickled() -> None:
    """A file of weights may come from anywhere, and a full unpickling runs what it says."""
    places = [*_sources(), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    calls = [
        (f"{path.relative_to(ROOT)}:{call.lineno}", ast.unparse(call))
        for path in places
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in UNPICKLING
    ]
    loads = [(place, text) for place, text in calls if "torch.load" in text]
    assert any(place.startswith("trainer/checkpoints/checkpoint.py") for place, _ in loads)
    assert [place for place, text in loads if "weights_only=True" not in text] == []
    others = [place for place, text in calls if "torch.load" not in text and not place.startswith("tests/")]
    assert others == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for target in re.findall(r"\]\(([^)#]+)", document.read_text())
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []
