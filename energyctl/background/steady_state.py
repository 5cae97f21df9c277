"""When a background load counts as loaded. Pure: what looks at it saw → what is still missing.

Every job has to show its load first, or to end an iteration. Then whole cycles of each are waited
for, as many as :func:`blocks_wanted` says, or as the time limit leaves room for, and the power over
their first half and their second has to be alike. Times are Unix seconds on the sampler's line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

from energyctl.results.cycles import (
    Cycle,
    blocks_wanted,
    joined,
    last_blocks,
    typical_seconds,
)
from energyctl.text import count, short_duration

BUSY_PERCENT = 10.0
ABOVE_IDLE_WATTS, ABOVE_IDLE_SHARE = 15.0, 0.10
"""A GPU that is so busy, or draws so much more than when it is idle, is under load."""

ALIKE = 0.02
"""Halves that differ by less than this share of the mean are alike."""

ALIKE_SINGLE = 0.10
"""The same of single cycles, which alone do not tell how much they vary."""

BLOCKS = 5
"""Into so many at most is a half divided, to see how much the load varies within it."""


def is_under_load(percent: float | None, watts: float | None, idle_watts: float | None) -> bool:
    """Whether a GPU is: *percent* busy (None: not told, 0: surely not), at *watts*."""
    if percent is not None and percent >= BUSY_PERCENT:
        return True
    if watts is None or idle_watts is None or percent == 0:
        return False
    return watts > idle_watts + max(ABOVE_IDLE_WATTS, ABOVE_IDLE_SHARE * idle_watts)


@dataclass
class InVain:
    """What earlier runs of a campaign waited for in vain, and later ones do not; by training."""

    cycles: set[str] = field(default_factory=set)
    """A whole cycle: it takes longer than the time limit."""

    signs: set[str] = field(default_factory=set)
    """Any sign of its load."""


@dataclass(frozen=True)
class JobLook:
    """A job at one look.

    began: start of its newest iteration. loaded: whether it shows its load now; missing: what of
    it does not. cycles: whole ones so far, of what `unit` says. endless: an earlier run waited in
    vain for one of them.
    """

    name: str
    began: float
    loaded: bool
    missing: str = ""
    cycles: Sequence[Cycle] = ()
    unit: str = "iteration"
    endless: bool = False


class MeanPower(NamedTuple):
    """Of a domain over a span, with its half-width."""

    watts: float
    uncertainty_watts: float


PowerBetween = Callable[[float, float], Mapping[str, MeanPower]]
"""Mean power from one instant to another, of each domain that the load is on."""


class Trend(NamedTuple):
    """Of the power of a domain over whole cycles: its mean, by how much the second half is above
    the first, and how much of that may be chance."""

    mean: float
    drift: float
    chance: float


@dataclass
class Settling:
    """Watches a load as it comes up, look by look.

    least_seconds: of whole cycles. deadline: when the waiting ends.
    """

    least_seconds: float
    deadline: float
    loaded: dict[str, float] = field(default_factory=dict)
    """When each job was seen to be loaded, since it was away."""

    since: float | None = None
    """From when on whole cycles are of the load: where the iteration began in which the last of
    the jobs showed it, or which it ended. None before."""

    cycles: Sequence[Cycle] = ()
    """Whole ones over which the load was seen at the last look, of the slowest job."""

    unit: str = "iteration"
    """What one of them is."""

    trends: Mapping[str, Trend] = field(default_factory=dict)
    unseen: Sequence[str] = ()
    """Jobs that are loaded, but of which no whole cycle was seen since."""

    _since: dict[str, float] = field(default_factory=dict)
    _away: dict[str, float] = field(default_factory=dict)

    def away(self, now: float, jobs: Iterable[str]) -> None:
        """These do not run; they have to show their load anew."""
        for job in jobs:
            self.since, self.cycles, self.trends, self.unseen = None, (), {}, ()
            self._away[job] = now
            self._since.pop(job, None)
            self.loaded.pop(job, None)

    def look(self, now: float, jobs: Sequence[JobLook], power: PowerBetween) -> str | None:
        """What is still waited for; None: nothing."""
        self.since, self.cycles, self.trends, self.unseen = None, (), {}, ()
        for job in jobs:
            whole = [c for c in job.cycles if c.start >= self._away.get(job.name, -math.inf)]
            if job.name not in self._since and (job.loaded or whole):
                self.loaded[job.name] = now
                begun = job.began if job.unit == "iteration" else now
                self._since[job.name] = whole[0].start if whole else begun
        if waiting := [job for job in jobs if job.name not in self._since]:
            return "; ".join(f"{job.name} is not loaded yet: {job.missing}" for job in waiting)
        self.since = max(self._since[job.name] for job in jobs)
        return self._missing_cycles(now, jobs) or self._drifting(power)

    @property
    def steady(self) -> bool | None:
        """Of a load that nothing is missing of: None where there was nothing to compare."""
        return None if self.unseen or len(self.cycles) < 2 else True

    def _missing_cycles(self, now: float, jobs: Sequence[JobLook]) -> str | None:
        assert self.since is not None
        seen = {job.name: [c for c in job.cycles if c.start >= self.since] for job in jobs}
        self.unseen = [name for name, cycles in seen.items() if not cycles]
        job = max(jobs, key=lambda job: typical_seconds(seen[job.name]) or 0.0)
        self.cycles, self.unit = seen[job.name], job.unit
        endless = max(self.loaded.values()) + self.least_seconds - now, "its load is watched"
        waits = [endless if j.endless else self._wait(j, seen[j.name], now) for j in jobs]
        left, text = max(waits)
        if left > 0:
            return text
        if typical := typical_seconds(self.cycles):
            wanted = self._wanted(typical, self.cycles[0].start)
            self.cycles = last_blocks(self.cycles, now, wanted)
        return None

    def _wait(self, job: JobLook, seen: Sequence[Cycle], now: float) -> tuple[float, str]:
        """(seconds, at most 0 where there is nothing to wait for; in words)."""
        typical = typical_seconds(seen or job.cycles)
        if typical is None:
            so_far = short_duration(now - job.began)
            return math.inf, f"waiting for {job.name}'s first whole {job.unit} ({so_far} so far)"
        first = seen[0].start if seen else max(self.since or 0.0, job.began)
        missing = self._wanted(typical, first) - len(seen)
        if missing <= 0:
            return 0.0, ""
        left = max(0.1, (seen[-1].end if seen else first) + missing * typical - now)
        units = count(len(seen) + missing, f"whole {job.unit}")
        each, more = short_duration(typical), short_duration(left)
        return left, f"{len(seen)} of {units} of {job.name} seen, {each} each, about {more} left"

    def _wanted(self, typical: float, first: float) -> int:
        """So many whole cycles from *first* on. Where the time limit comes before, as many as there
        is room for, one at least, but for `least_seconds` all the same."""
        wanted = blocks_wanted(typical, self.least_seconds)
        if typical <= 0:
            return wanted
        room = int((self.deadline - first) / typical)
        return min(wanted, max(1, room, math.ceil(self.least_seconds / typical)))

    def _drifting(self, power: PowerBetween) -> str | None:
        if len(self.cycles) < 2:
            return None  # there is nothing to compare
        self.trends = trends(self.cycles, power)
        for name, trend in self.trends.items():
            if abs(trend.drift) > trend.chance:
                units = count(len(self.cycles), f"whole {self.unit}")
                return f"{name} drifts by {trend.drift:+.2g} W over {units} of {trend.mean:.3g} W"
        return None


def trends(cycles: Sequence[Cycle], power: PowerBetween) -> dict[str, Trend]:
    """Of each domain over *cycles*, two at least; of an odd number the middle one is left out."""
    half = len(cycles) // 2
    first, second = cycles[:half], cycles[len(cycles) - half :]
    whole, before, after = (power(part[0].start, part[-1].end) for part in (cycles, first, second))
    blocks = [[power(*block) for block in joined(part, BLOCKS)] for part in (first, second)]
    return {
        name: _trend(
            mean.watts,
            before[name],
            after[name],
            [[block[name].watts for block in part if name in block] for part in blocks],
        )
        for name, mean in whole.items()
        if name in before and name in after
    }


def _trend(
    mean: float, before: MeanPower, after: MeanPower, halves: Sequence[Sequence[float]]
) -> Trend:
    blocks = min(len(half) for half in halves)
    if blocks < 2:
        chance = ALIKE_SINGLE * mean
    else:
        squares = sum((watts - fmean(half)) ** 2 for half in halves for watts in half)
        spread = math.sqrt(squares / (sum(map(len, halves)) - 2))
        chance = max(ALIKE * mean, 2 * spread * math.sqrt(2 / blocks))
    doubt = before.uncertainty_watts + after.uncertainty_watts
    return Trend(mean, after.watts - before.watts, chance + doubt)
