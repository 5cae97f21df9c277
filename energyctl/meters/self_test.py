"""Energy counters held against the power that the same devices tell, before they are relied upon.

Counters that stand still, go back, or are wrong by a factor of 100 are known of several makers'
devices and drivers (github.com/ROCm/amdsmi issues 22, 38 and 115).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple, Protocol

from energyctl.energy import Band, Check, against_power
from energyctl.energy.checks import DOUBTED, off
from energyctl.text import duration, number

LOOK_SECONDS = 0.02
# A counter is looked at until it has moved so often, and for so long, or for half a second; where
# something speaks against it then, anew for longer, and that alone counts.
ENOUGH_MOVES, ENOUGH_SECONDS, SHORT_SECONDS = 4, 0.25, 0.5
LEAST_MOVES, LONG_SECONDS = 3, 2.0
# One that moves more seldom stands still.
STILL_SECONDS = 1.0
# Instant readings that differ by this factor tell little of a mean. And where there are no others,
# bursts between them may explain as much.
UNEVEN = 1.5
# An averaged reading may be older than the counter's last step by the one, or younger by the other.
OLDER_SECONDS, YOUNGER_SECONDS = 0.3, 0.2
VERDICTS = ("agreed", "doubted", "refused")


class Look(NamedTuple):
    """What a device tells at one instant (monotonic seconds): joules of its counter, and its power
    now and averaged; None where it has no such reading, or an impossible one."""

    time: float
    joules: float | None
    instant: float | None
    average: float | None


class Device(Protocol):
    """averaging_seconds: what its averaged power is the mean over."""

    @property
    def averaging_seconds(self) -> float: ...

    def look(self) -> Look: ...


def self_test(
    devices: Sequence[Device],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Check]:
    """A check of each device's counter; all are looked at in the same time."""
    found: dict[int, Check] = {}
    for seconds, final in ((SHORT_SECONDS, False), (LONG_SECONDS, True)):
        ends = clock() + seconds
        doubtful = [i for i in range(len(devices)) if i not in found]
        looks = {i: Looks(devices[i].averaging_seconds) for i in doubtful}
        while doubtful and clock() < ends:
            for i in doubtful:
                looks[i].add(devices[i].look())
                if not final and looks[i].agreed:
                    found[i] = looks[i].check()
            doubtful = [i for i in doubtful if i not in found]
            sleep(LOOK_SECONDS)
        if final:
            found |= {i: looks[i].check() for i in doubtful}
    return [found[i] for i in range(len(devices))]


class Looks:
    """Those at one device, in their order."""

    def __init__(self, averaging_seconds: float) -> None:
        self._averaging = averaging_seconds
        self._looks: list[Look] = []  # that the counter could be read in
        self._moves: list[int] = []  # places at which it told other joules than before
        self._back = 0.0
        self._failed = False

    def add(self, look: Look) -> None:
        if look.joules is None:
            self._failed = True
            return
        if self._looks:
            delta = look.joules - self._joules(-1)
            self._back = max(self._back, -delta)
            if delta:
                self._moves.append(len(self._looks))
        self._looks.append(look)

    @property
    def agreed(self) -> bool:
        """It was looked at for long enough, and nothing speaks against it."""
        if len(self._moves) < ENOUGH_MOVES or self._seconds < ENOUGH_SECONDS:
            return False
        instant = self._instant()
        if instant and not instant.even and all(look.average is None for look in self._looks):
            return False
        return self.check().verdict == "agreed" and all(
            off(Band(counted.watts, counted.watts), told.band) <= doubted
            for counted, told, doubted in self._witnesses(self._whole)
        )

    @property
    def _seconds(self) -> float:
        return self._looks[-1].time - self._looks[0].time

    def check(self) -> Check:
        if self._back > 0:
            words = f"its energy counter went back by {number(self._back)} J"
            return Check("start", "refused", "back", details=words)
        still = max((b - a for a, b in pairwise(self._moments())), default=0.0)
        if len(self._moves) < LEAST_MOVES or still > STILL_SECONDS:
            if self._failed:
                words = "its energy counter could not always be read"
                return Check("start", "doubted", "gap", details=words)
            words = f"its energy counter stood still for {duration(still)}"
            return Check("start", "refused", "still", details=words)
        checks = [
            against_power(
                "start", counted.band, told.band, counted.watts, told.watts, doubted=doubted
            )
            for counted, told, doubted in self._witnesses(self._whole)
        ]
        checks.sort(key=lambda check: VERDICTS.index(check.verdict))
        if not checks:
            return Check("start", "agreed", None, self._whole.watts)
        return checks[0] if checks[0].verdict == "agreed" else checks[len(checks) // 2]

    @property
    def _whole(self) -> Power:
        return self._counted(self._moves[0], self._moves[-1])

    def _moments(self) -> list[float]:
        """When the looking began, when the counter moved, and the end."""
        return [self._looks[i].time for i in (0, *self._moves, -1)] if self._looks else []

    def _witnesses(self, whole: Power) -> Iterator[tuple[Power, Power, float]]:
        """Powers of the counter, each with what the device told of the same time, and the factor
        from which on that speaks against the counter.

        One that agrees is enough: an average may lag, and instant readings may all be of the same
        place of a load's period.
        """
        instant = self._instant()
        averages = list(self._averages(whole))
        if instant and (instant.even or not averages):
            yield whole, instant, DOUBTED if averages else UNEVEN
        for counted, told in averages:
            yield counted, told, DOUBTED

    def _instant(self) -> Power | None:
        return _told(look.instant for look in self._looks)

    def _averages(self, whole: Power) -> Iterator[tuple[Power, Power]]:
        """Averaged readings, each beside the counter's mean over as long before it.

        Where it was not looked at for so long yet, all of them beside the whole.
        """
        since = self._looks[0].time + self._averaging
        late = [look.time for look in self._looks if look.time >= since]
        told = _told(look.average for look in self._looks)
        if told and not late:
            yield whole, told
        for now in late if told else ():
            first, last = self._move_near(now - self._averaging), self._move_near(now)
            near = (now - YOUNGER_SECONDS, now + OLDER_SECONDS)
            told = _told(look.average for look in self._looks if near[0] <= look.time <= near[1])
            if told and first < last:
                yield self._counted(first, last), told

    def _move_near(self, time: float) -> int:
        return min(self._moves, key=lambda i: abs(self._looks[i].time - time))

    def _counted(self, first: int, last: int) -> Power:
        """From one move to another; each came between the look that saw it and the one before."""
        joules = self._joules(last) - self._joules(first)
        begins, ends = self._looks[first].time, self._looks[last].time
        longest = ends - self._looks[first - 1].time
        shortest = max(self._looks[last - 1].time - begins, longest / 4)
        return Power(joules / (ends - begins), Band(joules / longest, joules / shortest))

    def _joules(self, place: int) -> float:
        return self._looks[place].joules or 0.0


class Power(NamedTuple):
    """A mean, and between what it lies."""

    watts: float
    band: Band

    @property
    def even(self) -> bool:
        return self.band.high <= UNEVEN * self.band.low


def _told(watts: Iterable[float | None]) -> Power | None:
    told = [one for one in watts if one is not None]
    return Power(fmean(told), Band(min(told), max(told))) if told else None
