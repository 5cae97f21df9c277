"""What each step found, whether that passes, and what it means: of plain figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from energyctl.energy.counter_steps import SHARP_SECONDS
from energyctl.meters.acceptance.estimators import Delay, Pace, deviation, residuals, spread
from energyctl.text import count, number, percent, short_duration, with_uncertainty

MOST_FOREIGN_CORES = 0.25
MOST_MISSED = 0.01
IDLE_WATTS, IDLE_SHARE = 2.0, 0.03
DELAY_WITHIN_SECONDS, RISE_AND_FALL_SECONDS = 0.010, 0.010
ALIAS_SPREAD = 0.02
STEADY_SHARE, STEADY_WATTS = 0.01, 1.0
WORK_SPREAD = 0.01
REPEATS_DEVIATION, REPEATS_INSIDE = 0.005, 0.9


@dataclass(frozen=True)
class Finding:
    """Of one step. figures: in the units of their names."""

    step: str
    passed: bool
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "passed": self.passed,
            "sentence": self.sentence,
            "figures": dict(self.figures),
        }


@dataclass(frozen=True)
class Metered:
    """What was metered of a stretch of time; own_joules: of the half-width, what is its own."""

    seconds: float
    joules: float
    uncertainty_joules: float
    own_joules: float
    units: float = 0.0

    @property
    def watts(self) -> float:
        return self.joules / self.seconds


def quiet(cores: float | None, persistence: bool | None, reasons: Sequence[str] = ()) -> Finding:
    """cores: of others, None: not known; reasons: what is not known of the machine."""
    faults = list(reasons)
    if cores is not None and cores >= MOST_FOREIGN_CORES:
        faults.append(f"others keep {number(cores, 2)} cores busy: end them")
    if persistence is False:
        faults.append("persistence mode is off: sudo nvidia-smi -pm 1")
    figures = {"foreign_cores": cores, "persistence_mode": persistence}
    said = "" if cores is None else f"others use {number(cores, 2)} cores, no process is on the GPU"
    return Finding("quiet", not faults, "; ".join(faults) or said, figures)


def counter(pace: Pace | None, call_seconds: float, gpus: int) -> Finding:
    """call_seconds: of one read; gpus: that are read one after the other."""
    if pace is None:
        sentence = (
            "the counter's steps could not be located: it stands still, or is read too slowly"
        )
        return Finding("counter", False, sentence, {"call_seconds": call_seconds})
    most = min(pace.seconds / 4, SHARP_SECONDS)
    faults = []
    if pace.missed >= MOST_MISSED:
        faults.append(f"it leaves out {percent(pace.missed)} of its updates")
    if call_seconds * gpus >= most:
        faults.append(
            f"reading {count(gpus, 'GPU')} takes {short_duration(call_seconds * gpus)}, more than "
            f"{short_duration(most)}, "
            "so its steps cannot be located while all are metered"
        )
    figures = {
        "update_seconds": pace.seconds,
        "varies_seconds": pace.varies_seconds,
        "missed_share": pace.missed,
        "call_seconds": call_seconds,
        "gpus": gpus,
    }
    said = (
        f"it moves every {short_duration(pace.seconds)}, give or take "
        f"{short_duration(pace.varies_seconds)}; a read takes {short_duration(call_seconds)}"
    )
    return Finding("counter", not faults, "; ".join([said, *faults]), figures)


def idle(means: Sequence[float]) -> Finding:
    """means: watts over stretches of the same length."""
    apart, most = max(means) - min(means), max(IDLE_WATTS, IDLE_SHARE * fmean(means))
    passed = apart <= most
    sentence = f"{number(fmean(means))} W, means within {number(apart, 2)} W"
    if not passed:
        sentence += f", more than {number(most, 2)} W: let the GPU come to rest, and try again"
    return Finding("idle", passed, sentence, {"watts": list(means)})


def delay(found: Delay | None) -> Finding:
    if found is None:
        sentence = "the load's rises and falls cannot be seen in the counter: delay is not known"
        return Finding("delay", False, sentence)
    apart = abs(found.rise_seconds - found.fall_seconds)
    faults = []
    if found.within_seconds > DELAY_WITHIN_SECONDS:
        faults.append("not known well enough")
    if apart > found.within_seconds + RISE_AND_FALL_SECONDS:
        rise, fall = (number(1000 * s, 2) for s in (found.rise_seconds, found.fall_seconds))
        faults.append(f"rises by {rise} ms, falls by {fall} ms: no one delay explains both")
    value, half = with_uncertainty(1000 * found.seconds, 1000 * found.within_seconds)
    sentence = "; ".join([f"energy is shown {value} ± {half} ms late", *faults])
    figures = {
        "delay_seconds": found.seconds,
        "within_seconds": found.within_seconds,
        "rise_seconds": found.rise_seconds,
        "fall_seconds": found.fall_seconds,
        "edges": found.edges,
    }
    return Finding("delay", not faults, sentence, figures)


def alias(per_unit: Mapping[str, float]) -> Finding:
    """per_unit: joules of a unit of work above idle, by the rhythm that it was done in."""
    apart = spread(list(per_unit.values()))
    passed = apart <= ALIAS_SPREAD
    sentence = f"the same work in {len(per_unit)} rhythms: joules within {percent(apart)}"
    if passed:
        sentence += ", so the sensor sees all of the time"
    else:
        sentence += (
            ": the sensor sees only a part of the time, and is wrong for trainings whose "
            "iterations are in time with it"
        )
    return Finding("alias", passed, sentence, {"joules_per_unit": dict(per_unit), "spread": apart})


def steady(levels: Sequence[tuple[float, float | None]]) -> Finding:
    """levels: watts by the counter, and by the power reading (None: it has none), under steady
    loads."""
    figures = {
        "counter_watts": [counted for counted, _ in levels],
        "reading_watts": [read for _, read in levels],
    }
    known = [(counted, read) for counted, read in levels if read is not None]
    if len(known) < len(levels):
        return Finding("steady", False, "the GPU does not tell its power", figures)
    passed = all(
        abs(counted - read) <= STEADY_SHARE * read + STEADY_WATTS for counted, read in known
    )
    said = ", ".join(f"{number(counted)} and {number(read)} W" for counted, read in known)
    sentence = f"counter and power reading: {said}"
    if not passed:
        worst = max(abs(counted / read - 1) for counted, read in known)
        sentence += f": they differ by up to {percent(worst)}, though both come from one sensor"
    return Finding("steady", passed, sentence, figures)


def work(per_unit: Mapping[str, float]) -> Finding:
    """per_unit: joules of a unit of work above idle, by how much of it was done."""
    apart = spread(list(per_unit.values()))
    sentence = f"1, 2 and 4 times the work: joules of a unit within {percent(apart)}"
    if apart > WORK_SPREAD:
        sentence += ": energy does not follow the work done"
    figures = {"joules_per_unit": dict(per_unit), "spread": apart}
    return Finding("work", apart <= WORK_SPREAD, sentence, figures)


def repeats(runs: Sequence[Metered]) -> Finding:
    """Runs of nearly the same work, metered as any training is."""
    left = residuals([run.units for run in runs], [run.joules for run in runs])
    varies = deviation(left) / fmean(run.joules for run in runs)
    inside = sum(abs(off) <= run.own_joules for off, run in zip(left, runs, strict=True)) / len(
        runs
    )
    faults = []
    if varies > REPEATS_DEVIATION:
        faults.append(f"more than {percent(REPEATS_DEVIATION)}")
    if inside < REPEATS_INSIDE:
        faults.append(f"only {percent(inside, 0)} of them within their own band")
    sentence = f"{len(runs)} runs of the same work: standard deviation {percent(varies, 2)}"
    figures = {
        "joules": [run.joules for run in runs],
        "units": [run.units for run in runs],
        "own_joules": [run.own_joules for run in runs],
        "deviation": varies,
        "inside_share": inside,
    }
    return Finding("repeats", not faults, ", ".join([sentence, *faults]), figures)


def null(stretches: Mapping[str, Sequence[Metered]]) -> Finding:
    """What does nothing adds nothing. stretches: before, during and after it, by what ran beside.

    The band: that of what was metered during it, and of the power of both stretches around it.
    """
    faults, figures = [], {}
    for beside, (before, during, after) in stretches.items():
        watts = (before.watts + after.watts) / 2
        blurred = before.uncertainty_joules / before.seconds
        blurred += after.uncertainty_joules / after.seconds
        doubt = (abs(after.watts - before.watts) + blurred) / 2
        joules = during.joules - watts * during.seconds
        band = during.uncertainty_joules + doubt * during.seconds
        figures[beside] = {"joules": joules, "uncertainty_joules": band}
        if abs(joules) > band:
            faults.append(f"{beside} it adds {number(joules, 2)} ± {number(band, 2)} J")
    said = "what does nothing adds nothing"
    return Finding("null", not faults, "; ".join(faults) or said, figures)
