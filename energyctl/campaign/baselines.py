"""What a foreground's energy is compared with: which stretches of the run, and the waits for them.

Of the load alone these are whole cycles of the job with the longest ones, before the foreground and
after it; of the idle machine the phase before, and the end of the cool-down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from energyctl.background.group import BackgroundGroup
from energyctl.campaign.run_state import RunState
from energyctl.config.settings import Settle
from energyctl.energy import Block, Phase, deviation, equal_blocks, joined
from energyctl.errors import BackgroundLost, Interrupted
from energyctl.results.cycles import (
    FEWEST,
    Cycle,
    blocks_wanted,
    first_blocks,
    last_blocks,
    slowest,
    typical_seconds,
)
from energyctl.results.schema import BaselineUnit
from energyctl.text import duration, percent

ALONE = ("background_start", "background_only")
"""Phases in which nothing but the load runs."""

IDLE_BLOCKS = 4

SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.1, 0.5
"""Between two looks at whether the cycles are there: a quarter of one, within these."""

LONGER = "set settle.timeout_seconds to three of them, or make them shorter"

LEAST_PRESENCE = 0.9
"""Share of a baseline that each job has to go through its cycles in."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a baseline; `missing`: why there are none before the foreground.

    cycle_seconds: the usual length of one. timeout_seconds: for so long they are waited for.
    """

    unit: BaselineUnit
    before: Sequence[Block] = ()
    after: Sequence[Block] = ()
    cycle_seconds: float | None = None
    missing: str | None = None
    timeout_seconds: float = 0.0

    @property
    def cycle_deviation_seconds(self) -> float | None:
        """Of their lengths, about the mean of their side; None of idle, or of a single one."""
        sides = [[end - start for start, end in side] for side in (self.before, self.after)]
        return None if self.cycle_seconds is None else deviation(sides)

    @property
    def single(self) -> str | None:
        """What is to be said where there is one cycle only before the foreground."""
        if self.cycle_seconds is None or len(self.before) > 1:
            return None
        what, three = self.unit.removesuffix("s"), ceil(FEWEST * self.cycle_seconds)
        seen = (
            f"a single {what} of the background ({duration(self.before_seconds)}; usually "
            f"{duration(self.cycle_seconds)}), too few to tell how much they differ"
        )
        if self.timeout_seconds >= three:
            return seen
        return (
            f"{seen}: set settle.timeout_seconds to {three} or more, which is three of them, or "
            "make them shorter"
        )

    @property
    def before_seconds(self) -> float:
        return _seconds(self.before)

    @property
    def after_seconds(self) -> float:
        return _seconds(self.after)


def _seconds(blocks: Sequence[Block]) -> float:
    return sum(end - start for start, end in blocks)


def cycles_wanted(typical: float, settle: Settle) -> int:
    """How many whole cycles of that length (seconds) are watched before the foreground, and after
    it: for ``seconds`` at least, for ``timeout_seconds`` at most, so it may be none."""
    longest = max(settle.timeout_seconds, settle.seconds)
    return min(blocks_wanted(typical, settle.seconds), int(longest / typical))


def watch_load_before(live: RunState, background: BackgroundGroup) -> None:
    """Waits for what is missing of the cycles before the foreground: for ``settle.seconds`` where
    they are too long to be waited for, or none is seen until then."""
    settle, watch = live.load_alone, _CycleWatch(live, background)
    if not watch.wanted:
        live.pause(settle.seconds, until=lambda: watch.wanted > 0)
    watch.wait(live.loaded_since or 0.0)


def watch_load_after(live: RunState) -> None:
    """Waits for as many whole cycles after the foreground, which has succeeded whatever comes."""
    start, since = live.attempts[-1].start, live.sampler.latest().phase_since_unix
    if live.background is None or start is None or since is None:
        return
    watch = _CycleWatch(live, live.background, until=start)
    try:
        if live.run.references is not None and not watch.wanted:
            live.pause(live.run.references.background_alone_seconds)
        watch.wait(since)
        live.look()
    except (Interrupted, BackgroundLost) as error:
        live.warnings.append(f"the load alone was not watched to its end: {error}")


class _CycleWatch:
    """Waits for cycles of the job with the longest ones; *until*: those that ended then (Unix
    seconds) tell how long they are."""

    def __init__(self, live: RunState, background: BackgroundGroup, until: float = inf) -> None:
        self._live, self._background, self._until = live, background, until
        self._settle = live.load_alone

    @property
    def _cycles(self) -> Sequence[Cycle]:
        """None of any job as long as one has none: then there is no baseline."""
        jobs = self._background.cycles(self._settle.longest_iteration_seconds)
        return slowest(jobs) if all(jobs.values()) else ()

    @property
    def _typical(self) -> float | None:
        cycles = self._cycles
        return typical_seconds(last_blocks(cycles, self._until, len(cycles)))

    @property
    def wanted(self) -> int:
        """How many, by those seen so far; 0 where there is none."""
        typical = self._typical
        return cycles_wanted(typical, self._settle) if typical else 0

    def wait(self, since: float) -> None:
        """Until so many began and ended since then (Unix seconds), at most as long as these, one
        more that has begun before, and some that take longer than usual will take."""
        typical, wanted = self._typical, self.wanted
        if typical is not None and wanted and not self._are_there(since, wanted):
            longest = min(self._settle.timeout_seconds, 1.5 * (wanted + 1) * typical)
            look = min(LONGEST_LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, typical / 4))
            self._live.pause(longest, lambda: self._are_there(since, wanted), look)

    def _are_there(self, since: float, wanted: int) -> bool:
        return len(first_blocks(self._cycles, since, wanted)) >= wanted


def load_blocks(
    phases: Sequence[Phase],
    cycles: Mapping[str, tuple[Sequence[Cycle], str]],
    start: float,
    end: float,
    settle: Settle,
    since: float = 0.0,
) -> Blocks:
    """Whole cycles of the load alone around a foreground from *start* to *end*, of those of each
    job, and what they are. since: when the load was up; times are Unix seconds."""
    began = max((p.start for p in phases if p.name == ALONE[0] and p.end <= start), default=start)
    spans = [(max(p.start, began, since), p.end) for p in phases if p.name in ALONE]
    alone = joined([(s, e) for s, e in spans if s < e], inf)
    inside = {job: _inside(own, alone) for job, (own, _) in cycles.items()}
    before = {job: last_blocks(own, start, len(own)) for job, own in inside.items()}
    for job, own in before.items():
        if not own:
            seconds = sum(e - s for s, e in alone if e <= start)
            one = f"the {cycles[job][1]} of background {job}"
            why = f"{one} is longer than its baseline ({seconds:.0f} s): {LONGER}"
            return Blocks("iterations", missing=why)
    chosen = max(before, key=lambda name: typical_seconds(before[name]) or 0.0)
    typical = typical_seconds(before[chosen]) or 0.0
    wanted = max(1, cycles_wanted(typical, settle))
    blocks = before[chosen][-wanted:]
    for job, (every, _) in cycles.items():
        share = sum(_common(cycle, block) for cycle in every for block in blocks) / _seconds(blocks)
        if share < LEAST_PRESENCE:
            why = f"background {job} ran for only {percent(share)} of its baseline"
            return Blocks("iterations", missing=why)
    unit: BaselineUnit = "epochs" if cycles[chosen][1] == "epoch" else "iterations"
    after = first_blocks(inside[chosen], end, wanted)
    return Blocks(unit, blocks, after, typical, timeout_seconds=settle.timeout_seconds)


def _inside(cycles: Sequence[Cycle], spans: Sequence[Block]) -> list[Cycle]:
    return [c for c in cycles if any(s <= c.start and c.end <= e for s, e in spans)]


def _common(one: Block, other: Block) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def idle_blocks(phases: Sequence[Phase], start: float, end: float, seconds: float) -> Blocks:
    """The phase ``idle`` before a foreground from *start* to *end*, and the end of the cool-down.
    seconds: ``idle_seconds``."""
    idle = next((p for p in phases if p.name == "idle" and p.end <= start), None)
    after = idle_after(phases, end, seconds)
    if idle is None:
        return Blocks("seconds", after=after, missing="there is no phase idle before it")
    return Blocks("seconds", equal_blocks(idle.start, idle.end, IDLE_BLOCKS), after)


def idle_after(phases: Sequence[Phase], end: float, seconds: float) -> Sequence[Block]:
    """The last so many seconds of the cool-down after *end*; none where it was shorter."""
    rest = next((p for p in phases if p.name == "cooldown" and p.start >= end), None)
    if rest is None or rest.end - rest.start < seconds or not seconds:
        return ()
    return equal_blocks(rest.end - seconds, rest.end, IDLE_BLOCKS)
