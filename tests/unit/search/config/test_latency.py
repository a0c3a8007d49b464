"""`[latency]` of a study file: what it takes, what it refuses, and what it needs of the machine."""

import pytest

from gatefront.search.config.latency import LatencyRule
from gatefront.search.config.overrides import StudyOverrides
from gatefront.search.config.quantities import parse_latency_budget
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.study_plan import plan_study

BASE = """
[study]
name = "digits"
[data]
name = "digits"
[data.options]
train_size = 64
val_size = 64
"""


def test_without_the_table_nothing_is_measured() -> None:
    assert parse_study(BASE).latency_rule is None


def test_an_empty_table_measures_and_caps_nothing() -> None:
    assert parse_study(BASE + "[latency]\n").latency_rule == LatencyRule(
        budget_ms=None, runtime="onnx", threads=1, batch=1, precision="fp32"
    )


def test_every_key_arrives() -> None:
    text = BASE + '[latency]\nbudget_ms = 4\nruntime = "eager"\nthreads = 2\nbatch = 8\nprecision = "bf16"\n'
    rule = parse_study(text).latency_rule
    assert rule == LatencyRule(budget_ms=4.0, runtime="eager", threads=2, batch=8, precision="bf16")
    assert str(rule) == "eager, bf16, 2 threads, batch 8"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("budget = 3.0", r"\[latency\]: unknown key 'budget'.*'budget_ms'"),
        ("estimator = 3", r"\[latency\]: unknown key 'estimator'.*\[gates\]"),
        ("zzz = 3", r"\[latency\]: unknown key 'zzz'.*Known keys: .*runtime"),
        ("budget_ms = 0.0", r"latency.budget_ms: .*greater than 0, found 0.0"),
        ("budget_ms = -1.0", r"latency.budget_ms: .*found -1.0"),
        ("budget_ms = nan", r"latency.budget_ms: .*found nan"),
        ("budget_ms = inf", r"latency.budget_ms: .*found inf"),
        ('budget_ms = "5ms"', r"latency.budget_ms: .*number, found '5ms'"),
        ('runtime = "tensorrt"', r"latency.runtime: .*'compiled'.*found 'tensorrt'"),
        ("threads = 0", r"latency.threads: .*found 0"),
        ("batch = 1.5", r"latency.batch: .*integer, found 1.5"),
        ('precision = "int8"', r"latency.precision: .*found 'int8'"),
        ('precision = "bf16"', r'latency: precision must be "fp32" with runtime = "onnx"'),
    ],
)
def test_a_wrong_table_is_explained(line: str, sentence: str) -> None:
    with pytest.raises(StudyFileError, match=sentence) as caught:
        parse_study(f"{BASE}[latency]\n{line}\n")
    assert "\n" not in str(caught.value)


THREE = BASE.replace('name = "digits"', 'name = "digits"\nobjectives = ["delta_mtl", "flops", "latency"]', 1)


def test_latency_is_an_objective_if_the_study_names_it() -> None:
    rule = parse_study(THREE + "[latency]\n").latency_rule
    assert rule == LatencyRule(is_objective=True)
    assert parse_study(THREE + "[latency]\n").without_budget().latency_rule is None  # counting FLOPs times nothing


def test_an_objective_that_nothing_measures_is_refused() -> None:
    with pytest.raises(StudyFileError, match=r"study.objectives names \"latency\".*Add a \[latency\] table"):
        parse_study(THREE)


@pytest.mark.parametrize("names", ['["delta_mtl"]', '["flops", "delta_mtl"]', '["delta_mtl", "flops", "flops"]', "[]"])
def test_the_two_objectives_of_every_study_stay(names: str) -> None:
    text = THREE.replace('["delta_mtl", "flops", "latency"]', names) + "[latency]\n"
    with pytest.raises(StudyFileError, match=r"study\.objectives: objectives must be"):
        parse_study(text)


@pytest.mark.parametrize(("text", "expected"), [("20ms", 20.0), (" 0.5 s ", 500.0), ("1.25MS", 1.25)])
def test_a_latency_budget_is_a_time(text: str, expected: float) -> None:
    assert parse_latency_budget(text) == expected
    capped = StudyOverrides(latency_budget_ms=expected).apply(parse_study(BASE + '[latency]\nruntime = "eager"\n'))
    assert capped.latency_rule == LatencyRule(budget_ms=expected, runtime="eager")


@pytest.mark.parametrize("text", ["20", "0ms", "-3ms", "ms", "1min", "nan ms", "1e3ms", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(StudyFileError, match=r"latency_budget must be a positive time, found .*\"20ms\""):
        parse_latency_budget(text)


def test_a_cap_on_what_is_not_measured_is_refused() -> None:
    with pytest.raises(StudyFileError, match=r"latency_budget is given.*Add a \[latency\] table"):
        StudyOverrides(latency_budget_ms=4.0).apply(parse_study(BASE))


def test_a_table_key_in_another_table_is_sent_home() -> None:
    with pytest.raises(StudyFileError, match=r"unknown key 'budget_ms'.*\[latency\]"):
        parse_study(BASE + "[train]\nbudget_ms = 3.0\n")


def test_compiling_without_a_compiler_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    config = parse_study(BASE + '[latency]\nruntime = "compiled"\n')
    with pytest.raises(StudyFileError, match=r"latency.runtime.*no-such-compiler.*CXX.*\"onnx\" or \"eager\""):
        plan_study(config)
    assert plan_study(config.without_budget()).config.latency is None  # counting FLOPs needs none
