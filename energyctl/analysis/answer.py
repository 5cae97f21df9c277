"""What a campaign found, before any chart or table of it. Pure.

Energies of each training under each condition, how conditions compare, whose the energy was, and
what is missing to say so. Figures and claims are those of :mod:`energyctl.analysis.compare` and
:mod:`energyctl.analysis.interference`; without SciPy the pairs alone tell how conditions compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energyctl.analysis.comparing import conditions_of
from energyctl.analysis.grid_factors import GridFactor, factors_of
from energyctl.analysis.interference import means_of, sentences, share_words
from energyctl.analysis.interference.means import Mean, Means, figures, mean_of
from energyctl.analysis.interference.sentences import together
from energyctl.analysis.interference.share_means import ShareMeans
from energyctl.config.settings import ALONE
from energyctl.errors import SettingsError
from energyctl.results.pairs import Figure
from energyctl.results.tables import Row
from energyctl.results.tables.totals import unlike
from energyctl.text import ENERGY_UNITS, count, energy_unit, first_of

if TYPE_CHECKING:
    from energyctl.analysis.compare import Study
    from energyctl.results.api import Run, Runs

LEAST_DIVIDED = 0.01
"""Of the total: what foreground and background took of a domain, to be told here."""


@dataclass(frozen=True)
class Level:
    """The total energy of one training under one condition, in joules.

    runs: (experiment_id, joules) of those that succeeded, warm-ups excepted. mean: with its 95 %
    interval over the runs, by Student's t. measured: false where a part is an estimate.
    """

    training: str
    condition: str
    runs: tuple[tuple[str, float], ...]
    mean: Mean
    measured: bool

    def figures(self, unit: str) -> list[str]:
        """The mean and the ends of its interval, as far as they are known."""
        return figures(self.mean, ENERGY_UNITS[unit])


@dataclass(frozen=True)
class Answer:
    """study: conditions compared; None where there are no two, or SciPy is missing. means, shares:
    of pairs, by training and condition. factors: of grids, level by level. lacking: what is missing
    to say more, each a sentence that says what to do."""

    levels: tuple[Level, ...]
    study: Study | None
    factors: tuple[GridFactor, ...]
    means: tuple[Means, ...]
    shares: tuple[ShareMeans, ...]
    lacking: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of all levels."""
        return energy_unit(joules for level in self.levels for _, joules in level.runs)

    @property
    def several(self) -> bool:
        """Whether there are several trainings, so that each has to be named."""
        return len({level.training for level in self.levels}) > 1

    @property
    def conditions(self) -> tuple[Level, ...]:
        """The levels that say something: a mean over those of a factor alone does not."""
        several = len({level.condition for level in self.levels}) > 1
        return self.levels if several or not self.factors else ()

    def comparisons(self) -> list[str]:
        """How conditions compare, the first sentence first; then what factors do."""
        if self.study is None:
            compared = sentences(self.means)
        else:
            compared = [text for text, _ in self.study.sentences()]
        return compared + [text for text, _ in self.of_factors()]

    def of_factors(self) -> list[tuple[str, list[str]]]:
        """What factors do, each sentence with what stands against it."""
        several = len({one.place for one in self.factors}) > 1
        return [
            told
            for one in self.factors
            if one.study is not None
            for told in one.study.sentences(one.place if several else None)
        ]

    def sentences(self) -> list[str]:
        """All that is found, the first sentence first, each with what stands against it below;
        then what is missing to say more."""
        shares = share_words.sentences(self.shares)
        of_factors = _with_caveats(self.of_factors())
        if self.study is None:
            return [*sentences(self.means), *of_factors, *shares, *self.lacking]
        compared = [*_with_caveats(self.study.sentences()), *of_factors]
        told = [
            (f"{one.training}: " if self.several else "") + text
            for one in self.means
            if (text := together(one))
        ]
        return [*compared, *told, *shares, *self.lacking]


