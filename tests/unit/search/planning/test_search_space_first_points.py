"""A study begins at both ends of what its knobs allow."""

import pytest

from gatefront.search.config.study_file import parse_study
from gatefront.search.planning.search_space import SearchSpace

TAU, LAMBDA, TARGET = "gates.tau", "gates.lambda_s", "gates.flop_target"


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ("", []),
        ("tau = {low = 0.0, high = 0.8}", [{TAU: 0.0}, {TAU: 0.4}, {TAU: 0.8}]),
        ("tau = {choices = [0.5, 0.1]}", [{TAU: 0.1}, {TAU: 0.5}]),
        ("lambda_s = {low = 0.1, high = 10.0, log = true}", [{LAMBDA: 10.0}, {LAMBDA: 0.1}]),
        (
            "tau = {low = 0.0, high = 0.8}\nlambda_s = {low = 0.1, high = 10.0}",
            [
                {TAU: 0.0, LAMBDA: 10.0},
                {TAU: 0.4, LAMBDA: 10.0},
                {TAU: 0.8, LAMBDA: 10.0},
                {TAU: 0.8, LAMBDA: 0.1},
            ],
        ),
        (
            'sparsity = "expected_flops"\nflop_target = {low = 0.0, high = 1.0}\nlambda_s = {low = 0.1, high = 10.0}',
            [{TARGET: 0.0}, {TARGET: 0.5}, {TARGET: 1.0}],
        ),
    ],
)
def test_ends_come_first(gates: str, expected: list[dict[str, float]]) -> None:
    text = f'[study]\nname = "ends"\n[data]\nname = "digits"\n[gates]\n{gates}\n'
    assert SearchSpace(parse_study(text)).first_points() == expected
