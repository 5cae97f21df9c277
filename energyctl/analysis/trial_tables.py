"""What a search found, in words: a sentence, and a table of the best trials. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energyctl import text
from energyctl.analysis.trials import Found, Objectives, Trial, standing_words

OF_ENERGY = {
    "total": "energy",
    "above_idle": "energy above the idle machine",
    "marginal": "energy above the background alone",
    "reach": "energy until {metric} was reached",
}
"""What of a search's energy is meant, in words."""


@dataclass(frozen=True)
class TrialColumn:
    """A column of the table of trials, a cell each. given: whether its name is the user's."""

    name: str
    cells: Sequence[str]
    figure: bool = True
    given: bool = False


def title(objectives: Objectives) -> str:
    """``less energy and a higher accuracy``; with a limit, what is to be better within it."""
    wanted, side = objectives.wanted, objectives.better
    energy = OF_ENERGY[wanted.energy].format(metric=wanted.metric)
    if wanted.metric_limit is not None:
        bound = "at least" if side == "higher" else "at most"
        return (
            f"the least {energy} with {wanted.metric} {bound} {text.parameter(wanted.metric_limit)}"
        )
    best = "highest" if side == "higher" else "lowest"
    if wanted.energy_limit_joules is not None:
        most = text.energy(wanted.energy_limit_joules)
        return f"the {best} {wanted.metric} with {energy} of at most {most}"
    return f"less {energy} and a {side} {wanted.metric}"


def sentence(name: str, found: Found) -> str:
    """How many trials there were, how many {DO} not count, and how many are the best."""
    wanted, trials = found.objectives.wanted, found.trials
    failed = [trial for trial in trials if trial.missing is not None]
    line = f"{name}: {len(trials)} of {text.count(wanted.trials, 'trial')}"
    if failed:
        not_counting = f"{len(failed)} that {'does' if len(failed) == 1 else 'do'} not count"
        line += f" ({not_counting}: trial {failed[0].number}, {failed[0].missing})"
    line += f", {title(found.objectives)}: "
    if not found.best:
        return line + ("none is within the limit" if found.objectives.limited else "none counts")
    perhaps = sum(stands == "maybe" for _, stands in found.best)
    front = len(found.best) - perhaps
    if found.objectives.limited:
        line += f"trial {found.best[0][0].number}" if front else "surely none"
    else:
        line += f"{text.count(front, 'trial')} on the Pareto front"
    also = "as good" if found.objectives.limited else "on it"
    return line + (f", {perhaps} more may be {also} (bands overlap)" if perhaps else "")


def columns(found: Found) -> list[TrialColumn]:
    """Of the best trials: which one, its values, metric, energy with its band, where it stands."""
    wanted, trials = found.objectives.wanted, [trial for trial, _ in found.best]
    unit = text.energy_unit(trial.joules for trial in trials)
    names = dict.fromkeys(name for trial in trials for name in trial.values)
    estimated = ", estimated" * any(not trial.measured for trial in trials)
    energy = OF_ENERGY[wanted.energy].format(metric=wanted.metric)
    return [
        TrialColumn("trial", [str(trial.number) for trial in trials]),
        *(
            TrialColumn(
                name, [text.parameter(trial.values.get(name)) for trial in trials], given=True
            )
            for name in names
        ),
        TrialColumn(wanted.metric, [text.parameter(trial.metric) for trial in trials], given=True),
        TrialColumn(f"{energy} ({unit}{estimated})", [_energy(trial, unit) for trial in trials]),
        TrialColumn("", [standing_words(trial, found) for trial in trials], figure=False),
    ]


def _energy(trial: Trial, unit: str) -> str:
    return text.energy(trial.joules, trial.band, unit=unit).replace(f" {unit}", "")
