"""The sampling loop: one thread, one time line, one extra reading at each phase edge.

Time stamps are the monotonic clock plus an offset that is fixed at the start: Unix time that no
clock jump touches. Counters that move in wide steps are polled after an edge until each has moved
twice, which locates the step around the edge and tells the power after it. While a phase is young
they are read about as often as they move: that tells the power before an edge that follows soon,
and between which powers the load moves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

from energyctl.energy import CounterSeries, Domain, Phase, Recording, Ticks, series_for
from energyctl.errors import SettingsError
from energyctl.meters.base import GpuState, Reading, Source, readings_after, readings_of
from energyctl.meters.csv_files import CsvFiles
from energyctl.meters.points import MeanPower, Point, PowerSample
from energyctl.meters.probe import domains_as_seen
from energyctl.meters.schedule import ReadSchedule
from energyctl.meters.state_looks import StateLooks
from energyctl.meters.told_powers import ToldPowers
from energyctl.system.threads import start_thread

# An edge that took longer to read than this brackets the quick sources with a second reading.
SLOW_EDGE_SECONDS = 0.002
# Steps to see: after an edge the one that ends the step it lies in and one more; at the start
# enough to know how long a step usually is.
EDGE_STEPS, START_STEPS = 2, 3
EDGE_WATCH_SECONDS, START_WATCH_SECONDS = 0.4, 1.0
# NVML's utilization is a mean over 1/6 to 1 s (nvmlUtilization_t): asking more often tells no more.
STATES_SECONDS = 0.5
# Rows may wait this long for a sample to be written with, and no longer.
FLUSH_SECONDS, LATEST_FLUSH_SECONDS = 2.5, 4.0


@dataclass(frozen=True)
class LatestFigures:
    """What is known now. watts: the reading, or the mean since the sample before; None: unknown.

    phase: None before the first one. joules: of what is, or else was last, recorded to files.
    run_joules: since the start, of the domains that can be read.
    """

    time_unix: float
    watts: dict[str, float | None]
    gpus: tuple[GpuState, ...]
    phase: str | None
    phase_since_unix: float | None
    joules: dict[str, float | None]
    run_joules: dict[str, float]


class Sampler:
    """Samples `meters` until stopped. All methods but `start` and `stop` are thread-safe.

    keep_unfiled: keeps the power in memory while no files are written (`unfiled`).
    """

    def __init__(
        self,
        meters: Sequence[Source],
        *,
        interval_seconds: float = 1.0,
        keep_unfiled: bool = False,
    ) -> None:
        if not isfinite(interval_seconds) or interval_seconds <= 0:
            raise SettingsError(f"the sampling interval must be above 0 s, not {interval_seconds}")
        self._meters = tuple(meters)
        self._interval = interval_seconds
        self._quick = [meter for meter in self._meters if meter.quick]
        self._slow = [meter for meter in self._meters if not meter.quick]
        self._names = [(meter, {d.name for d in meter.domains()}) for meter in self._meters]
        self._measure(tuple(d for meter in self._meters for d in meter.domains()))
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._done = threading.Event()  # the thread has ended
        self._offset = 0.0
        self._edges: list[tuple[str, float]] = []  # phase, Unix time of its begin
        self._ended_unix: float | None = None
        self._watts: dict[str, float | None] = {}
        self._states: tuple[GpuState, ...] = ()
        self._looks = StateLooks(self._meters)
        self._joules: dict[str, float | None] = {}
        self._files: CsvFiles | None = None
        self._unfiled: list[PowerSample] = []
        self._keep_unfiled = keep_unfiled
        self._next_files: CsvFiles | None = None
        self._states_due = False  # somebody needs them before the next sample
        self._states_taken = 0.0  # monotonic
        self._warnings: list[str] = []
        self._ticks = Ticks()
        self._missed = 0  # deadlines passed over since the last sample
        self._cpu_seconds = 0.0

    def _measure(self, domains: tuple[Domain, ...]) -> None:
        """Of these domains there are no samples yet."""
        self._domains = domains
        self._series = {d.name: series_for(d) for d in domains if d.missing is None}
        self._counters = {
            name: s for name, s in self._series.items() if isinstance(s, CounterSeries)
        }
        gpus = [s.domain for s in self._counters.values() if s.domain.kind == "gpu"]
        self._told = ToldPowers(gpus, self._interval)
        self._schedule = ReadSchedule(self._series, (names for _, names in self._names))
        self._power = {d.name: MeanPower(d) for d in domains}
        self._checks = {d.check for d in domains}

    # -- the time line --------------------------------------------------------------------------

    def now(self) -> float:
        """Unix time on the sampler's own line."""
        return time.monotonic() + self._offset

    def start(self) -> None:
        """Looks how often fine counters move, takes the first sample and starts the thread.

        A sampler starts once.
        """
        if self._thread is not None:
            raise RuntimeError("the sampler was started before")
        self._measure(domains_as_seen(self._meters))
        self._looks.begin()
        self._offset = _unix_offset()
        self._read_all()
        self._schedule.edge(time.monotonic(), START_STEPS, START_WATCH_SECONDS)
        self._thread = start_thread(self._run, "energy-sampler")

    def phase(self, name: str, *, after_reading: bool = False) -> float:
        """Ends the phase before and begins this one, with one reading now.

        Returns the edge's Unix time, taken right before that reading. after_reading: taken right
        after it, for what is about to be started: the reading then is no part of it.
        """
        edge = self.now()
        points = self._read_edge()
        with self._changed:
            if after_reading:
                edge = self.now()
            self._edges.append((name, edge))
            self._told.edge(time.monotonic())
            if self._next_files is not None:
                self._files, self._next_files = self._next_files, None
                self._joules = self._files.joules
                self._files.add(points)
                self._states_due = True
            self._changed.notify_all()
        return edge

    def sample(self) -> float:
        """One reading of everything now, for a figure so far. Returns its Unix time."""
        now = self.now()
        self._read_all()
        return now

    def read_here(self) -> None:
        """One reading more, as at an edge, of which no row is written: the energy up to now is
        then a difference of counters, though no phase ends."""
        self._read_edge(filed=False)
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> Recording:
        """Last edge; waits until the step around it is located (0.4 s at most), and for what meters
        over a network tell after it (some seconds at most); ends the thread."""
        with self._changed:
            first = self._ended_unix is None
            if self._ended_unix is None:
                self._ended_unix = self.now()
        if first:
            self._read_edge()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            # A join that a signal cuts short passes for done (CPython before 3.13).
            self._done.wait()
            self._thread.join()
        if first:
            self._read_after_end(self._ended_unix - self._offset)
        self.record_to(None)
        self._looks.end()
        return self.recording()

    def recording(self) -> Recording:
        """A snapshot so far; the current phase ends now."""
        with self._changed:
            end = self._ended_unix if self._ended_unix is not None else self.now()
            ends = [start for _, start in self._edges[1:]] + [end]
            return Recording(
                domains=self._domains,
                series={name: series.copy() for name, series in self._series.items()},
                phases=tuple(
                    Phase(name, start, until)
                    for (name, start), until in zip(self._edges, ends, strict=False)
                ),
                interval_seconds=self._interval,
                ticks=self._ticks.copy(),
                warnings=tuple(self._warnings),
                told=self._told.so_far(),
                states=self._looks.so_far(),
            )

    def wait_until_located(self) -> None:
        """Waits until the counters' steps after the last edge, or the start, are located.

        At most 0.4 s, and as much longer as a counter is late; where no counter moves in wide steps
        it returns at once.
        """
        deadline = time.monotonic() + EDGE_WATCH_SECONDS + self._schedule.late_seconds
        while self._schedule.watching and time.monotonic() < deadline:
            time.sleep(0.01)

    def look(self) -> None:
        """Has the GPUs' states taken now, however far the next sample is; returns at once."""
        with self._changed:
            self._states_due = True
            self._changed.notify_all()

    def latest(self) -> LatestFigures:
        with self._changed:
            name, since = self._edges[-1] if self._edges else (None, None)
            watts, joules = dict(self._watts), dict(self._joules)
            run = {name: series.joules_at_last() for name, series in self._series.items()}
            return LatestFigures(self.now(), watts, self._states, name, since, joules, run)

    def unfiled(self) -> list[PowerSample]:
        """The regular samples that no file of `record_to` has, in the order of time."""
        with self._changed:
            return list(self._unfiled)

    def record_to(self, directory: Path | None) -> None:
        """Writes the CSV files into `directory`, beginning with the next edge; None ends them.

        The files are made now, so that nothing but the reading lies between that edge and what
        is to be measured. MachineError where they cannot be created. A later write error becomes
        a warning of the recording: it must not end a measurement.
        """
        if self._files is not None:
            self._take_states()
        with self._changed:
            before, self._files, self._next_files = self._files, None, None
        if before is not None:
            self._note(before.close())
        if directory is not None:
            files = CsvFiles(directory, self._domains)
            with self._changed:
                self._next_files = files

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._sample_until_stopped()
        except Exception as error:
            self._note(f"sampling ended early, and only edges of phases were read since: {error!r}")
            self._schedule.give_up()
        finally:
            self._done.set()

    def _sample_until_stopped(self) -> None:
        deadline = time.monotonic() + self._interval
        flushed = time.monotonic()
        while True:
            with self._changed:
                self._cpu_seconds = time.thread_time() + sum(m.cpu_seconds for m in self._meters)
                if self._stopping and not self._schedule.watching:
                    return
                poll = self._schedule.next_due(time.monotonic(), self.now())
                rows_due = inf if self._files is None else flushed + LATEST_FLUSH_SECONDS
                next_sample = inf if self._stopping else deadline
                next_look = inf if self._stopping else self._told.due
                wake = min(poll, next_sample, rows_due, next_look)
                self._changed.wait(max(0.0, wake - time.monotonic()))
                now = time.monotonic()
                names = self._schedule.due(now, self.now()) if now >= poll else set()
                due = now >= next_sample and not self._stopping
                if due:
                    late = int((now - deadline) / self._interval)
                    self._missed += late
                    deadline += (late + 1) * self._interval
            if names:
                self._poll(names)
            if due:
                self._regular_sample()
            stale = now - self._states_taken >= 0.9 * max(self._interval, STATES_SECONDS)
            if self._states_due or now >= next_look or (due and stale):
                self._states_due, self._states_taken = False, now
                self._take_states(told=now >= next_look)
            if now >= rows_due or (due and now - flushed >= FLUSH_SECONDS):
                flushed = now
                self._flush()

    def _poll(self, due: set[str]) -> None:
        """Reads in between: locates steps, follows wraps, sees power that comes and goes."""
        for source, names in self._names:
            if not names & due:
                continue
            readings = readings_of(source, names & due)
            with self._changed:
                for reading in readings:
                    self._poll_one(reading, due)

    def _poll_one(self, reading: Reading, due: set[str]) -> None:
        counter = self._counters.get(reading.domain)
        if counter is None:
            if reading.domain in due:
                self._keep(reading)
        elif counter.locate_step(self._unix(reading), reading.value, reading.seconds):
            self._schedule.located(reading.domain)

    # -- samples --------------------------------------------------------------------------------

    def _read_edge(self, *, filed: bool = True) -> list[Point]:
        """A sample at an edge; where a source was slow, the quick ones are read again behind it."""
        before = time.monotonic()
        with self._changed:
            self._schedule.edge(before, EDGE_STEPS, EDGE_WATCH_SECONDS)
        points = self._read_all(filed=filed)
        if time.monotonic() - before > SLOW_EDGE_SECONDS:
            with self._changed:
                self._collect(self._quick)
        return points

    def _read_after_end(self, end: float) -> None:
        """An answer before the end does not tell what flowed up to it."""
        for source in self._meters:
            readings = readings_after(source, end)
            with self._changed:
                self._keep_all(readings)

    def _regular_sample(self) -> None:
        points = self._read_all()
        with self._changed:
            for point in points:
                watts = self._power[point.domain].watts(point)
                self._watts[point.domain] = watts
                if self._keep_unfiled and self._files is None and point.domain not in self._checks:
                    self._unfiled.append(PowerSample(point.time_unix, point.domain, watts))

    def _read_all(self, *, filed: bool = True) -> list[Point]:
        """A sample: the quick sources at once, the others without holding up who comes next."""
        with self._changed:
            self._schedule.sampled(time.monotonic())
            self._ticks.add(self.now(), self._missed, self._cpu_seconds)
            self._missed = 0
            points = self._collect(self._quick)
        for source in self._slow:
            readings = readings_of(source)
            with self._changed:
                points += self._keep_all(readings)
        with self._changed:
            if self._files is not None and filed:
                self._files.add(points)
        return points

    def _collect(self, sources: Sequence[Source]) -> list[Point]:
        """Reads and keeps; the caller holds the lock, as for what follows."""
        return [p for source in sources for p in self._keep_all(readings_of(source))]

    def _keep_all(self, readings: Sequence[Reading]) -> list[Point]:
        return [self._keep(r) for r in readings if r.domain in self._series]

    def _keep(self, reading: Reading) -> Point:
        series, unix = self._series[reading.domain], self._unix(reading)
        series.append(unix, reading.value, reading.reason, reading.seconds)
        known = reading.value is not None
        watts = None
        if series.domain.quantity == "power":
            known = bool(series.times) and series.times[-1] == unix  # else it was impossible
            watts = reading.value if known else None
        joules = series.joules_at_last() if known else None
        return Point(reading.domain, unix, joules, watts, series.stretch)

    def _unix(self, reading: Reading) -> float:
        return reading.time + self._offset

    # -- beside the samples, without the lock -----------------------------------------------------

    def _take_states(self, *, told: bool = False) -> None:
        """States of GPUs and CPUs: slow on some drivers, and never at an edge.

        told: the power in them is to be held against the counters.
        """
        states = self._looks.take(self._offset)
        with self._changed:
            self._states = states
            if self._files is not None:
                self._files.add_states(states, self._offset)
            if told:
                self._told.add(states, self._offset, time.monotonic())

    def _flush(self) -> None:
        """Has the rows written by a thread of its own: a disk may be slow."""
        files = self._files
        if files is not None and not files.busy:
            start_thread(lambda: self._note(files.flush()), "energy-rows")

    def _note(self, warning: str | None) -> None:
        with self._changed:
            if warning is not None and warning not in self._warnings:
                self._warnings.append(warning)


def _unix_offset() -> float:
    """Unix time minus the monotonic clock, from the closest of a few looks at both."""
    looks = []
    for _ in range(5):
        before, unix, after = time.monotonic(), time.time(), time.monotonic()
        looks.append((after - before, unix - (before + after) / 2))
    return min(looks)[1]
