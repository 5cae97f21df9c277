"""The energy at an instant between two steps of a counter.

A counter tells its energy at each step only. What is known of the step that an instant lies in: its
ends, its joules, and, where the steps beside it were seen too, the power before and after it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """Between `begins` and `ends` (seconds on any one clock) `joules` flowed, and no more is known.

    watts_before, watts_after: mean power of the steps beside it; None: not seen.
    unsharp_seconds: how far its ends may be from where they were located.
    """

    begins: float
    ends: float
    joules: float
    watts_before: float | None = None
    watts_after: float | None = None
    unsharp_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        return self.ends - self.begins

    @property
    def watts(self) -> float:
        return self.joules / self.seconds

    def joules_until(self, time: float) -> float:
        """Joules from its beginning to `time`.

        Where its mean power lies between those of its neighbours, the load has switched from the
        one to the other within the step, and the mean tells when. Else the power is taken as even.
        """
        elapsed = min(self.seconds, max(0.0, time - self.begins))
        before, after = self.watts_before, self.watts_after
        if before is None or after is None:
            return self.watts * elapsed
        low, high = sorted((before, after))
        if not low < self.watts < high:
            return self.watts * elapsed
        switch = self.seconds * (after - self.watts) / (after - before)
        return before * min(elapsed, switch) + after * max(0.0, elapsed - switch)

    def doubt(self, time: float, most_watts: float) -> float:
        """How far `joules_until` may be off.

        Of all courses of power between 0 and `most_watts` that make up its joules, the furthest
        from the one that `joules_until` takes.
        """
        most = max(most_watts, self.watts)
        elapsed = min(self.seconds, max(0.0, time - self.begins))
        rest = self.seconds - elapsed
        highest = min(self.joules, most * elapsed) if elapsed else 0.0
        lowest = max(0.0, self.joules - most * rest) if rest else self.joules
        taken = self.joules_until(time)
        return max(highest - taken, taken - lowest, 0.0)
