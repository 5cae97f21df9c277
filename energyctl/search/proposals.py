"""The values of the next trial: by the space, the finished trials, the seed and its number alone.

Optuna's study is made anew for each proposal, so nothing but the campaign's journal and results has
to be kept. https://optuna.readthedocs.io/en/stable/reference/samplers/index.html
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from energyctl.config.plan.parameter_space import Space
from energyctl.config.plan.search_space import SearchSpace
from energyctl.config.registry import Hyperparameter

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "random"]

STARTUP_TRIALS = 6
"""So many are drawn as `run` draws them, before the estimator has enough to go by."""

ATTEMPTS = 64
"""To propose values that were not tried and keep the constraints, before they are drawn."""

ZERO = "{} is 0"
"""Optuna's name for whether a parameter has the zero that zero_probability adds to its range."""


@dataclass(frozen=True)
class FinishedTrial:
    """The proposed values by name, and what is to be minimised; None where it has failed."""

    values: Mapping[str, Any]
    objectives: tuple[float, ...] | None


def propose(
    space: SearchSpace, finished: Sequence[FinishedTrial], number: int, sampler: Sampler = "tpe"
) -> dict[str, Any]:
    """Values for trial *number*, from 1, none of which was tried: first the defaults.

    Raises LookupError where no values are left to try.
    """
    tried = [trial.values for trial in finished]
    if number == 1 and (defaults := space.defaults()) is not None:
        return defaults
    known = sum(trial.objectives is not None for trial in finished)
    if sampler == "tpe" and known >= STARTUP_TRIALS:
        for values in _proposals(space, finished, number):
            if values not in tried and space.allows(values):
                return values
    return space.drawn(number, tried)


def _proposals(
    space: SearchSpace, finished: Sequence[FinishedTrial], number: int
) -> Iterator[dict[str, Any]]:
    """Values, each by what Optuna proposes after those before it were refused."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # multivariate, group: called experimental for years
        sampler = optuna.samplers.TPESampler(
            seed=_seed(space.seed, number),
            n_startup_trials=0,
            multivariate=True,
            group=True,
        )
        study = _study(space, finished, sampler)
    for _ in range(ATTEMPTS):
        trial = study.ask()
        yield {one.name: _suggested(trial, one) for one in space.parameters}
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _seed(seed: int, number: int) -> int:
    """Of the sampler, which takes 32 bits."""
    digest = hashlib.blake2b(f"{seed}\0trial\0{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _study(
    space: SearchSpace, finished: Sequence[FinishedTrial], sampler: Any
) -> optuna.study.Study:
    import optuna

    sides = next(len(one.objectives) for one in finished if one.objectives is not None)
    study = optuna.create_study(directions=["minimize"] * sides, sampler=sampler)
    for trial in finished:
        if trial.objectives is None:
            continue
        params, distributions = dict[str, Any](), dict[str, Any]()
        for one in space.parameters:
            for name, value, distribution in _told(one, trial.values[one.name]):
                params[name], distributions[name] = value, distribution
        study.add_trial(
            optuna.trial.create_trial(
                values=trial.objectives, params=params, distributions=distributions
            )
        )
    return study


def _told(one: Hyperparameter, value: Any) -> list[tuple[str, Any, Any]]:
    """The names, values and distributions that a value has for Optuna."""
    import optuna

    told: list[tuple[str, Any, Any]] = []
    if Space(one).adds_zero:
        is_zero = optuna.distributions.CategoricalDistribution([False, True])
        told.append((ZERO.format(one.name), value == 0, is_zero))
        if value == 0:
            return told
    return [*told, (one.name, value, _distribution(one))]


def _suggested(trial: optuna.trial.Trial, one: Hyperparameter) -> Any:
    if Space(one).adds_zero and trial.suggest_categorical(ZERO.format(one.name), [False, True]):
        return 0 if one.type == "int" else 0.0
    return trial._suggest(one.name, _distribution(one))


def _distribution(one: Hyperparameter) -> Any:
    from optuna import distributions

    if one.choices:
        return distributions.CategoricalDistribution(list(dict.fromkeys(one.choices)))
    log = one.distribution == "log_uniform"
    assert one.low is not None
    assert one.high is not None
    if one.type == "int":
        return distributions.IntDistribution(int(one.low), int(one.high), log=log)
    return distributions.FloatDistribution(one.low, one.high, log=log)
