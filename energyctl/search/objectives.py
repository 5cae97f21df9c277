"""What Optuna is told of a finished trial: figures of which less is better. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.analysis.trials import Objectives, Trial
from energyctl.search.proposals import FinishedTrial


def told(trials: Sequence[Trial], objectives: Objectives) -> list[FinishedTrial]:
    """Energy and metric, or with a limit one figure: the place among all trials.

    Those within the limit come first, by what is to be made better, then the others by how far they
    are off. The estimator goes by the order of single figures alone, so that is all it needs, and
    as good as its own way with constraints.
    """
    if not objectives.limited:
        return [FinishedTrial(trial.values, _both(trial, objectives)) for trial in trials]
    counting = [trial for trial in trials if trial.missing is None]
    order = sorted({_key(trial, objectives) for trial in counting})
    places = {key: float(place) for place, key in enumerate(order)}
    return [
        FinishedTrial(
            trial.values,
            None if trial.missing is not None else (places[_key(trial, objectives)],),
        )
        for trial in trials
    ]


def _both(trial: Trial, objectives: Objectives) -> tuple[float, ...] | None:
    if trial.joules is None or trial.metric is None:
        return None
    return trial.joules, -objectives.goodness(trial.metric)


def _key(trial: Trial, objectives: Objectives) -> tuple[float, float]:
    """In the order of these, the first is the best."""
    assert trial.joules is not None
    assert trial.metric is not None
    by_energy = objectives.wanted.metric_limit is not None
    figure = trial.joules if by_energy else -objectives.goodness(trial.metric)
    return objectives.excess(trial), figure
