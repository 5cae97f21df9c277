"""The key ``activity`` of a result: what was kept busy by whom, in each span of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from energyctl.background.load_monitor import ALL
from energyctl.campaign.activity.gpu_lines import GpuFigures
from energyctl.campaign.activity.growing import Stretch, seconds_of
from energyctl.campaign.activity.recorder import ActivityRecorder, index_of
from energyctl.campaign.baselines import Blocks
from energyctl.energy import Domain, Energy, Recording, joined
from energyctl.results.activity_schema import (
    NO_MEMORY_TRAFFIC,
    BusyJson,
    DomainActivityJson,
    SideJson,
    SpanJson,
    SpanName,
)
from energyctl.results.background_load import CpuLine
from energyctl.system.process_trees import TICKS_PER_SECOND

NOT_BY_PROCESS = "its source does not tell how busy each process keeps it"


@dataclass(frozen=True)
class Span:
    """sides: those of which something was to run in it."""

    name: SpanName
    stretches: Sequence[Stretch]
    sides: Sequence[str]

    @property
    def seconds(self) -> float:
        return seconds_of(self.stretches)


def spans_of(recording: Recording, energy: Energy, load: Blocks, *, beside: bool) -> Iterator[Span]:
    """Those of a run whose foreground had *energy*. load: of its baseline; *beside*: a background
    ran."""
    held = [(p.start, p.end) for p in recording.phases if p.name == "context_held"]
    loads = (load.before, load.after) if load.missing is None else ((), ())
    both = ("foreground", "background") if beside else ("foreground",)
    spans = [
        Span("context_held", held, ()),
        Span("load_before", joined(loads[0], inf), ("background",)),
        Span("foreground", [(energy.start, energy.end)], both),
        Span("load_after", joined(loads[1], inf), ("background",)),
    ]
    return (span for span in spans if span.seconds > 0)


@dataclass
class Activity:
    """All that was recorded, for any span. jobs: CPU lines of the background's jobs."""

    recording: Recording
    energy: Energy
    gpus: Callable[[int, Sequence[Stretch]], GpuFigures | None]
    missing: Mapping[int, str]
    foreground: CpuLine
    machine: CpuLine
    jobs: Mapping[str, CpuLine] = field(default_factory=dict)

    def to_json(self, spans: Iterator[Span]) -> list[SpanJson]:
        return [
            {
                "span": span.name,
                "seconds": span.seconds,
                "domains": {
                    one.domain.name: self._domain(one.domain, span)
                    for one in self.energy.domains
                    if one.domain.is_part
                },
            }
            for span in spans
        ]

    def _domain(self, domain: Domain, span: Span) -> DomainActivityJson:
        watts, uncertainty = self._power(domain, span)
        return {
            **self._busy(domain, span),
            "watts": watts,
            "uncertainty_watts": uncertainty,
        }

    def _busy(self, domain: Domain, span: Span) -> BusyJson:
        if domain.kind == "cpu":
            return self._cpu(domain, span)
        if domain.kind != "gpu":
            return _untold(span, NO_MEMORY_TRAFFIC if domain.kind == "dram" else NOT_BY_PROCESS)
        index = index_of(domain)
        told = self.gpus(index, span.stretches)
        if told is None:
            why = self.missing.get(index) or self.missing.get(ALL) or NOT_BY_PROCESS
            return _untold(span, why)
        return _gpu(told, span)

    def _cpu(self, domain: Domain, span: Span) -> BusyJson:
        lines = {"foreground": [self.foreground], "background": list(self.jobs.values())}
        spent = {side: _spent(lines[side], span) for side in span.sides}
        ours = sum(spent.values())
        known = [_known(line, span) for side in span.sides for line in lines[side]]
        known += [0.0] if "background" in span.sides and not self.jobs else []
        sides: dict[str, SideJson | None] = {
            side: {"busy_seconds": seconds, "context_seconds": 0.0}
            for side, seconds in spent.items()
        }
        edges = [instant for stretch in span.stretches for instant in stretch]
        return {
            "source": "cpu_time",
            "foreground": sides.get("foreground"),
            "background": sides.get("background"),
            "jobs": {job: _spent([line], span) for job, line in self.jobs.items()}
            if "background" in sides
            else {},
            "both_seconds": 0.0,
            "other_seconds": max(0.0, _spent([self.machine], span) - ours),
            "device_seconds": None,
            "busy_uncertainty_seconds": max(
                (_uncertainty(lines[side], edges) for side in span.sides), default=0.0
            ),
            "unknown_seconds": span.seconds - min([span.seconds, *known]),
            "mhz": self._mhz(domain.name, span),
        }

    def _power(self, domain: Domain, span: Span) -> tuple[float | None, float | None]:
        """Mean power in the span, with its half-width."""
        energies = [
            self.energy if span.name == "foreground" else self.recording.energy(*stretch)
            for stretch in span.stretches
        ]
        joules = uncertainty = 0.0
        for one in (d for e in energies for d in e.domains if d.domain.name == domain.name):
            if one.joules is None or one.uncertainty_joules is None:
                return None, None
            joules, uncertainty = joules + one.joules, uncertainty + one.uncertainty_joules
        return joules / span.seconds, uncertainty / span.seconds

    def _mhz(self, package: str, span: Span) -> float | None:
        weighted = seconds = 0.0
        for start, end in span.stretches:
            cpu = self.recording.states.between(start, end)["cpus"].get(package)
            if cpu is not None and cpu["mhz"] is not None:
                weighted, seconds = weighted + cpu["mhz"] * (end - start), seconds + end - start
        return weighted / seconds if seconds else None


