"""A power meter at the wall beside energyctl's own counters: do the two agree, and how."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite, sqrt
from statistics import fmean, median
from typing import NamedTuple

from energyctl.energy.least_squares import least_squares
from energyctl.errors import SettingsError
from energyctl.meters.acceptance.estimators import spread
from energyctl.meters.acceptance.judgements import Finding
from energyctl.text import number, percent

HEADER = ["time", "watts"]
MOST_APART_SECONDS = 1.1
LONGEST_LAG_SECONDS, LAG_STEP_SECONDS = 10.0, 0.1
MOST_RESIDUAL, SLOPE_SPREAD, IDLE_SPREAD = 0.01, 0.02, 0.01
LEAST_SLOPE, MOST_SLOPE = 1.0, 1.25
IDLE, IDLE_AGAIN, CPU, BOTH = "idle", "idle again", "cpu", "cpu and gpu"


class Second(NamedTuple):
    """Mean power from `time` (Unix) to a second later. settled: it is not near a change of load."""

    time: float
    part: str
    settled: bool
    gpu_watts: float
    cpu_watts: float


@dataclass(frozen=True)
class WallPower:
    """What the wall meter told: Unix seconds in their order, watts."""

    times: Sequence[float]
    watts: Sequence[float]
    joules: Sequence[float]

    def mean_watts(self, start: float, end: float) -> float:
        return (self._joules_at(end) - self._joules_at(start)) / (end - start)

    def _joules_at(self, time: float) -> float:
        """From its first sample, with straight lines between them."""
        i = min(max(1, bisect_right(self.times, time)), len(self.times) - 1)
        before, after = self.times[i - 1], self.times[i]
        elapsed = time - before
        slope = (self.watts[i] - self.watts[i - 1]) / (after - before)
        return self.joules[i - 1] + (self.watts[i - 1] + slope * elapsed / 2) * elapsed


@dataclass(frozen=True)
class Fit:
    """wall = constant + gpu × GPUs + cpu × packages and memory; residual: rms, over its mean."""

    constant_watts: float
    gpu: float
    cpu: float
    residual: float


def wall_power(lines: Iterable[str]) -> WallPower:
    """Of a CSV with the columns time (Unix seconds) and watts.

    SettingsError where it is none, or has less than a sample a second.
    """
    rows = csv.reader(lines)
    try:
        if next(rows, None) != HEADER:
            raise SettingsError(f"--wall: its first line must be {','.join(HEADER)}")
        samples = sorted({float(row[0]): float(row[1]) for row in rows if len(row) > 1}.items())
    except (ValueError, csv.Error) as error:
        raise SettingsError(f"--wall: line {rows.line_num}: {error}") from error
    if not all(isfinite(value) for sample in samples for value in sample):
        raise SettingsError("--wall: it holds what is no finite number")
    apart = [b[0] - a[0] for a, b in pairwise(samples)]
    if len(apart) < 2 or median(apart) > MOST_APART_SECONDS:
        raise SettingsError("--wall: at least a sample each second is needed")
    times, watts = [time for time, _ in samples], [value for _, value in samples]
    steps = [(a[1] + b[1]) / 2 * (b[0] - a[0]) for a, b in pairwise(samples)]
    return WallPower(times, watts, list(accumulate(steps, initial=0.0)))


def lag(wall: WallPower, course: Sequence[Second]) -> float:
    """Seconds by which the wall meter tells later what the counters tell."""
    counted = [second.gpu_watts + second.cpu_watts for second in course]
    steps = round(LONGEST_LAG_SECONDS / LAG_STEP_SECONDS)

    def likeness(step: int) -> float:
        return _covariance(counted, _told(wall, course, step * LAG_STEP_SECONDS))

    return max(range(-steps, steps + 1), key=likeness) * LAG_STEP_SECONDS


def fit(told: Sequence[float], course: Sequence[Second]) -> Fit:
    """By least squares. told: by the wall meter, of the same seconds."""
    line = least_squares([(1.0, s.gpu_watts, s.cpu_watts) for s in course], told)
    if line is None:  # the load never changed
        return Fit(fmean(told), 0.0, 0.0, _rms([one - fmean(told) for one in told]) / fmean(told))
    constant, gpu, cpu = line.coefficients
    return Fit(constant, gpu, cpu, _rms(line.residuals) / fmean(told))


def judge(wall: WallPower, course: Sequence[Second]) -> Finding:
    """course: second after second, of all parts."""
    first, last = course[0].time, course[-1].time + 1
    late = lag(wall, course)
    if wall.times[0] > first + late or wall.times[-1] < last + late:
        return Finding("wall", False, "the wall meter's samples do not cover the whole of it")
    settled = [second for second in course if second.settled]
    told = _told(wall, settled, late)
    found = fit(told, settled)
    parts = {
        part: (
            fmean(w for w, s in zip(told, settled, strict=True) if s.part == part),
            fmean(s.gpu_watts for s in settled if s.part == part),
            fmean(s.cpu_watts for s in settled if s.part == part),
        )
        for part in dict.fromkeys(second.part for second in settled)
    }
    idle = parts[IDLE]
    slopes = {
        part: (w - idle[0] - found.cpu * (c - idle[2])) / (g - idle[1])
        for part, (w, g, c) in parts.items()
        if part not in (IDLE, IDLE_AGAIN, CPU, BOTH)
    }
    faults = _faults(found, slopes, [idle[0], parts[IDLE_AGAIN][0]])
    sentence = (
        f"wall = {number(found.constant_watts)} W + {number(found.gpu, 3)} × GPU + "
        f"{number(found.cpu, 3)} × CPU, to {percent(found.residual, 2)}; it tells "
        f"{number(late, 2)} s later"
    )
    figures = {
        "lag_seconds": late,
        "constant_watts": found.constant_watts,
        "gpu_slope": found.gpu,
        "cpu_slope": found.cpu,
        "residual": found.residual,
        "slopes": slopes,
        "watts": {part: values[0] for part, values in parts.items()},
    }
    return Finding("wall", not faults, "; ".join([sentence, *faults]), figures)


def _faults(found: Fit, slopes: dict[str, float], idles: Sequence[float]) -> list[str]:
    faults = []
    if found.residual > MOST_RESIDUAL:
        faults.append(f"that leaves more than {percent(MOST_RESIDUAL, 0)}")
    if spread(list(slopes.values())) > SLOPE_SPREAD:
        said = ", ".join(f"{number(slope, 3)}" for slope in slopes.values())
        faults.append(f"a watt of the GPU is {said} at the wall: not linear")
    if not all(LEAST_SLOPE <= slope <= MOST_SLOPE for slope in (found.gpu, found.cpu)):
        faults.append("a watt of a counter is 1 to 1.25 W at the wall where it is true")
    if spread(idles) > IDLE_SPREAD:
        faults.append(f"idle differs by {percent(spread(idles))} before and after")
    return faults


def _told(wall: WallPower, course: Sequence[Second], late: float) -> list[float]:
    return [wall.mean_watts(s.time + late, s.time + late + 1) for s in course]


def _rms(values: Sequence[float]) -> float:
    return sqrt(fmean(one * one for one in values))


def _covariance(xs: Sequence[float], ys: Sequence[float]) -> float:
    x, y = fmean(xs), fmean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
