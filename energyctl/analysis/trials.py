"""The trials of a search, from its runs: what each found, and which are the best. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from energyctl.analysis.footprint import used
from energyctl.analysis.fronts import Standing, standings
from energyctl.config.registry.model import Better
from energyctl.config.settings import Search
from energyctl.errors import SettingsError

if TYPE_CHECKING:
    from energyctl.results.api import Run


@dataclass(frozen=True)
class Objectives:
    """What a search looks for. better: which side of its metric is. runs_of_a_trial: all of them
    have to be done for it to count."""

    wanted: Search
    better: Better
    runs_of_a_trial: int = 1

    @property
    def limited(self) -> bool:
        """Whether one figure is to be made better within a limit of the other, not both."""
        wanted = self.wanted
        return wanted.metric_limit is not None or wanted.energy_limit_joules is not None

    def goodness(self, metric: float) -> float:
        """The more the better."""
        return metric if self.better == "higher" else -metric

    def excess(self, trial: Trial) -> float:
        """By how much it breaks the limit; 0 where it does not."""
        wanted = self.wanted
        if trial.metric is None or trial.joules is None:
            return math.inf
        if wanted.metric_limit is not None:
            return max(0.0, self.goodness(wanted.metric_limit) - self.goodness(trial.metric))
        if wanted.energy_limit_joules is not None:
            return max(0.0, trial.joules - wanted.energy_limit_joules)
        return 0.0

    def to_json(self, runs: int) -> dict[str, Any]:
        """As the head of a journal has it. runs: of all trials."""
        of_trial = {"runs_of_a_trial": self.runs_of_a_trial, "runs": runs}
        return {**self.wanted.model_dump(), "better": self.better, **of_trial}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Objectives:
        """Raises SettingsError where it is none."""
        given = {name: data[name] for name in Search.model_fields if name in data}
        better = data.get("better")
        try:
            wanted = Search.model_validate(given)
        except ValueError as error:
            raise SettingsError(f"this is no search: {error}") from None
        if better not in ("higher", "lower"):
            raise SettingsError("this is no search: which side of its metric is better is missing")
        runs = data.get("runs_of_a_trial")
        return cls(wanted, better, runs if isinstance(runs, int) else 1)


@dataclass(frozen=True)
class Trial:
    """A trial whose runs are done. values: that were proposed. metric, joules: means of its runs,
    None where the trial does not count, which `missing` says why.

    band: of the joules, by the meters; None where it is not known. spent_joules: of all phases;
    seconds: of its runs from their first phase to their last.
    """

    number: int
    values: Mapping[str, Any]
    metric: float | None
    joules: float | None
    band: float | None
    measured: bool
    missing: str | None
    spent_joules: float
    seconds: float

    @property
    def low(self) -> float:
        """Joules that it took at least; without a band there is no such bound."""
        return -math.inf if self.band is None else (self.joules or 0.0) - self.band

    @property
    def high(self) -> float:
        return math.inf if self.band is None else (self.joules or 0.0) + self.band


def trial_of(number: int, runs: Sequence[Run], objectives: Objectives) -> Trial:
    """That of its runs, each of which is finished."""
    planned = runs[0].environment.get("run") or {}
    hyperparameters = runs[0].hyperparameters
    metrics, joules, bands, missing = list[float](), list[float](), list[float | None](), None
    for run in runs:
        energy, band, why = _energy(run, objectives)
        metric = run.metrics.get(objectives.wanted.metric)
        if run.status != "succeeded":
            missing = missing or str(run.row.get("error") or run.status)
        elif metric is None or not math.isfinite(metric):
            missing = missing or f"no {objectives.wanted.metric} was found"
        elif energy is None:
            missing = missing or why
        else:
            metrics.append(metric)
            joules.append(energy)
            bands.append(band)
    known = [band for band in bands if band is not None]
    return Trial(
        number=number,
        values={name: hyperparameters.get(name) for name in planned.get("mutated") or ()},
        metric=None if missing else fmean(metrics),
        joules=None if missing else fmean(joules),
        band=fmean(known) if known and len(known) == len(bands) else None,
        measured=all(run.row.get("energy_measured") is not False for run in runs),
        missing=missing,
        spent_joules=used(runs).joules,
        seconds=sum(run.phases[-1].end - run.phases[0].start for run in runs if run.phases),
    )


def _energy(run: Run, objectives: Objectives) -> tuple[float | None, float | None, str]:
    """Joules, their band, and why there are none."""
    kind = objectives.wanted.energy
    if kind == "reach":
        reached: Any = (run.result.get("reach") or {}).get(objectives.wanted.metric) or {}
        why = reached.get("missing") or "it is not known what it took to reach the value"
        return reached.get("joules"), reached.get("uncertainty_joules"), str(why)
    if kind == "marginal" and run.mode != "parallel":  # nothing is added to but the idle machine
        kind = "above_idle"
    energy: Any = run.result.get("energy") or {}
    why = (energy.get("missing") or {}).get(f"{kind}_joules") or run.row.get("energy_missing")
    why = str(why or "its energy is not known")
    return run.row.get(f"{kind}_joules"), run.row.get(f"{kind}_uncertainty_joules"), why


def trials_of(runs: Iterable[Run], objectives: Objectives) -> list[Trial]:
    """Of the runs of one campaign, in their order, without those of which a run is not done."""
    groups: dict[int, list[Run]] = {}
    for run in runs:
        if run.trial is not None and run.status != "interrupted":
            groups.setdefault(run.trial, []).append(run)
    return [
        trial_of(number, groups[number], objectives)
        for number in sorted(groups)
        if len(groups[number]) >= objectives.runs_of_a_trial
    ]


@dataclass(frozen=True)
class Found:
    """What a search found. best: with where each stands, by their energy; those that only may be
    come last."""

    objectives: Objectives
    trials: Sequence[Trial]
    best: Sequence[tuple[Trial, Standing]] = field(default=())


def standing_words(trial: Trial, of: Found) -> str:
    """``on the front``, ``on the front, bands overlap`` (by the middles of the bands), ``may be on
    the front``; with a limit ``the best`` likewise, or ``outside the limit``; else nothing."""
    what = "the best" if of.objectives.limited else "on the front"
    words = {"sure": what, "likely": f"{what}, bands overlap", "maybe": f"may be {what}"}
    for one, stands in of.best:
        if one.number == trial.number:
            return words[stands]
    return "" if of.objectives.excess(trial) == 0 else "outside the limit"


def found(trials: Sequence[Trial], objectives: Objectives) -> Found:
    """The Pareto front; with a limit, the best trial within it, and what may be as good."""
    counting = [trial for trial in trials if trial.missing is None]
    counting.sort(key=lambda trial: (trial.joules, trial.number))
    wanted = objectives.wanted
    if wanted.energy_limit_joules is not None:
        found_standings = _within(wanted.energy_limit_joules, counting, objectives)
    else:
        counting = [trial for trial in counting if objectives.excess(trial) == 0]
        limited = wanted.metric_limit is not None
        found_standings = standings(
            [(t.low, t.high, 0.0 if limited else _good(t, objectives)) for t in counting]
        )
    best = [pair for pair in zip(counting, found_standings, strict=True) if pair[1] != "off"]
    best.sort(key=lambda pair: pair[1] == "maybe")
    return Found(objectives, trials, best)


def _within(limit: float, trials: Sequence[Trial], objectives: Objectives) -> list[Standing]:
    """Where each stands for the best metric with at most *limit* joules, which a band may cross."""
    good = [_good(trial, objectives) for trial in trials]

    def top(inside: Iterable[bool]) -> float:
        return max((g for g, is_in in zip(good, inside, strict=True) if is_in), default=-math.inf)

    surely, perhaps = top(t.high <= limit for t in trials), top(t.low <= limit for t in trials)
    by_middles = top(objectives.excess(trial) == 0 for trial in trials)
    stand: list[Standing] = []
    for trial, figure in zip(trials, good, strict=True):
        if trial.low > limit or figure < surely:
            stand.append("off")
        elif trial.high <= limit and figure == perhaps:
            stand.append("sure")
        else:
            middle = objectives.excess(trial) == 0 and figure == by_middles
            stand.append("likely" if middle else "maybe")
    return stand


def _good(trial: Trial, objectives: Objectives) -> float:
    assert trial.metric is not None
    return objectives.goodness(trial.metric)
