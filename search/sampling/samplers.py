"""Who proposes trials: Optuna's samplers and the papers' grid, by the names that a study file gives them."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from gatefront.search.config.study_config import SamplerName
from gatefront.search.planning.search_space import SearchSpace
from gatefront.search.sampling.grid_sampler import GridSampler

FEW_TRIALS, FEW_PARAMETERS = 50, 4
NSGA2_POPULATION = 8
"""Optuna's 50 is more than most studies have trials, and the first generation is random."""


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """A sampler, and why it is the one."""

    name: SamplerName
    reason: str

    def __str__(self) -> str:
        return f"sampler {self.name}: {self.reason}"


def choose_sampler(space: SearchSpace, *, num_trials: int) -> SamplerChoice:
    """The sampler that the study file names; for ``"auto"`` the one that suits its trials and knobs.

    Few of both: a Gaussian process, which learns most from each trial and costs the driver most per proposal, the more
    trials it knows. Few of one: multivariate TPE. Many of both: TPE with each knob by itself.
    """
    asked = space.config.study.sampler
    if asked != "auto":
        return SamplerChoice(asked, "as the study file asks")
    num_search_parameters = len(space.distributions())
    size = f"{num_trials} trials over {num_search_parameters} knob{'' if num_search_parameters == 1 else 's'}"
    fits = (num_trials <= FEW_TRIALS) + (num_search_parameters <= FEW_PARAMETERS)
    names: tuple[SamplerName, ...] = ("tpe-independent", "tpe", "gp")
    return SamplerChoice(names[fits], f"chosen for {size}")


def make_sampler(space: SearchSpace, *, num_trials: int, num_known: int) -> BaseSampler:
    """The study's sampler. A resumed study never replays its random numbers: the seed moves with what is known.

    Raises:
        StudyFileError: the grid is too large.
    """
    name = choose_sampler(space, num_trials=num_trials).name
    if name == "grid":
        points = space.config.study.grid_points
        return GridSampler(space.distributions(), points_per_range=points, num_trials=num_trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _MAKERS[name](space.config.study.seed + num_known, num_trials)


def _tpe(seed: int, num_trials: int) -> BaseSampler:
    return TPESampler(
        seed=seed,
        # Optuna's default is False for two objectives, and was worse in small spaces.
        multivariate=True,
        constant_liar=True,
        n_startup_trials=_num_random(num_trials),
        warn_independent_sampling=False,  # knobs of one family among several are
    )


def _gp(seed: int, num_trials: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=_num_random(num_trials), warn_independent_sampling=False)


def _num_random(num_trials: int) -> int:
    """Optuna's ten random trials would be most of a small study."""
    return max(4, min(10, num_trials // 4))


_MAKERS: Mapping[SamplerName, Callable[[int, int], BaseSampler]] = {
    "tpe": _tpe,
    "tpe-independent": lambda seed, _: TPESampler(seed=seed),
    "gp": _gp,
    "nsga2": lambda seed, _: NSGAIISampler(seed=seed, population_size=NSGA2_POPULATION),
    "random": lambda seed, _: RandomSampler(seed=seed),
}
