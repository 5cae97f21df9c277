"""CPU time of trainings that end and begin anew, from looks at their process trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from energyctl.results.background_load import CpuLine
from energyctl.system.process_trees import Tree


@dataclass
class CpuSpent:
    """CPU seconds of all that ran below some launchers, those that have ended included."""

    cpu: CpuLine = field(default_factory=CpuLine)
    ended_seconds: float = 0.0  # of ended iterations, by their launchers' word
    lost_seconds: float = 0.0  # of launchers that were killed and left no word
    alive: dict[tuple[int, int], float] = field(default_factory=dict)
    contained: dict[tuple[int, int], float] = field(default_factory=dict)
    spent: float = 0.0

    def add(
        self,
        time: float,
        ended_seconds: float,
        last: int,
        trees: Sequence[Tree],
        contained: Sequence[Tree] = (),
    ) -> None:
        """A look. last: pid of the last launcher whose time is in *ended_seconds*; that of
        containers (*contained*) never is."""
        before, self.contained = (
            self.contained,
            {(t.root, t.began): t.cpu_seconds for t in contained},
        )
        gone = before.keys() - self.contained.keys()
        self.lost_seconds += sum(before[key] for key in gone)
        now = {(t.root, t.began): t.cpu_seconds for t in trees if t.root != last}
        if ended_seconds == self.ended_seconds:
            gone = self.alive.keys() - now.keys()
            self.lost_seconds += sum(self.alive[key] for key in gone if key[0] != last)
        self.ended_seconds, self.alive = ended_seconds, now
        total = self.lost_seconds + ended_seconds + sum(now.values())
        total += sum(self.contained.values())
        # A process that was ending at the look was missed; the next look has its time again.
        self.spent = max(self.spent, total)
        self.cpu.add(time, self.spent)
