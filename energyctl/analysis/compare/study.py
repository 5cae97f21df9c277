"""Everything that a comparison of groups finds: what `energyctl compare` shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from energyctl.analysis.compare import grouping
from energyctl.analysis.compare.comparison import (
    ONE_MACHINE,
    OTHER_MACHINES,
    Comparison,
    Overall,
    compare,
    compare_strata,
    holm,
)
from energyctl.analysis.compare.correlation import Correlation, correlate
from energyctl.analysis.compare.grouping import Groups
from energyctl.analysis.compare.sentences import correlation_sentence, overall_sentence, sentence
from energyctl.analysis.compare.statistics import CompareOptions, Estimate, size_word
from energyctl.errors import SettingsError
from energyctl.results.tables import Row

SCHEMA = 1
METER_NOTES = {
    ONE_MACHINE: "meters on one machine shift both groups alike (calibration, delay, what a source "
    "states), so only each run's own part counts, less for a mean of many, and what the groups' "
    "common parts differ by",
    OTHER_MACHINES: "meters of different machines or cards: what each machine's runs share counts, "
    "too, and 5 % from card to card, which was not measured here",
}
ENOUGH = 10
"""Runs in a group from which on a bootstrap interval holds about as often as it says."""


@dataclass
class Study:
    """Comparisons by pair of groups, training and measure; the first measure is the main one."""

    settings: CompareOptions
    measures: Sequence[str]
    by: str | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    overalls: list[Overall] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Of the main measure: a sentence on each training, and one on all together."""
        main = self.measures[0]
        found = [_named(c.training, sentence(c)) for c in self.comparisons if c.measure == main]
        found += [_named(c.training, correlation_sentence(c)) for c in self.correlations]
        return found + [
            _named("all trainings together", overall_sentence(o))
            for o in self.overalls
            if o.measure == main
        ]

    def document(self) -> dict[str, Any]:
        """As ``compare --json`` prints it: docs/compare.md."""
        return {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "by": self.by,
            "measures": list(self.measures),
            "comparisons": [_comparison(one) for one in self.comparisons],
            "overall": [
                {**asdict(one), "verdict": one.verdict, "sentence": overall_sentence(one)}
                for one in self.overalls
            ],
            "correlations": [
                {**asdict(one), "sentence": correlation_sentence(one)} for one in self.correlations
            ],
            "notes": self.notes,
        }


def _named(training: str | None, text: str) -> str:
    return text if training is None else f"{training}: {text}"


def _comparison(found: Comparison) -> dict[str, Any]:
    data = asdict(found)
    data["needed_shares"] = {f"{share:g}": n for share, n in found.needed_shares.items()}
    return {
        **data,
        "delta_size": size_word(found.delta.value or 0.0),
        "beyond_meters": found.beyond_meters,
        "verdict": found.verdict,
        "sentence": sentence(found),
    }


def compare_groups(
    found: Groups, measures: Sequence[str], settings: CompareOptions, by: str | None
) -> Study:
    """The first group against each other one. Raises SettingsError where nothing is in both."""
    study = Study(settings, measures, by, notes=list(found.notes))
    base, *others = found.rows
    for other in others:
        study.notes += grouping.confounders(found.rows[base], found.rows[other], by)
        for measure in measures:
            pairs, notes = grouping.pairs(found, base, other, measure, by)
            study.notes += notes
            study.comparisons += [
                compare(a, b, measure, grouping.unit_of(measure), settings, training)
                for training, a, b in pairs
            ]
            overall = compare_strata([(a, b) for _, a, b in pairs], measure, settings)
            if overall is not None:
                study.overalls.append(overall)
    if not study.comparisons:
        lacking = [note for note in study.notes if isinstance(note, grouping.LeftOut)]
        why = "; ".join(dict.fromkeys(lacking or study.notes)) or "no run has these figures"
        raise SettingsError(f"nothing can be compared: {why}")
    # Holm's correction is over the comparisons of each measure.
    by_measure = [[c for c in study.comparisons if c.measure == measure] for measure in measures]
    study.comparisons = [c for comparisons in by_measure for c in holm(comparisons)]
    if any(c.ratio.low is not None and min(c.a.n, c.b.n) < ENOUGH for c in study.comparisons):
        study.notes.append(
            f"bootstrap intervals from fewer than {ENOUGH} runs in a group are too narrow: "
            "of 95 % ones about 9 in 10 hold the truth"
        )
    study.notes += _meter_notes(study)
    study.notes += [f"no interval: {c.ratio.missing}" for c in study.comparisons if _bare(c.ratio)]
    study.notes = list(dict.fromkeys(study.notes))
    return study


def _meter_notes(study: Study) -> list[str]:
    methods = [c.meter_method for c in study.comparisons]
    return [METER_NOTES[method] for method in methods if method in METER_NOTES]


def _bare(estimate: Estimate) -> bool:
    """A figure without an interval, for a reason."""
    return estimate.value is not None and estimate.missing is not None


def correlate_rows(
    rows: Sequence[Row], name: str, measures: Sequence[str], settings: CompareOptions
) -> Study:
    """Each measure against a number of many values, for each training."""
    study = Study(settings, measures, name)
    for measure in measures:
        strata: dict[str, list[Row]] = {}
        for row in rows:
            if row.get(measure) is not None and grouping.value_of(row, name) is not None:
                strata.setdefault(_stratum(row, name), []).append(row)
        for training, inside in strata.items():
            xs = [float(grouping.value_of(row, name)) for row in inside]
            ys = [float(row[measure]) for row in inside]
            study.correlations.append(correlate(xs, ys, name, measure, settings, training))
    if not study.correlations:
        raise SettingsError(f"nothing can be compared: no run has {name} and these figures")
    many = {grouping.value_of(row, name) for row in rows} - {None}
    study.notes.append(
        f"{name} has {len(many)} values in {len(rows)} runs: a trend is looked for, not groups"
    )
    return study


def _stratum(row: Row, name: str) -> str:
    """Runs under several conditions are not of one trend."""
    where = grouping.value_of(row, "condition")
    return f"{grouping.label(row)}, {where}" if name != "background" else grouping.label(row)
