"""The machines of a campaign beside each other: what they are, and how far they differ. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from energyctl.results.calibrations import Calibration
from energyctl.results.tables import Row
from energyctl.results.tables.totals import by_itself
from energyctl.text import duration, energy, percent, power, with_uncertainty

NAMES = {
    "cpu": "CPU",
    "gpus": "GPUs",
    "gpu_driver": "driver",
    "gpu_power_limit_watts": "power limit (W)",
    "governors": "governor",
    "constraint": "constraint",
}
"""Facts of a machine → their names for people."""


@dataclass(frozen=True)
class Machine:
    """A node, or the machine of a local campaign; facts: by name, all values that its runs tell."""

    name: str
    runs: int
    facts: Mapping[str, str]
    calibration: Calibration | None


@dataclass(frozen=True)
class Spread:
    """How far runs of the same training differ, within and between machines.

    within, between: standard deviations as shares of the mean, by the analysis of variance of one
    random effect (method of moments); between is what the means of machines differ by beyond the
    scatter of their runs, and not below 0. drawn: hyper-parameters and machine settings that
    differ from run to run, which are part of both.
    """

    training: str
    machines: int
    runs: int
    within: float
    between: float
    drawn: tuple[str, ...]


def factors(calibrations: Sequence[Calibration]) -> list[Calibration]:
    """Each with its energy over that of the first one whose energy is known."""
    base = next((one for one in calibrations if one.joules), None)
    return [_over(one, base) for one in calibrations]


def _over(one: Calibration, base: Calibration | None) -> Calibration:
    if base is None or not base.joules or one.joules is None:
        return one
    if one.measured != base.measured:
        return replace(one, no_factor="an estimate and a measurement do not compare")
    if sorted(one.domains) != sorted(base.domains):
        return replace(one, no_factor=f"metered are {_domains(one)}, there {_domains(base)}")
    factor = one.joules / base.joules
    bands = [
        c.uncertainty_joules / c.joules for c in (one, base) if c.uncertainty_joules and c.joules
    ]
    wide = None if len(bands) < 2 else factor * sum(bands)
    return replace(one, factor=factor, factor_uncertainty=0.0 if one is base else wide)


def _domains(one: Calibration) -> str:
    return ", ".join(sorted({*one.domains})) or "no domains"


def machines(rows: Iterable[Row], calibrations: Sequence[Calibration] = ()) -> list[Machine]:
    """By name; also those that were only calibrated."""
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("node") is not None:
            of[str(row["node"])].append(row)
    calibrated = {one.node: one for one in factors(calibrations)}
    return [
        Machine(name, len(of[name]), _facts(of[name]), calibrated.get(name))
        for name in sorted({*of, *calibrated})
    ]


def _facts(rows: Sequence[Row]) -> dict[str, str]:
    facts = {}
    for name in NAMES:
        values = dict.fromkeys(str(row[name]) for row in rows if row.get(name) is not None)
        if values:
            facts[name] = " or ".join(values)
    return facts


def spreads(rows: Iterable[Row]) -> list[Spread]:
    """Of each training that several machines did, at least one of them more than once."""
    of: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        joules, node = row.get("total_joules"), row.get("node")
        good = row.get("status") == "succeeded" and not row.get("warm_up")
        if good and joules and node is not None:
            of[_like(row)][str(node)].append(row)
    found = [_spread(name, list(groups.values())) for name, groups in sorted(of.items())]
    return [spread for spread in found if spread is not None]


def _like(row: Row) -> str:
    """What is compared only with its like: the training, its condition, and how it was metered."""
    metered = " (estimated)" if row.get("energy_measured") is False else ""
    if by_itself(row):
        metered += f", total: {row['total_of']}"
    return f"{row.get('repository')} / {row.get('model')}, {row.get('condition')}{metered}"


def _spread(training: str, groups: Sequence[Sequence[Row]]) -> Spread | None:
    values = [[float(row["total_joules"]) for row in group] for group in groups]
    total, kinds = sum(map(len, values)), len(values)
    if kinds < 2 or total <= kinds:
        return None
    mean = sum(map(sum, values)) / total
    means = [sum(group) / len(group) for group in values]
    inside = sum((x - m) ** 2 for group, m in zip(values, means, strict=True) for x in group)
    across = sum(len(group) * (m - mean) ** 2 for group, m in zip(values, means, strict=True))
    within = inside / (total - kinds)
    size = (total - sum(len(group) ** 2 for group in values) / total) / (kinds - 1)
    between = max(0.0, (across / (kinds - 1) - within) / size)
    rows = [row for group in groups for row in group]
    return Spread(
        training, kinds, total, math.sqrt(within) / mean, math.sqrt(between) / mean, _drawn(rows)
    )


def _drawn(rows: Sequence[Row]) -> tuple[str, ...]:
    prefixes = ("hyperparam_", "requested_")
    names = sorted({name for row in rows for name in row if name.startswith(prefixes)})
    return tuple(
        name.partition("_")[2] for name in names if len({str(row.get(name)) for row in rows}) > 1
    )


def calibration_words(one: Calibration) -> str:
    """``idle 61.2 W; 812.4 ± 1.1 J in 11.9 s; 1.043 ± 0.002 of the first …``."""
    parts = []
    if one.idle_watts is not None:
        parts.append(f"idle {power(one.idle_watts)}")
    if one.joules is not None:
        text = energy(one.joules, one.uncertainty_joules, measured=one.measured)
        parts.append(f"{text} in {duration(one.seconds)}")
    if one.factor is not None and one.factor_uncertainty != 0.0:
        factor = " ± ".join(with_uncertainty(one.factor, one.factor_uncertainty))
        parts.append(f"{factor} of the first (the band of the meters alone)")
    elif one.no_factor is not None:
        parts.append(f"no factor: {one.no_factor}")
    return "; ".join(parts) or "not known"


def sentence(spread: Spread) -> str:
    """In words, for a page and a terminal."""
    text = (
        f"{spread.training}: runs on one machine differ by {percent(spread.within)} (standard "
        f"deviation), machines by {percent(spread.between)} beyond that "
        f"({spread.runs} runs on {spread.machines} machines)"
    )
    if spread.drawn:
        text += f"; drawn values are part of it: {', '.join(spread.drawn)}"
    return text
