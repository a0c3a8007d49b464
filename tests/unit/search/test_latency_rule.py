"""`[latency]` of a study file: what it takes, what it refuses, and what it needs of the machine."""

import pytest

from search.errors import StudyFileError
from search.latency_rule import LatencyRule
from search.plan import plan_study
from search.study_file import parse_study

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


def test_a_table_key_in_another_table_is_sent_home() -> None:
    with pytest.raises(StudyFileError, match=r"unknown key 'budget_ms'.*\[latency\]"):
        parse_study(BASE + "[train]\nbudget_ms = 3.0\n")


def test_compiling_without_a_compiler_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    config = parse_study(BASE + '[latency]\nruntime = "compiled"\n')
    with pytest.raises(StudyFileError, match=r"latency.runtime.*no-such-compiler.*CXX.*\"onnx\" or \"eager\""):
        plan_study(config)
    assert plan_study(config.without_budget()).config.latency is None  # counting FLOPs needs none
