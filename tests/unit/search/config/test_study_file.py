"""A wrong study file is answered by one sentence that names the key, its table and the way out."""

from pathlib import Path

import pytest

from gatefront.search.config.parameters import Choices, FloatRange
from gatefront.search.config.quantities import parse_flop_budget
from gatefront.search.config.study_file import parse_study, read_study_file
from gatefront.search.errors import StudyFileError

GOOD = """
[study]
name = "digits"
flop_budget = "45%"

[data]
name = "digits"
[data.options]
train_size = 256

[network]
width = {choices = [0.5, 1.0]}

[train]
learning_rate = {low = 1e-4, high = 1e-2, log = true}

[gates]
lambda_s = 3
[gates.tau]
left = 0.2
right = {low = 0.0, high = 0.8}
"""


def test_knobs_come_in_three_forms() -> None:
    config = parse_study(GOOD)
    assert config.gates.lambda_s == 3.0
    assert config.network.width == Choices[float](choices=[0.5, 1.0])
    assert config.train.learning_rate == FloatRange(low=1e-4, high=1e-2, log=True)
    assert config.gates.tau == {"left": 0.2, "right": FloatRange(low=0.0, high=0.8)}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("lambda_s = 3", "lamda_s = 3", r"\[gates\]: unknown key 'lamda_s'.*'lambda_s'"),
        ("[network]", "[netwrok]", r"the study file: unknown key 'netwrok'.*'network'"),
        ("[network]", "[network]\ntrials = 3", r"\[network\]: unknown key 'trials'.*\[study\]"),
        ("[network]", "[network]\nzzz = 3", r"\[network\]: unknown key 'zzz'.*Known keys: .*width"),
        ("low = 1e-4", "lo = 1e-4", r"\[train.learning_rate\]: unknown key 'lo'.*'low'"),
        ("[gates]", "[tasks.left]\nwieght = 2.0\n[gates]", r"\[tasks.left\]: unknown key 'wieght'.*'weight'"),
        ("[data.options]", 'cache = "20 GB"\n[data.options]', r"data.cache.*a size such as .20 GiB.*found '20 GB'"),
        ("lambda_s = 3", 'lambda_s = "strong"', r"gates.lambda_s: .*number, found 'strong'"),
        ("lambda_s = 3", "lambda_s = true", r"gates.lambda_s: .*number, found True"),
        ("low = 1e-4", "low = 1.0", r"train.learning_rate: low must be under high, found low = 1.0, high = 0.01"),
        ("low = 1e-4", "low = 0.0", r"train.learning_rate: low must be above 0 on a log scale, found 0.0"),
        ("choices = [0.5, 1.0]", "low = 0.5, high = 1.0", r"network.width takes no range"),
        ("choices = [0.5, 1.0]", "choices = []", r"network.width.choices: .*at least 1"),
        ('name = "digits"\nflop', 'name = "di gits"\nflop', r"study.name: .*found 'di gits'"),
        ('name = "digits"\nflop', "flop", r"\[study\] lacks name"),
        ('[data]\nname = "digits"', "", r"the table|lacks"),
        ('flop_budget = "45%"', 'flop_budget = "lots"', r"flop_budget must be .*found 'lots'"),
        ("[study]", "[study", r"not valid TOML"),
        ("[train]", '[train]\nschedule = "cosine"', r"train.schedule: .*'one_cycle'.*found 'cosine'"),
    ],
)
def test_wrong_file_is_explained(old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyFileError, match=sentence) as caught:
        parse_study(GOOD.replace(old, new, 1))
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_read_study_file_with_a_byte_order_mark_is_the_same_without_it(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    text, config = read_study_file(path)
    assert text == GOOD
    assert config == parse_study(GOOD) == parse_study("\ufeff" + GOOD)


def test_read_study_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('[study]\nname = "a"\n', encoding="utf-16")
    with pytest.raises(StudyFileError, match=r"study\.toml is not in UTF-8\. Save it as UTF-8"):
        read_study_file(path)


def test_parse_study_option_of_another_form_is_told_by_its_own_name() -> None:
    text = '[study]\nname = "a"\n[data]\nname = "nyud"\n[data.options]\nsize = [60, 80]\n'
    expected = r"data\.options\.size must be text, a number, true or false, found \[60, 80\]"
    with pytest.raises(StudyFileError, match=expected):
        parse_study(text)


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"nowhere\.toml"):
        read_study_file(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "flops"), [("45%", 450), ("60M", 60_000_000), ("1.2G", 1_200_000_000), ("1234", 1234), ("33.39%", 333)]
)
def test_budget_forms(text: str, flops: int) -> None:
    assert parse_flop_budget(text).resolve(1000) == flops


@pytest.mark.parametrize("text", ["", "0%", "-3M", "45 percent", "M", "1e9"])
def test_budget_that_is_no_amount(text: str) -> None:
    with pytest.raises(StudyFileError, match="flop_budget"):
        parse_flop_budget(text)
