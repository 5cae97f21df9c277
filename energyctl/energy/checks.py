"""Whether a figure can be right: held against the power that the same device tells, and against
what it can draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

from energyctl.energy.schema import CheckJson, CheckReason, Verdict
from energyctl.text import count, number

# A counter that is off by this factor is doubted. By about two it is refused: a little less, since
# it may be off by exactly two, and its watts are known to some percent only.
DOUBTED, REFUSED = 1.1, 1.9
# A mean over less than this may be that of a burst.
LEAST_SECONDS = 1.0

When = Literal["start", "run"]


class Band(NamedTuple):
    """Watts between which a power lies."""

    low: float
    high: float

    @staticmethod
    def around(watts: float, doubt: float) -> Band:
        return Band(max(0.0, watts - doubt), watts + doubt)

    def with_(self, *watts: float) -> Band:
        return Band(min(self.low, *watts), max(self.high, *watts))


@dataclass(frozen=True)
class Check:
    """What one look at a figure found.

    when: "start": when its source was opened; "run": over an interval. reason: of a verdict that is
    not "agreed". counter_watts, power_watts: what the counter tells, and what it was held against;
    None: unknown. details: in words, where that is not said by the others.
    """

    when: When
    verdict: Verdict
    reason: CheckReason | None = None
    counter_watts: float | None = None
    power_watts: float | None = None
    details: str = ""

    @property
    def words(self) -> str:
        """``its energy counter shows 19000 W, but its power reading 190 W``."""
        if self.details or self.counter_watts is None:
            return self.details
        counted = number(self.counter_watts)
        if self.power_watts is None:
            return f"its energy counter shows {counted} W"
        other = number(self.power_watts)
        if self.reason == "limit":
            return f"its energy counter shows {counted} W, but it draws at most {other} W"
        return f"its energy counter shows {counted} W, but its power reading {other} W"

    def to_json(self) -> CheckJson:
        return {
            "when": self.when,
            "verdict": self.verdict,
            "reason": self.reason,
            "counter_watts": self.counter_watts,
            "power_watts": self.power_watts,
        }


def against_power(
    when: When,
    counter: Band,
    power: Band,
    counter_watts: float,
    power_watts: float,
    *,
    doubted: float = DOUBTED,
) -> Check:
    """A counter's power held against what the device told; both are known to lie in a band, and
    named by one figure. doubted: from which factor on."""
    factor = off(counter, power)
    verdict: Verdict = "agreed"
    if factor > doubted:
        verdict = "refused" if factor >= REFUSED else "doubted"
    reason: CheckReason | None = None if verdict == "agreed" else "power"
    return Check(when, verdict, reason, counter_watts, power_watts)


def off(one: Band, other: Band) -> float:
    """The factor by which both differ at least; 1: they meet."""
    low, high = sorted((one, other))
    if high.low <= low.high:
        return 1.0
    return high.low / low.high if low.high > 0 else inf


def against_limit(joules: float, seconds: float, max_watts: float | None) -> Check | None:
    """None: it is not more than the device can draw. A stated limit need not be in force."""
    if not max_watts or seconds < LEAST_SECONDS or joules <= max_watts * seconds:
        return None
    watts = joules / seconds
    verdict: Verdict = "refused" if watts > 2 * max_watts else "doubted"
    return Check("run", verdict, "limit", watts, max_watts)


def spikes(readings: int) -> Check | None:
    """Of readings that were impossible and set aside; None: there were none."""
    if not readings:
        return None
    what = count(readings, "reading")
    return Check(
        "run", "doubted", "spikes", details=f"{what} of its counter were impossible, and set aside"
    )


def broken(reason: CheckReason, words: str | None) -> Check:
    """Of a counter whose energy is unknown."""
    return Check("run", "refused", reason, details=words or "")


def refusal(checks: Sequence[Check]) -> Check | None:
    """The first that says that a figure is wrong."""
    return next((check for check in checks if check.verdict == "refused"), None)
