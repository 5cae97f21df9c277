"""The Python API: meters what runs inside a `with` block, or between `start` and `stop`.

    with energyctl.Meter() as m:
        m.phase("load")
        ...
        with m.phase("epoch 1") as epoch:
            ...
    print(m.energy.total_joules, epoch.energy.gpu_joules)

No signal is handled, no process started, nothing printed: it runs in any thread and any notebook.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from energyctl.energy import Energy, Phase, Recording
from energyctl.energy.schema import ToldEnergiesJson
from energyctl.errors import MachineError, SettingsError
from energyctl.meters import why_null
from energyctl.meters.marks.energies import told_energies
from energyctl.meters.marks.timeline import Timeline
from energyctl.meters.sampler import Sampler
from energyctl.meters.session import MAIN, MeteringSession

# As `sample_interval_seconds` in a settings file.
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 0.05, 60.0
KINDS = ("cpu", "dram", "gpu")
NOTE = "Energies are of whole domains: what was metered and everything else on the machine."


class PhaseEnergy(NamedTuple):
    """One stretch of the time line; start, end: Unix seconds."""

    name: str
    start: float
    end: float
    energy: Energy


class Meter:
    """Energy of the whole machine while it runs. One meter measures once.

    interval_seconds: between two samples, 0.05 to 60. gpus: indices or UUIDs; None: those in
    CUDA_VISIBLE_DEVICES, without it all. require: of "cpu", "dram", "gpu". leave_out: names
    of domains that no figure shall have. total: the name of the domain that is the total by
    itself. node_meters: a file of meters outside of the machine, as a workspace's
    settings/meters.json. out: folder for the samples as CSV files.

    SettingsError for arguments that cannot work. Methods and properties may be used from any
    thread, but not in a process that was forked off meanwhile (RuntimeError).
    """

    def __init__(
        self,
        interval_seconds: float = 1.0,
        *,
        gpus: Sequence[int | str] | None = None,
        require: Sequence[str] = (),
        leave_out: Sequence[str] = (),
        total: str | None = None,
        node_meters: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> None:
        self._interval = checked_interval(interval_seconds)
        self._gpus = (gpus,) if isinstance(gpus, str) else gpus
        self._require = (require,) if isinstance(require, str) else tuple(require)
        self._leave_out = (leave_out,) if isinstance(leave_out, str) else tuple(leave_out)
        for kind in self._require:
            if kind not in KINDS:
                raise SettingsError(f"require: {kind!r} is none of {', '.join(KINDS)}")
        self._total = total
        self._node_meters = None if node_meters is None else Path(node_meters)
        self._out = None if out is None else Path(out)
        self._notes: list[str] = []
        self._slack = 0.0
        self._session: MeteringSession | None = None
        self._timeline: Timeline | None = None
        self._unstopped: weakref.finalize[..., Meter] | None = None
        self._edges: list[tuple[str, float]] = []
        self._lock = threading.Lock()  # guards the edges
        self._final: Recording | None = None

    # -- from start to stop -------------------------------------------------------------------

    def __enter__(self) -> Meter:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        except MachineError as failure:
            if error is None:
                raise
            self._notes.append(str(failure))

    def start(self) -> Meter:
        """Opens the sources, waits until the counters' steps are located (0.4 s at most), begins.

        MachineError where something required cannot be measured or `out` cannot be written,
        SettingsError for a GPU that is not there, and a wrong file of meters.
        """
        if self._session is not None:
            raise RuntimeError("a Meter measures once: make another one")
        session = MeteringSession(
            self._interval,
            self._gpus,
            self._require,
            self._out,
            self._leave_out,
            self._total,
            self._node_meters,
        )
        # Of a meter that is never stopped, nothing shall go on for longer than the meter itself.
        self._unstopped = weakref.finalize(self, session.abandon)
        self._session = session
        self._notes += session.notes
        self._edges.append((MAIN, session.started_unix))
        return self

    def allow(self, slack_seconds: float) -> None:
        """What is metered begins later and ends earlier than the block, by so much in all.

        The energy that flowed meanwhile becomes part of the stated uncertainty.
        """
        self._slack = slack_seconds

    def listen(self) -> dict[str, str]:
        """From now on a program that is metered may tell of its epochs and marks, as by
        `energyctl.epoch`; the variables that its environment needs for that.

        Where nobody can listen, there are none, and a warning.
        """
        if self._session is None:
            raise RuntimeError("the Meter was not started")
        self._timeline, variables = self._session.listen(self._notes)
        return variables

    def stop(self) -> None:
        """Ends the metering at the instant of the call; figures stay. Once stopped, does nothing.

        MachineError where `out` cannot be written; the figures are there all the same, as they
        are where a Ctrl-C cuts short its waiting for the counters' last step.
        """
        session = self._session
        if session is None or self._final is not None or os.getpid() != session.process:
            return
        try:
            self._end(session)
        except KeyboardInterrupt:
            with contextlib.suppress(MachineError):
                session.sampler.sample()  # it may have been the last reading that was cut short
                self._end(session)
            raise
        finally:
            if self._final is None:
                self._fix(session.sampler.recording())
            if self._unstopped is not None:
                self._unstopped.detach()
            session.close()

    def _end(self, session: MeteringSession) -> None:
        """Ends the sampling, at the first call; writes what goes to `out`."""
        self._fix(session.end())
        session.write_energy(self.energy)

    def _fix(self, recording: Recording) -> None:
        with self._lock:
            self._final = self._with_phases(recording, recording.phases[-1].end)

    def discard(self) -> None:
        """Stops, and removes the files that were made in `out`: nothing was there to meter."""
        with contextlib.suppress(MachineError):
            self.stop()
        if self._session is not None:
            self._session.remove_files()

    # -- phases -------------------------------------------------------------------------------

    def phase(self, name: str) -> MeteredPhase:
        """Begins a phase now, which ends the one before: the time line has no holes.

        In `with m.phase("epoch 3") as epoch:` the phase around it goes on after the block.
        """
        around, begun = self._begin(name)
        return MeteredPhase(self, name, begun, around)

    def _begin(self, name: str) -> tuple[str, float]:
        """(name of the phase that this one ends, the edge)."""
        sampler = self._running()
        with self._lock:
            around, _ = self._edges[-1]
            edge = sampler.phase(name)
            self._edges.append((name, edge))
        return around, edge

    def _leave(self, around: str) -> float:
        """Ends a block, after which the phase `around` it goes on. Returns the edge."""
        if self._final is not None:
            return self._final.phases[-1].end
        if self._session is None or os.getpid() != self._session.process:
            return float("nan")
        return self._begin(around)[1]

    def _next_edge(self, start: float) -> float | None:
        """Where the phase that begins at `start` ends; None: it goes on."""
        with self._lock:
            later = [edge for _, edge in self._edges if edge > start]
        if later:
            return later[0]
        return None if self._final is None else self._final.phases[-1].end

    # -- figures ------------------------------------------------------------------------------

    @property
    def energy(self) -> Energy:
        """Of the whole time; while it runs, up to now, which takes a reading of all sources."""
        return _whole(self._recorded(), self._slack)

    @property
    def phases(self) -> list[PhaseEnergy]:
        """The time line in its order, without holes; the last one ends now while it runs."""
        recording = self._recorded()
        return [
            PhaseEnergy(p.name, p.start, p.end, recording.energy(p.start, p.end))
            for p in recording.phases
        ]

    @property
    def warnings(self) -> list[str]:
        """What one should know before using the figures."""
        return self._warnings(self._recorded())

    def told(self) -> ToldEnergiesJson:
        """The energies of epochs and marks that it was told; see `listen`."""
        return self._told(self._recorded())

    def _told(self, recording: Recording) -> ToldEnergiesJson:
        if self._timeline is None:
            return {}
        span = recording.phases[0].start, recording.phases[-1].end
        return told_energies(self._timeline, recording, *span)

    def to_json(self) -> dict[str, Any]:
        """What `energyctl meter --json` writes, but for the command and its exit code."""
        recording = self._recorded()
        energy = _whole(recording, self._slack)
        missing = why_null(energy, self._session.sources if self._session else ())
        return {
            "energy": {**energy.to_json(), "missing": missing},
            "phases": recording.phases_json(),
            **self._told(recording),
            "note": NOTE,
            "warnings": self._warnings(recording),
        }

    def _warnings(self, recording: Recording) -> list[str]:
        energy = _whole(recording, self._slack)
        lines = list(self._notes)
        unknown = [d for d in energy.domains if d.joules is None]
        # What could not be read from the beginning is among the notes, with all that it hits.
        lines += [d.no_energy for d in unknown if d.domain.missing is None]
        return list(
            dict.fromkeys((*lines, *energy.doubts, *energy.total_warnings, *recording.warnings))
        )

    def _span(self, start: float, end: float | None) -> Energy:
        """Energy between two edges; end None: up to now."""
        if self._final is None and end is not None:
            self._running().wait_until_located()
            return self._running().recording().energy(start, end)
        recording = self._recorded()
        return recording.energy(start, recording.phases[-1].end if end is None else end)

    def _recorded(self) -> Recording:
        """All samples; while it runs, those so far with a reading now."""
        if self._final is not None:
            return self._final
        sampler = self._running()
        now = sampler.sample()
        recording = sampler.recording()
        with self._lock:
            return self._with_phases(recording, now)

    def _with_phases(self, recording: Recording, end: float) -> Recording:
        """`recording` with our own phases up to `end`: the sampler's edges are more than those."""
        edges = [(name, edge) for name, edge in self._edges if edge < end] or self._edges[:1]
        ends = [edge for _, edge in edges[1:]] + [max(end, edges[-1][1])]
        phases = [Phase(*edge, until) for edge, until in zip(edges, ends, strict=True)]
        return replace(recording, phases=tuple(phases))

    def _running(self) -> Sampler:
        if self._session is None:
            raise RuntimeError("the Meter was not started: use it as `with Meter() as m:`")
        if os.getpid() != self._session.process:
            raise RuntimeError(
                f"this Meter runs in process {self._session.process}: it has no figures in one "
                "that was forked off; make a new Meter here"
            )
        if self._final is not None:
            raise RuntimeError("the Meter has been stopped: begin phases before that")
        return self._session.sampler


