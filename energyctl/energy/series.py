"""Samples of one domain in time order, and the energy between any two instants of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from energyctl.energy.domain import Domain, common_joules
from energyctl.energy.schema import CheckReason

# An instant this far outside the readings still counts as covered by the nearest one.
REACH_SECONDS = 0.05
# A run is known once it took so many times as long as what a meter, asked over a network, may not
# have shown of it yet: of less, the power that was seen says too little of what was not.
SHOWN = 2.0
NOT_SHOWN = "the run is too short, or too new, for what the meter told of it"


@dataclass(frozen=True)
class Span:
    """Energy of an interval with its uncertainty budget, or the reason why there is none.

    budget: joules by cause; their sum is the half-width of the band.
    reason: that of `missing` as a code, where the counter itself is to blame.
    """

    joules: float | None
    budget: Mapping[str, float] = field(default_factory=dict)
    missing: str | None = None
    reason: CheckReason | None = None

    @property
    def uncertainty_joules(self) -> float | None:
        return None if self.joules is None else sum(self.budget.values())

    @property
    def own_joules(self) -> float | None:
        """Of the uncertainty, what is this interval's own: see `common_joules`."""
        whole = self.uncertainty_joules
        return None if whole is None else whole - common_joules(self.budget)


class Series(ABC):
    """What one domain's source told, in time order. Time stamps are Unix seconds."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.times = array("d")
        self.values = array("d")
        self.failures: list[tuple[float, float, str]] = []  # from, to, reason

    @abstractmethod
    def append(
        self, time: float, value: float | None, reason: str | None = None, seconds: float = 0.0
    ) -> None:
        """Adds a sample (Unix time) that took `seconds` to read; value None: it failed."""

    @abstractmethod
    def between(self, start: float, end: float) -> Span:
        """Energy from start to end, in Unix seconds."""

    @abstractmethod
    def joules_at_last(self) -> float:
        """Joules from the first sample to the last one, as far as `stretch` is the same."""

    @property
    @abstractmethod
    def stretch(self) -> int:
        """Counts what cut the series: between samples of one stretch all joules are known."""

    def copy(self) -> Series:
        return deepcopy(self)

    def _fail(self, time: float, reason: str) -> None:
        since = self.times[-1] if self.times else time
        if self.failures and self.failures[-1][0] >= since and self.failures[-1][2] == reason:
            self.failures[-1] = (self.failures[-1][0], time, reason)
        else:
            self.failures.append((time, time, reason))

    def _why_unknown(self, time: float) -> str:
        """Why there is nothing at `time`: the nearest failure, or plainly no reading."""
        if self.domain.missing:
            return self.domain.missing
        if self.failures:
            return min(self.failures, key=lambda f: max(f[0] - time, time - f[1]))[2]
        return "no reading at the time"


def disagreement(joules: float, other: Series, start: float, end: float) -> float:
    """What a second series of the same power differs by; all *joules* where it tells nothing."""
    told = other.between(start, end).joules
    return joules if told is None else abs(joules - told)
