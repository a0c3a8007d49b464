"""Samplers that propose trials: Optuna's and the papers' grid, by their names in a study file."""

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
"""Population size of NSGA-II. Optuna's 50 exceeds most studies, and the first generation is random."""


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """Name of a sampler, and the reason for its choice."""

    name: SamplerName
    reason: str

    def __str__(self) -> str:
        return f"sampler {self.name}: {self.reason}"


def choose_sampler(space: SearchSpace, *, num_trials: int) -> SamplerChoice:
    """Return the sampler that the study file names, or for ``"auto"`` one for its numbers of trials and parameters.

    If both are few it is a Gaussian process, which learns most from each trial. Its proposals cost the driver most, the
    more so the more trials it knows. If one of them is few it is multivariate TPE. If both are many it is TPE with
    independent parameters.
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
    """Return the study's sampler. Its seed depends on the number of known trials, so a resumed study replays none.

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
        warn_independent_sampling=False,  # parameters of one family among several are
    )


def _gp(seed: int, num_trials: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=_num_random(num_trials), warn_independent_sampling=False)


def _num_random(num_trials: int) -> int:
    """Return the number of random trials at the start. Optuna's ten would be most of a small study."""
    return max(4, min(10, num_trials // 4))


_MAKERS: Mapping[SamplerName, Callable[[int, int], BaseSampler]] = {
    "tpe": _tpe,
    "tpe-independent": lambda seed, _: TPESampler(seed=seed),
    "gp": _gp,
    "nsga2": lambda seed, _: NSGAIISampler(seed=seed, population_size=NSGA2_POPULATION),
    "random": lambda seed, _: RandomSampler(seed=seed),
}
