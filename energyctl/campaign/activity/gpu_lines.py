"""How long kernels of each process ran on one GPU, from looks through a run.

The driver's sums come with the end of a sample period, half of one late in the mean: a look tells
of so long before. The last of a process come after its end; what they tell was before it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from math import inf, sqrt
from statistics import fmean
from typing import NamedTuple

from energyctl.campaign.activity.growing import Growing, Stretch, common, seconds_of, union
from energyctl.meters.busy import BusyProcess, BusySource, DeviceLook, GpuBusy

LONGEST_LOOK_SECONDS = 5.0
"""Of what was between two looks that lie further apart nothing was told."""

ROUNDING = 0.005
"""Samples are whole percents: half of one may be off in each, and in the same direction."""

LONGEST_PERIOD_SECONDS = 1.0
"""Between two samples (nvmlUtilization_t: 1/6 to 1 s), where it is not told."""

FEWEST_SAMPLES, ENOUGH_LOOKS = 5, 1000


def busy_uncertainty(seconds: float, stretches: int, period: float) -> float:
    """Half-width of busy seconds: rounding, and of each edge half a sample period, in which the
    process may have been busy before it or after it; by chance, so in quadrature."""
    return ROUNDING * seconds + sqrt(2 * stretches) * period / 2


class Owner(NamedTuple):
    """Whose a process is; job: of the background."""

    side: str
    job: str | None = None


@dataclass
class ProcessLine:
    """One process on the GPU. Times are Unix seconds of the sampler's line.

    busy: in sample periods or, not `in_periods`, in seconds. began, ended: of its context; ended is
    None while it has one. seen: when it last had.
    """

    began: float
    seen: float
    owner: Owner | None = None
    ended: float | None = None
    busy: Growing = field(default_factory=Growing)
    in_periods: bool = False
    absent: int = 0
    """Looks at which it ran, and was busy since the look before, but its pid did not exist."""
    counts: array[float] = field(default_factory=lambda: array("d"))
    counted: array[float] = field(default_factory=lambda: array("d"))
    """How many sample periods it had been there for, and the times at which these were told."""

    def add(self, time: float, process: BusyProcess) -> None:
        self.busy.add(time, process.busy)
        self.in_periods = process.samples is not None
        if process.samples is not None and self.ended is None:
            self.counts.append(process.samples)
            self.counted.append(time)

    def seconds(self, stretches: Sequence[Stretch], period: float, late: float) -> float:
        """How long its kernels ran in them. late: seconds from what a look tells of to the look."""
        grown = sum(self._until(end, late) - self._until(start, late) for start, end in stretches)
        return grown * (period if self.in_periods else 1.0)

    def _until(self, instant: float, late: float) -> float:
        times, values, ended = self.busy.times, self.busy.values, self.ended
        if instant < self.began:
            return values[0]
        place = max(0, bisect_right(times, instant + late) - 1)
        around = range(place, min(place + 2, len(times)))
        looks = [(max(self.began, times[at] - late), values[at]) for at in around]
        points = [look for look in looks if ended is None or look[0] < ended]
        # What the looks after its end tell was before it.
        return Growing([*points, *([(ended, values[-1])] if ended is not None else [])]).at(instant)

    @property
    def is_busy(self) -> bool:
        """It has a context, and was busy since the look before."""
        return self.ended is None and any(b > a for a, b in pairwise(self.busy.values[-2:]))

    @property
    def context(self) -> Stretch:
        return self.began, self.seen if self.ended is None else self.ended


@dataclass(frozen=True)
class GpuFigures:
    """One GPU over some stretches; busy and contexts by side, in seconds. mhz: mean clock of
    its multiprocessors while it was busy; None: not told, or it was not."""

    source: BusySource
    busy: dict[str, float]
    contexts: dict[str, float]
    jobs: dict[str, float]
    both_seconds: float
    other_seconds: float
    device_seconds: float | None
    mhz: float | None
    uncertainty_seconds: float
    unknown_seconds: float


class GpuLines:
    """All processes of one GPU."""

    def __init__(self) -> None:
        self.lines: dict[tuple[int, float | None], ProcessLine] = {}
        self._replaced: list[ProcessLine] = []
        """Lines at whose key another one began: the pid was given anew, or sums began anew."""
        self._live: set[tuple[int, float | None]] = set()  # keys of lines that have not ended
        self._looks = array("d")
        self._source: BusySource = "utilization"
        self._period: float | None = None  # as the source says
        self._device = Growing()
        self._cycles, self._clocked = Growing(), Growing()
        """Busy seconds x clock (MHz), and busy seconds at which the clock was told."""
        self._device_looked: float | None = None
        self._latest_mhz: float | None = None

    def add(
        self, time: float, told: GpuBusy, there: Callable[[int], bool]
    ) -> list[tuple[int, ProcessLine]]:
        """A look at its processes; returns those whose owner is to be found, by pid.

        there: whether a pid is alive, asked where the source does not say whether it has a context.
        """
        before = self._looks[-1] if self._looks else None
        self._looks.append(time)
        self._source, self._period = told.source, told.period_seconds
        listed = set()
        for process in told.processes:
            key = process.pid, process.began
            listed.add(key)
            line = self.lines.get(key)
            if line is not None and process.busy < line.busy.values[-1] - 1e-6:
                self._replace(line, time)
                line = None
            if line is None:
                line = self.lines[key] = _new_line(process, before, time)
            running = there(process.pid) if process.running is None else process.running
            if running:
                line.seen, line.ended = time, None
                self._live.add(key)
            elif line.ended is None:
                line.ended = _within(process.ended, line.seen, time)
                self._live.discard(key)
            line.add(time, process)
        for key in self._live - listed:
            line = self.lines[key]
            line.ended = _within(None, line.seen, time)
        self._live &= listed
        return [
            (pid, line) for (pid, began) in listed if (line := self.lines[pid, began]).owner is None
        ]

    def _replace(self, line: ProcessLine, time: float) -> None:
        if line.ended is None:
            line.ended = _within(None, line.seen, time)
        self._replaced.append(line)

    @property
    def _all(self) -> Iterator[ProcessLine]:
        return chain(self._replaced, self.lines.values())

    def add_device(self, time: float, look: DeviceLook) -> None:
        """Its own utilisation, of the time since the look before. A look may find it idle, at a low
        clock, right before or after it was busy: so the higher clock of both looks counts."""
        before, self._device_looked = self._device_looked, time
        busy = look.percent / 100 * (time - before) if before else 0.0
        clocks = [mhz for mhz in (self._latest_mhz, look.sm_mhz) if mhz is not None]
        self._latest_mhz = look.sm_mhz
        self._device.more(time, busy)
        self._clocked.more(time, busy if clocks else 0.0)
        self._cycles.more(time, busy * max(clocks, default=0.0))

    def figures(self, stretches: Sequence[Stretch]) -> GpuFigures:
        known = self.period_seconds
        period, late = known or LONGEST_PERIOD_SECONDS, (known or 0.0) / 2
        busy, jobs = dict[str, float](), dict[str, float]()
        contexts, other, sampled = dict[str, list[Stretch]](), 0.0, False
        for line in self._all:
            seconds = line.seconds(stretches, period, late)
            sampled = sampled or (seconds > 0 and not line.in_periods)
            if line.owner is None:
                other += seconds
                continue
            side, job = line.owner
            busy[side] = busy.get(side, 0.0) + seconds
            contexts.setdefault(side, []).append(line.context)
            if job is not None:
                jobs[job] = jobs.get(job, 0.0) + seconds
        there = {side: common(union(spans), stretches) for side, spans in contexts.items()}
        both = common(there.get("foreground", []), there.get("background", []))
        seconds = seconds_of(stretches)
        return GpuFigures(
            source=self._source if not sampled else "utilization",
            busy=busy,
            contexts={side: seconds_of(spans) for side, spans in there.items()},
            jobs=jobs,
            both_seconds=seconds_of(both),
            other_seconds=other,
            device_seconds=self._device.growth(stretches) if self._device.times else None,
            mhz=self._mhz(stretches),
            uncertainty_seconds=busy_uncertainty(seconds, len(stretches), period),
            unknown_seconds=seconds - self._known(stretches),
        )

    def _mhz(self, stretches: Sequence[Stretch]) -> float | None:
        seconds = self._clocked.growth(stretches)
        return self._cycles.growth(stretches) / seconds if seconds > 0 else None

    @property
    def told(self) -> bool:
        """Whether its processes were told at any look."""
        return bool(self._looks)

    @property
    def period_seconds(self) -> float | None:
        """Between two samples: growth of time by growth of their number, as a line through all
        looks tells it (no longer than drivers have it), else as the source does; None: not told."""
        lines = [line for line in self._all if line.counts]
        if sum(line.counts[-1] - line.counts[0] for line in lines) >= FEWEST_SAMPLES:
            pairs = [pair for line in lines for pair in _from_means(line.counts, line.counted)]
            if (slope := _slope(pairs)) is not None:
                # A look that was held up is off by more than a sample.
                near = [(n, t) for n, t in pairs if abs(t - slope * n) <= 0.75 * slope]
                return min(_slope(near) or slope, LONGEST_PERIOD_SECONDS)
        return self._period

    def _known(self, stretches: Sequence[Stretch]) -> float:
        """Seconds between looks that are not too far apart."""
        known = 0.0
        for start, end in stretches:
            first, last = bisect_right(self._looks, start), bisect_left(self._looks, end)
            around = self._looks[max(0, first - 1) : last + 1]
            known += sum(
                min(after, end) - max(before, start)
                for before, after in pairwise(around)
                if after - before <= LONGEST_LOOK_SECONDS
            )
        return known


def _from_means(counts: array[float], times: array[float]) -> Iterator[tuple[float, float]]:
    """Of a thousand looks, which tell as much as all."""
    step = 1 + len(counts) // ENOUGH_LOOKS
    counts, times = counts[::step], times[::step]
    count, time = fmean(counts), fmean(times)
    return ((n - count, t - time) for n, t in zip(counts, times, strict=True))


def _slope(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Of the line through them and through the origin: seconds per sample. Numbers of samples are
    whole and so inexact, times are not: it is the inverse of the number's growth with time. None
    where the number does not grow."""
    growth = sum(n * t for n, t in pairs)
    return sum(t * t for _, t in pairs) / growth if growth > 0 else None


def _new_line(process: BusyProcess, before: float | None, time: float) -> ProcessLine:
    """before: time of the look before. What a process did before the first look, or long before it
    was listed, does not count: nobody knows when it was."""
    began = inf if process.began is None else process.began
    if before is None or began < before - LONGEST_PERIOD_SECONDS:
        return ProcessLine(time, time)
    line = ProcessLine(_within(process.began, before, time), time)
    line.busy.add(line.began, 0.0)
    return line


def _within(instant: float | None, start: float, end: float) -> float:
    """Where it is not told, the middle."""
    return (start + end) / 2 if instant is None else min(max(instant, start), end)