def _gpu(told: GpuFigures, span: Span) -> BusyJson:
    sides: dict[str, SideJson | None] = {
        side: {
            "busy_seconds": told.busy.get(side, 0.0),
            "context_seconds": told.contexts.get(side, 0.0),
        }
        for side in span.sides
    }
    # What is left of a side that was not to run any more is of neither.
    astray = sum(busy for side, busy in told.busy.items() if side not in span.sides)
    return {
        "source": told.source,
        "foreground": sides.get("foreground"),
        "background": sides.get("background"),
        "jobs": told.jobs if "background" in sides else {},
        "both_seconds": told.both_seconds,
        "other_seconds": told.other_seconds + astray,
        "device_seconds": told.device_seconds,
        "busy_uncertainty_seconds": told.uncertainty_seconds,
        "unknown_seconds": told.unknown_seconds,
        "mhz": told.mhz,
    }


def activity_of(
    recorder: ActivityRecorder,
    recording: Recording,
    energy: Energy,
    jobs: Mapping[str, CpuLine],
) -> Activity:
    foreground, machine = recorder.cpu_lines()
    gpus, missing = recorder.gpu_figures, recorder.missing
    return Activity(recording, energy, gpus, missing, foreground, machine, jobs)


def _untold(span: Span, why: str) -> BusyJson:
    return {
        "source": None,
        "foreground": None,
        "background": None,
        "jobs": {},
        "both_seconds": None,
        "other_seconds": None,
        "device_seconds": None,
        "busy_uncertainty_seconds": None,
        "unknown_seconds": span.seconds,
        "mhz": None,
        "missing": why,
    }


def _spent(lines: Sequence[CpuLine], span: Span) -> float:
    return sum(line.spent(start, end)[0] for line in lines for start, end in span.stretches)


def _known(line: CpuLine, span: Span) -> float:
    return sum(line.spent(start, end)[1] for start, end in span.stretches)


def _uncertainty(lines: Sequence[CpuLine], edges: Sequence[float]) -> float:
    """CPU time is counted in ticks, of each process."""
    return sum(line.uncertainty(edge) + 1 / TICKS_PER_SECOND for line in lines for edge in edges)
