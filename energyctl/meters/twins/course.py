"""What the GPU is made to do: nothing, a context, each twin alone, both, the first one again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from energyctl.energy import Domain, Recording
from energyctl.errors import MachineError
from energyctl.meters.acceptance.load import UNIT_SECONDS, GpuLoad
from energyctl.meters.base import Source
from energyctl.meters.sampler import Sampler
from energyctl.meters.twins.busy import busy_seconds
from energyctl.meters.twins.estimates import Course, Stretch

KERNEL_SECONDS = 0.02
TAIL_SECONDS = 1.0
START_SECONDS = 2.0
BETWEEN = "between"


@dataclass(frozen=True)
class Schedule:
    """Seconds of each stretch. settle: before each, at its load."""

    seconds: float = 20.0
    idle: float = 10.0
    settle: float = 4.0
    repeats: int = 5

    @property
    def expected_seconds(self) -> float:
        """Of the whole course, with the starts of seven loads."""
        at_work = (3 + self.repeats) * (self.settle + self.seconds + TAIL_SECONDS)
        return 2 * (self.settle + self.idle) + at_work + 7 * START_SECONDS


@dataclass(frozen=True)
class Task:
    """What one load does in a stretch. passes: of a kernel; period: seconds, 0: back to back."""

    load: GpuLoad
    passes: int
    period: float = 0.0
    kernel: str = "multiply"


@dataclass
class Trial:
    """One GPU, metered from the begin to the end of the block; `stretches` has the figures then.

    Methods raise MachineError.
    """

    source: Source
    domain: Domain
    gpu: int
    settle: float
    say: Callable[[str], None] = lambda line: None
    stretches: dict[str, Stretch] = field(default_factory=dict)
    _notes: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def metered(self) -> Iterator[None]:
        self._sampler = Sampler([self.source])
        self._sampler.start()
        try:
            self._sampler.wait_until_located()
            yield
        finally:
            recording = self._sampler.stop()
        for phase in recording.phases:
            if phase.name in self._notes:
                busy, rates = self._notes[phase.name]
                figures = _metered(recording, self.domain, phase.start, phase.end)
                gpus = recording.states.between(phase.start, phase.end)["gpus"]
                clocks = gpus.get(f"gpu-{self.gpu}")
                self.stretches[phase.name] = Stretch(*figures, tuple(busy), tuple(rates), clocks)

    def at_rest(self, name: str, seconds: float) -> None:
        """A stretch in which nothing runs; contexts may be held."""
        self.say(name)
        time.sleep(self.settle)
        with self._phase(name):
            time.sleep(seconds)
        self._notes[name] = [], []

    def at_work(self, name: str, seconds: float, *tasks: Task, beside: Sequence[int] = ()) -> None:
        """A stretch in which loads work. beside: processes that are there as well."""
        self.say(name)
        for task in tasks:
            whole = self.settle + seconds + TAIL_SECONDS
            task.load.keep(whole, task.passes, period=task.period, kernel=task.kernel)
        time.sleep(self.settle)
        pids = [*(task.load.pid for task in tasks), *beside]
        with self._phase(name):
            busy = busy_seconds(self.source, self.gpu, pids, seconds)
        self._notes[name] = busy, [task.load.kept().passes_per_second for task in tasks]
        if not all(busy[: len(tasks)]):
            raise MachineError(
                "how busy each process keeps the GPU is not known: the driver does not tell of the "
                "load"
            )

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._sampler.phase(name, after_reading=True)
        yield
        self._sampler.phase(BETWEEN)


def _metered(
    recording: Recording, domain: Domain, start: float, end: float
) -> tuple[float, float, float]:
    """Seconds, joules, and the stretch's own uncertainty in joules."""
    entry = next(d for d in recording.energy(start, end).domains if d.domain.name == domain.name)
    if entry.joules is None or entry.own_joules is None:
        raise MachineError(f"{domain.name}: {entry.missing}")
    return end - start, entry.joules, entry.own_joules


def passes_of(load: GpuLoad, seconds: float = KERNEL_SECONDS, kernel: str = "multiply") -> int:
    """Of a kernel that takes so long alone."""
    return max(1, round(load.rate(kernel) * seconds / UNIT_SECONDS))


def carry_out(trial: Trial, uuid: str, schedule: Schedule) -> Course:
    """Each twin is a process that begins anew, so that alone none holds a context beside it."""
    GpuLoad(uuid).close()  # whether there can be one is known before all else
    names = [f"both, {index + 1} of {schedule.repeats}" for index in range(schedule.repeats)]
    seconds = schedule.seconds
    with trial.metered():
        trial.at_rest("idle", schedule.idle)
        with GpuLoad(uuid) as first:
            passes = passes_of(first)
            trial.at_rest("one context held", schedule.idle)
            trial.at_work("first twin alone", seconds, Task(first, passes))
        with GpuLoad(uuid) as second:
            trial.at_work("second twin alone", seconds, Task(second, passes))
        with GpuLoad(uuid) as first, GpuLoad(uuid) as second:
            for name in names:
                trial.at_work(name, seconds, Task(first, passes), Task(second, passes))
        with GpuLoad(uuid) as first:
            trial.at_work("first twin again", seconds, Task(first, passes))
    of = trial.stretches
    return Course(
        idle=of["idle"],
        held=of["one context held"],
        first=of["first twin alone"],
        second=of["second twin alone"],
        both=[of[name] for name in names],
        again=of["first twin again"],
    )
