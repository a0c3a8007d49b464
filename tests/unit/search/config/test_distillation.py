"""Table [distillation]: on by default, searched like any knob, refused where it makes no sense."""

import pytest
from optuna.distributions import FloatDistribution

from gatefront.search.config.study_config import StudyConfig
from gatefront.search.config.study_file import parse_study
from gatefront.search.errors import StudyFileError
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.planning.study_plan import plan_study
from gatefront.trainer.config import DistillationConfig

STUDY = '[study]\nname = "s"\n[data]\nname = "digits"\n[network]\nwidth = 0.25\n'


def study(table: str) -> StudyConfig:
    return parse_study(STUDY + table)


def test_weight_and_temperature_are_knobs() -> None:
    config = study(
        "[distillation]\nweight = {low = 0.0, high = 0.9}\ntemperature = {low = 1.0, high = 8.0, log = true}"
    )
    found = SearchSpace(config).distributions()
    assert found["distillation.weight"] == FloatDistribution(0.0, 0.9)
    assert found["distillation.temperature"] == FloatDistribution(1.0, 8.0, log=True)
    assert not any(name.startswith("distillation") for name in SearchSpace(study("")).distributions())


@pytest.mark.parametrize("family", ["interrogate", "mtan"])
def test_point_decodes_to_a_trials_distillation(family: str) -> None:
    table = f'[family]\nname = "{family}"\n[distillation]\nweight = {{low = 0.0, high = 0.9}}\nphases = ["weights"]'
    space = plan_study(study(table)).search_space
    settings = space.decode({"distillation.weight": 0.3}, seed=1)
    assert settings.distillation == DistillationConfig(weight=0.3, temperature=2.0, phases=("weights",))
    assert space.decode({"distillation.weight": 0.0}, seed=1).distillation is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("weight = 1.5", "between 0 .* and 1"),
        ("weight = {low = -0.1, high = 0.5}", "between 0 .* and 1"),
        ("temperature = 0.0", "temperature must be above 0"),
        ("phases = []", "phases"),
        ('phases = ["end"]', "phases"),
        ("wait = 0.5", "weight"),
    ],
)
def test_impossible_settings_are_refused(table: str, message: str) -> None:
    with pytest.raises(StudyFileError, match=message):
        study(f"[distillation]\n{table}")