def _with_caveats(told: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    return [line for text, below in told for line in (text, *(f"  {one}" for one in below))]


def answer_of(runs: Runs) -> Answer:
    """The answer of all runs together."""
    levels = levels_of(runs)
    lacking = [f"{training}: {why}" for training, why in unlike_trainings(runs).items()]
    study, factors = None, tuple[GridFactor, ...]()
    try:
        study, factors = conditions_of(runs), factors_of(runs)
    except SettingsError as error:
        lacking.append(f"runs are not compared: {error}")
    # Of GPUs first: that is where trainings meet.
    shares = sorted(
        filter(_divided, share_words.known_means(runs.pairs)),
        key=lambda one: not one.domains[0].startswith("gpu"),
    )
    means = tuple(means_of(runs.pairs))
    if not lacking and not any(one.study for one in factors):
        lacking += _lacking(levels, runs)
    lacking += [] if shares else share_words.reasons(runs.pairs)
    if study is None and not means and not factors and not lacking:
        lacking.append("no training ran under two conditions: nothing to compare")
    return Answer(levels, study, factors, means, tuple(shares), tuple(lacking))


def _divided(found: ShareMeans) -> bool:
    """Whether foreground and background took a part of it that is worth a sentence."""
    return sum(found.parts[2:]) > LEAST_DIVIDED * sum(found.parts)


def total_joules(run: Run) -> float | None:
    return run.energy.total_joules if run.energy else None


def levels_of(
    runs: Sequence[Run], figure: Callable[[Run], float | None] = total_joules
) -> tuple[Level, ...]:
    """By training and condition, of the runs of which the figure, in joules, is known; without the
    trainings of :func:`unlike_trainings`."""
    unlike = unlike_trainings(runs)
    of: dict[tuple[str, str], list[tuple[str, float, bool]]] = {}
    for run in runs:
        energy, joules = run.energy, figure(run)
        if _counts(run) and energy and joules is not None and _training(run) not in unlike:
            entry = (run.experiment_id, joules, bool(energy.measured))
            of.setdefault((_training(run), run.condition), []).append(entry)
    trainings = list(dict.fromkeys(training for training, _ in of))

    def order(key: tuple[str, str]) -> tuple[int, bool]:
        return trainings.index(key[0]), key[1] != ALONE

    return tuple(
        Level(
            *key,
            tuple((name, joules) for name, joules, _ in known),
            mean_of([[Figure(joules)] for _, joules, _ in known]),
            all(measured for *_, measured in known),
        )
        for key, known in sorted(of.items(), key=lambda item: order(item[0]))
    )


def unlike_trainings(runs: Sequence[Run]) -> dict[str, str]:
    """Trainings whose totals are not of the same, so that no mean is of them → why."""
    of: dict[str, list[Row]] = {}
    for run in filter(_counts, runs):
        of.setdefault(_training(run), []).append(run.row)
    return {training: why for training, rows in of.items() if (why := unlike(rows))}


def _counts(run: Run) -> bool:
    return run.status == "succeeded" and not run.warm_up


def _training(run: Run) -> str:
    return f"{run.repository} / {run.model}"


def _lacking(levels: Sequence[Level], runs: Sequence[Run]) -> list[str]:
    if not levels:
        return ["no run succeeded with a known energy: nothing to compare"]
    if len({level.condition for level in levels}) < 2:
        only = levels[0].condition
        others = dict.fromkeys(run.condition for run in runs if not run.warm_up)
        others.pop(only, None)
        if others:
            return [
                f"no run {first_of(list(others), 3)} succeeded with a known energy: nothing to "
                f"compare the runs {only} with"
            ]
        if any(run.block is not None for run in runs):
            return [f"all runs so far were {only}: nothing to compare them with"]
        return [
            f"all runs were {only}: with `conditions` in the experiment, the same training is "
            "measured alone and beside a load, and they are compared"
        ]
    few = [level for level in levels if len(level.runs) < 2]
    return [
        f"{level.training}, {level.condition}: {count(len(level.runs), 'run')}, so no interval"
        for level in few
    ]