class MeteredPhase:
    """A phase that :meth:`Meter.phase` began.

    As a `with` block it lasts to the end of the block, phases inside it included; else until the
    next phase begins.
    """

    def __init__(self, meter: Meter, name: str, start: float, around: str) -> None:
        self.name = name
        self.start = start  # Unix seconds
        self._meter, self._around = meter, around
        self._block = False
        self._end: float | None = None

    def __enter__(self) -> MeteredPhase:
        self._block = True
        return self

    def __exit__(self, *_: object) -> None:
        self._end = self._meter._leave(self._around)

    @property
    def end(self) -> float | None:
        """Unix seconds; None: it goes on."""
        if self._block:
            return self._end
        return self._meter._next_edge(self.start)

    @property
    def energy(self) -> Energy:
        """Of this phase; while it lasts, up to now.

        Right after its end this waits for the counters' next step (0.4 s at most), as the meter's
        own end does; read it after the meter has stopped to wait for nothing.
        """
        return self._meter._span(self.start, self.end)


def checked_interval(seconds: float) -> float:
    """`seconds`; SettingsError where a sampler shall not take it."""
    if not MIN_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS:
        raise SettingsError(
            f"the sampling interval must be {MIN_INTERVAL_SECONDS:g} to "
            f"{MAX_INTERVAL_SECONDS:g} s, not {seconds}"
        )
    return seconds


def _whole(recording: Recording, slack_seconds: float) -> Energy:
    start, end = recording.phases[0].start, recording.phases[-1].end
    return recording.energy(start, end, slack_seconds=slack_seconds)
