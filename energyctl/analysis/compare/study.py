"""Everything that a comparison of groups finds: what `energyctl compare` shows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from energyctl.analysis.compare import factors, grouping, verdicts
from energyctl.analysis.compare.comparison import Comparison, compare
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.correlation import Correlation, correlate
from energyctl.analysis.compare.factor_sentences import correlation_sentence, factor_sentence
from energyctl.analysis.compare.factors import FactorEffect
from energyctl.analysis.compare.grouping import Groups
from energyctl.analysis.compare.measures import in_logs, is_number, value_of
from energyctl.analysis.compare.overall import Overall, overall
from energyctl.analysis.compare.samples import sample_of
from energyctl.analysis.compare.sentences import (
    below,
    named,
    overall_sentence,
    sentence,
)
from energyctl.analysis.compare.statistics import CompareOptions
from energyctl.errors import SettingsError
from energyctl.results.tables import Row

METER_NOTES = {
    "one machine": "both groups were metered on one machine: errors that all its runs share "
    "(calibration, delay) cancel as far as they are equal, and each run's own uncertainty counts",
    "other machines": "the groups were metered on different machines or cards: errors that the "
    "runs of a machine share count, too, and 5 % from card to card, assumed and not measured here",
}
PAIRED = "no blocks, but runs of equal values and seed in both groups: they are compared in pairs"

_Figure = TypeVar("_Figure", FactorEffect, Overall, Correlation)


@dataclass
class Study:
    """Comparisons by pair of groups, training and measure; the first measure of which there is one
    is the main one."""

    options: CompareOptions
    measures: Sequence[str]
    by: str | None = None
    warm_ups: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    factors: list[FactorEffect] = field(default_factory=list)
    overalls: list[Overall] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of_main(self) -> list[Comparison]:
        """Those of the main measure."""
        return [one for one in self.comparisons if one.measure == self.measures[0]]

    def sentences(self, place: str | None = None) -> list[tuple[str, list[str]]]:
        """Of the main measure: a sentence on each training, on factors, and on all trainings
        together, each with the lines that stand right under it. place: stands before all of one
        training, where it is not named otherwise."""
        main = self.measures[0]
        told: list[tuple[str | None, str, list[str]]] = [
            *((c.training, sentence(c), below(c)) for c in self.of_main()),
            *((f.training, factor_sentence(f), []) for f in self.factors if f.measure == main),
            *((c.training, correlation_sentence(c), []) for c in self.correlations),
        ]
        several = len({training for training, *_ in told}) > 1
        found = [(named(of if several else place, text), lines) for of, text, lines in told]
        return found + [
            (named("all trainings", overall_sentence(one)), [])
            for one in self.overalls
            if one.measure == main
        ]


def compare_groups(
    found: Groups, measures: Sequence[str], options: CompareOptions, by: str | None
) -> Study:
    """The first group against each other one; measures: the first that can be compared is the main
    one. Raises SettingsError where nothing is in both."""
    study = Study(options, measures, by, found.warm_ups, notes=list(found.notes))
    base, *others = found.rows
    for measure in measures:
        logs = in_logs(measure, (row for rows in found.rows.values() for row in rows))
        compared, lines = list[Comparison](), list[Overall]()
        for other in others:
            sides, notes = grouping.sides(found, base, other, measure, by)
            study.notes += notes
            own = [
                compare(sample_of(a, b, measure, by), measure, logs, options, by, of)
                for of, a, b in sides
            ]
            compared += own
            together = overall(own, options)
            lines += [] if together is None else [together]
        interacting = [effect for one in compared for effect in factors.interactions(one)]
        family: list[Comparison | FactorEffect] = [*compared, *interacting]
        adjusted, size = _holm([one.p_adjusted for one in family])
        margins = _margins([one.ratio for one in compared], options)
        study.comparisons += [
            replace(one, p_adjusted=p, family_size=size, margins=limits)
            for one, p, limits in zip(compared, adjusted, margins, strict=False)
        ]
        study.factors += [
            replace(one, p_adjusted=p, family_size=size)
            for one, p in zip(interacting, adjusted[len(compared) :], strict=True)
        ]
        study.factors += _corrected(_trends(compared, by))
        margins = _margins([one.like for one in lines], options)
        study.overalls += [
            replace(one, margins=limits)
            for one, limits in zip(_corrected(lines), margins, strict=True)
        ]
    if not study.comparisons:
        lacking = [note for note in study.notes if isinstance(note, grouping.LeftOut)]
        why = "; ".join(dict.fromkeys(lacking or study.notes)) or "no run has these figures"
        raise SettingsError(f"nothing can be compared: {why}")
    known = {one.measure for one in study.comparisons}
    study.measures = [one for one in measures if one in known]
    study.notes += _notes(study)
    study.notes = list(dict.fromkeys(study.notes))
    return study


def _trends(compared: Sequence[Comparison], by: str | None) -> list[FactorEffect]:
    """Over the levels of a factor that the groups are."""
    if by is None:
        return []
    trainings = dict.fromkeys(one.training for one in compared)
    trends = [factors.trend(by, [o for o in compared if o.training == name]) for name in trainings]
    return [one for one in trends if one is not None]


def _holm(ps: Sequence[float | None]) -> tuple[list[float | None], int]:
    """Corrected over those that are known, and how many these are."""
    return verdicts.holm(ps), max(1, sum(p is not None for p in ps))


def _corrected(family: Sequence[_Figure]) -> list[_Figure]:
    adjusted, size = _holm([one.p_adjusted for one in family])
    return [
        replace(one, p_adjusted=p, family_size=size)
        for one, p in zip(family, adjusted, strict=True)
    ]


def _margins(
    effects: Sequence[Effect | None], options: CompareOptions
) -> list[verdicts.MarginPs | None]:
    """Of a family; None of what has no ratio."""
    if options.margin is None:
        return [None] * len(effects)
    ratios = [one for one in effects if one is not None]
    found = iter(verdicts.holm_margins(ratios, math.log1p(options.margin)))
    return [None if one is None else next(found) for one in effects]


def _notes(study: Study) -> list[str]:
    methods = [one.meter.method for one in study.comparisons if one.meter is not None]
    lines = [METER_NOTES[method] for method in methods if method in METER_NOTES]
    for one in study.comparisons:
        lines += one.sample.notes
        if one.sample.left_out:
            names = ", ".join(one.sample.left_out)
            lines.append(f"left out, since a run of it is missing: {names}")
        if one.sample.design == "pairs of equal values":
            lines.append(PAIRED)
    return lines


def correlate_rows(
    rows: Sequence[Row],
    name: str,
    measures: Sequence[str],
    options: CompareOptions,
    notes: Sequence[str] = (),
) -> Study:
    """Each measure against a number of many values, for each training."""
    study = Study(options, measures, name, notes=list(notes))
    for measure in measures:
        strata: dict[str, list[Row]] = {}
        for row in rows:
            if is_number(row.get(measure)) and value_of(row, name) is not None:
                strata.setdefault(_stratum(row, name), []).append(row)
        found = []
        for training, inside in strata.items():
            if apart := grouping.of_two_totals(inside, measure, training):
                study.notes.append(apart)
                continue
            xs = [float(value_of(row, name)) for row in inside]
            ys = [float(row[measure]) for row in inside]
            found.append(correlate(xs, ys, name, measure, options, training))
        study.correlations += _corrected(found)
    if not study.correlations:
        why = "; ".join(study.notes) or f"no run has {name} and these figures"
        raise SettingsError(f"nothing can be compared: {why}")
    many = {value_of(row, name) for row in rows} - {None}
    study.notes.append(
        f"{name} has {len(many)} values in {len(rows)} runs: a trend is looked for, not groups"
    )
    return study


def _stratum(row: Row, name: str) -> str:
    """Runs under several conditions are not of one trend."""
    where = value_of(row, "condition")
    return f"{grouping.label(row)}, {where}" if name != "background" else grouping.label(row)
