"""What a result tells of how busy foreground and background kept each domain, and of what the
domain drew with nothing on it but an open context: `activity`, and the phases around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import hypot

from energyctl.results.pairs.figure import Figure
from energyctl.results.phases import kind_of
from energyctl.results.tables.accessors import attempt_span
from energyctl.results.tables.part import Part
from energyctl.results.throttling import Cause, Stretch, shares
from energyctl.text import first_of

TRAINING, LOADS = "foreground", ("load_before", "load_after")
CAUSES = ("power_cap", "heat")
FASTEST_MHZ = 100_000.0
UNTOLD = "the result has no busy times (it is of an earlier version, or was imported)"


@dataclass(frozen=True)
class Side:
    """Seconds in which the foreground, or the background, kept it busy, and held a context."""

    busy: float
    context: float


@dataclass(frozen=True)
class SpanFacts:
    """A domain in one span; None: not known, or not there. missing: why busy times are not told."""

    seconds: float
    watts: float | None
    watts_off: float | None
    foreground: Side | None
    background: Side | None
    jobs: Mapping[str, float]
    both: float
    other: float
    device: float | None
    busy_off: float
    unknown: float
    mhz: float | None
    missing: str | None

    @property
    def busy(self) -> float:
        """By all processes."""
        sides = (side.busy for side in (self.foreground, self.background) if side)
        return sum(sides) + self.other


@dataclass(frozen=True)
class Twins:
    """What a test of this GPU model and driver found; date: Unix seconds."""

    differential: float
    date: float | None


@dataclass(frozen=True)
class References:
    """Of one run. spans: by name, then by domain. context_watts: above the idle machine, by domain.
    limited: share of the time in which a cause held down (span, domain). foreign: GPU (as a domain)
    with a process that is not of the campaign → its pid and command. twins: by domain."""

    spans: Mapping[str, Mapping[str, SpanFacts]] = field(default_factory=dict)
    context_watts: Mapping[str, Figure] = field(default_factory=dict)
    limited: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    foreign: Mapping[str, str] = field(default_factory=dict)
    twins: Mapping[str, Twins] = field(default_factory=dict)

    def span(self, name: str, domain: str) -> SpanFacts | None:
        return self.spans.get(name, {}).get(domain)

    def loads(self, domain: str) -> list[SpanFacts]:
        """The load alone, before the training and after it, as far as its power is known."""
        found = (self.span(name, domain) for name in LOADS)
        return [
            one for one in found if one is not None and one.watts is not None and one.seconds > 0
        ]

    def held_down(self, span: str, domain: str, cause: str) -> float | None:
        """Share of the time; None: not told."""
        return self.limited.get((span, domain, cause))


def references_of(result: Part) -> References:
    spans: dict[str, dict[str, SpanFacts]] = {}
    for span in result.parts("activity"):
        domains, seconds = span.part("domains"), span.number("seconds") or 0.0
        of_span = spans.setdefault(str(span.text("span")), {})
        of_span |= {name: _span(domains.part(name), seconds) for name in domains.names()}
    return References(
        spans, _context_watts(result), _limited(result), _foreign(result), _twins(result)
    )


def _span(part: Part, seconds: float) -> SpanFacts:
    told = part.text("source") is not None
    return SpanFacts(
        seconds=seconds,
        watts=part.number("watts"),
        watts_off=part.number("uncertainty_watts"),
        foreground=_side(part, "foreground"),
        background=_side(part, "background"),
        jobs={job: busy or 0.0 for job, busy in part.numbers("jobs").items()},
        both=part.number("both_seconds") or 0.0,
        other=part.number("other_seconds") or 0.0,
        device=part.number("device_seconds"),
        busy_off=part.number("busy_uncertainty_seconds") or 0.0,
        unknown=part.number("unknown_seconds") or 0.0,
        mhz=_clock(part.number("mhz")),
        missing=None if told else part.text("missing") or "how busy each kept it is not known",
    )


def _clock(mhz: float | None) -> float | None:
    """None where it is no clock of a device."""
    return mhz if mhz is not None and 1 <= mhz <= FASTEST_MHZ else None


def _side(part: Part, name: str) -> Side | None:
    side = part.part(name)
    busy = side.number("busy_seconds")
    return None if busy is None else Side(busy, side.number("context_seconds") or 0.0)


def _context_watts(result: Part) -> dict[str, Figure]:
    """The phase in which a context was held, less the idle one right before it."""
    idle: Part | None = None
    for phase in result.parts("phases"):
        if phase.text("name") == "idle":
            idle = phase
        elif phase.text("name") == "context_held":
            held, before = _watts(phase), _watts(idle)
            return {
                name: Figure(watts - before[name][0], hypot(off, before[name][1]))
                for name, (watts, off) in held.items()
                if name in before
            }
    return {}


def _watts(phase: Part | None) -> dict[str, tuple[float, float]]:
    """Mean power and its half-width, of the domains of which both are known."""
    start, end = (phase.time("start"), phase.time("end")) if phase else (None, None)
    if phase is None or start is None or end is None or end <= start:
        return {}
    joules, bands = phase.numbers("joules"), phase.numbers("uncertainty_joules")
    return {
        name: (energy / (end - start), (bands.get(name) or 0.0) / (end - start))
        for name, energy in joules.items()
        if energy is not None
    }


def _limited(result: Part) -> dict[tuple[str, str, str], float]:
    """By span (the training, the load alone before it, after it), domain and cause."""
    start, end = attempt_span(result)
    stretches: dict[str, list[Stretch]] = {}
    for phase in result.parts("phases"):
        began, ended = phase.time("start"), phase.time("end")
        if began is None or ended is None or start is None or end is None:
            continue
        span = _span_of(phase, (began + ended) / 2, start, end)
        if span is not None:
            stretches.setdefault(span, []).append((ended - began, _held_down(phase)))
    return {
        (span, *cause): share
        for span, of_span in stretches.items()
        for cause, share in shares(of_span).items()
    }


def _held_down(phase: Part) -> dict[Cause, float | None]:
    """Seconds for which a cause held a GPU or a package down, of those that tell."""
    gpus, cpus = (phase.part("state").part(kind) for kind in ("gpus", "cpus"))
    found = dict[Cause, float | None]()
    for name in gpus.names():
        told = gpus.part(name).numbers("limited_seconds")
        found |= {(name, cause): told.get(cause) or 0.0 for cause in CAUSES if told}
    for name in cpus.names():
        seconds = cpus.part(name).number("throttle_seconds")
        found |= {} if seconds is None else {(name, "heat"): seconds}
    return found


def _span_of(phase: Part, middle: float, start: float, end: float) -> str | None:
    """Which span a phase is of, by its middle and the edges of the last attempt."""
    kind = kind_of(phase.text("name") or "")
    if kind == TRAINING and start <= middle <= end:
        return TRAINING
    if kind == "background_only":
        return LOADS[0] if middle < start else LOADS[1]
    return None


def _foreign(result: Part) -> dict[str, str]:
    """Seen during the training, or while the machine was to be idle."""
    found: dict[str, list[str]] = {}
    seen = (result.part("foreign").part(name) for name in (TRAINING, "idle"))
    for process in (one for phase in seen for one in phase.parts("gpu_processes")):
        if process.flag("attributed") is False:
            continue
        named = f"pid {process.integer('pid')} ({process.text('command') or 'not named'})"
        found.setdefault(f"gpu-{process.integer('gpu')}", []).append(named)
    return {gpu: first_of([*dict.fromkeys(names)], 3) for gpu, names in found.items()}


def _twins(result: Part) -> dict[str, Twins]:
    found = {}
    for gpu in result.part("environment").parts("gpus"):
        differential = gpu.part("twins").number("differential")
        if differential is not None and differential >= 0:
            found[f"gpu-{gpu.integer('index')}"] = Twins(
                differential, gpu.part("twins").time("date")
            )
    return found


def pooled(values: Iterable[float | None]) -> float | None:
    """The mean of those that are known; None where none is."""
    told = [one for one in values if one is not None]
    return sum(told) / len(told) if told else None
