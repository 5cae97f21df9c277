"""How busy a background job was in a time span, from looks at it. Pure.

Times are Unix seconds on one line; what a look tells is of the time since the look before.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from energyctl.results.schema import LoadJson

BUSY_CORES = 0.1
"""A job whose processes use less of one core between two looks is idle."""

LONGEST_LOOK_SECONDS = 5.0
"""What was between two looks that lie further apart is not known."""

SHORTEST_SECONDS = 1.0
"""CPU time is counted in ticks of 10 ms, GPUs are sampled up to a second apart (nvmlUtilization_t):
shorter spans tell too little."""

ENOUGH_KNOWN = 0.9
"""Share of a span that has to be known."""

SAMPLE_SECONDS = 1.0
"""What a sample of a GPU stands for at most where none precedes it closely."""

CLOSE_SECONDS = 2.0
"""Samples no further apart than this stand for all the time in between."""


class FigureUnknown(Exception):
    """A figure of a span is not known; the text says why."""


@dataclass(frozen=True)
class JobLoad:
    """How busy a job's processes were in a span; None with the reason, by key, in *missing*.

    load: share of the span in which they were busy, on a GPU (source "nvml") or, where they were
    on none or the driver does not tell, on a CPU ("cpu"). gpu_percent: mean SM utilisation by
    them, over the GPUs that they were on. cpu_cores: mean CPU time of their tree per second.
    """

    load: float | None = None
    gpu_percent: float | None = None
    cpu_cores: float | None = None
    source: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> LoadJson:
        """Without ``missing``."""
        return {
            "load": self.load,
            "utilization": {
                "gpu_percent": self.gpu_percent,
                "cpu_cores": self.cpu_cores,
                "source": self.source,
            },
        }


def unknown(why: str) -> JobLoad:
    """Nothing of it is known."""
    return JobLoad(missing=dict.fromkeys(("load", "gpu_percent", "cpu_cores", "source"), why))


class BusyShare(NamedTuple):
    """Of a span: busy share, and the mean of the figure over all of it."""

    busy: float
    mean: float


class CpuLine:
    """CPU seconds of one job so far, at each look."""

    def __init__(self) -> None:
        self._times, self._spent = array("d"), array("d")

    def add(self, time: float, seconds: float) -> None:
        if not self._times or time > self._times[-1]:
            self._times.append(time)
            self._spent.append(seconds)

    def between(self, start: float, end: float) -> BusyShare:
        """Busy share, and mean cores. Raises Unknown."""
        intervals = list(self._intervals(start, end))
        busy = sum(seconds for seconds, cores in intervals if cores >= BUSY_CORES)
        spent, known = self.spent(start, end)
        _check(known, end - start, "looks at its processes")
        return BusyShare(busy / known, spent / known)

    def spent(self, start: float, end: float) -> tuple[float, float]:
        """CPU seconds in the span, as far as they are known; seconds of it of which they are."""
        intervals = list(self._intervals(start, end))
        return sum(s * cores for s, cores in intervals), sum(s for s, _ in intervals)

    def uncertainty(self, instant: float) -> float:
        """By how much the CPU seconds up to an instant may be off, that lies between two looks."""
        place = bisect_left(self._times, instant)
        if not 0 < place < len(self._times):
            return 0.0
        before, after = self._times[place - 1], self._times[place]
        share = min(instant - before, after - instant) / (after - before)
        return share * (self._spent[place] - self._spent[place - 1])

    def _intervals(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """(seconds within the span, mean cores) of each interval between two looks."""
        for place, seconds in _intervals(self._times, start, end):
            length = self._times[place] - self._times[place - 1]
            yield seconds, (self._spent[place] - self._spent[place - 1]) / length


class GpuLine:
    """How busy one job kept one GPU: the driver's samples of its processes."""

    def __init__(self) -> None:
        self._times, self._percent, self._lengths = array("d"), array("d"), array("d")

    def add(self, time: float, percent: float, seconds: float | None = None) -> None:
        """*percent*: of all its processes, for *seconds* until *time*; None: since the one before,
        as far as that is close."""
        if not self._times or time > self._times[-1]:
            self._times.append(time)
            self._percent.append(min(100.0, percent))
            self._lengths.append(math.nan if seconds is None else seconds)

    def stretches(self, start: float, end: float) -> Iterator[tuple[float, float, float]]:
        """(from, to, percent) of all the time within the span in which it was busy."""
        for place in range(bisect_left(self._times, start), len(self._times)):
            time, length = self._times[place], self._lengths[place]
            before = self._times[place - 1] if place else -math.inf
            if not math.isnan(length):
                since = max(before, time - length)
            else:
                length = SAMPLE_SECONDS
                since = before if time - before <= CLOSE_SECONDS else time - length
            if since >= end:
                return
            # The next sample may not have come when the span ended.
            open_end = place == len(self._times) - 1 and time < end <= time + length
            until = end if open_end else min(time, end)
            yield max(since, start), until, self._percent[place]


class AnswerLine:
    """When the driver told how busy each process was on one GPU."""

    def __init__(self) -> None:
        self._times = array("d")

    def add(self, time: float) -> None:
        self._times.append(time)

    def check(self, start: float, end: float) -> None:
        """Raises Unknown where too much of the span lies between answers that are far apart."""
        known = sum(seconds for _, seconds in _intervals(self._times, start, end))
        _check(known, end - start, "the driver's answers")


def _intervals(times: array[float], start: float, end: float) -> Iterator[tuple[int, float]]:
    """(place of its end, seconds within the span) of each interval that is not too long."""
    for place in range(max(1, bisect_right(times, start)), bisect_left(times, end) + 1):
        if place == len(times):
            return
        before, after = times[place - 1], times[place]
        if after - before <= LONGEST_LOOK_SECONDS:
            yield place, max(0.0, min(after, end) - max(before, start))


def _check(known: float, span: float, what: str) -> None:
    if known <= 0 or known < ENOUGH_KNOWN * span:
        raise FigureUnknown(f"{what} cover {known:.1f} s of {span:.1f} s")


def on_gpus(lines: Mapping[int, GpuLine], start: float, end: float) -> BusyShare:
    """Share in which a job was busy on any of the GPUs, and its mean percent over all of them."""
    stretches = [s for line in lines.values() for s in line.stretches(start, end)]
    total = sum((until - since) * percent for since, until, percent in stretches)
    busy, reached = 0.0, start
    for since, until, _ in sorted(stretches):
        busy += max(0.0, until - max(since, reached))
        reached = max(reached, until)
    span = end - start
    return BusyShare(min(1.0, busy / span), total / span / len(lines))
