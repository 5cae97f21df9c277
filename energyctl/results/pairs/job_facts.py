"""What a result tells of the work of its background, alone and beside the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.results.phases import kind_of
from energyctl.results.tables.part import Part

LOAD_ALONE = "background_only"
ITERATIONS = "iterations"
NOT_TOLD = "the result tells no work of it"
LEAST_SECONDS = 1.0
"""A shorter stretch tells no rate: left out where there is a longer one."""


@dataclass(frozen=True)
class Work:
    """What a job did in some phases together; None: not known, for the reason `missing`."""

    seconds: float = 0.0
    amount: float | None = None
    uncertainty: float | None = None
    unit: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class JobFacts:
    """A background job. alone: its work while nothing but the load ran, before the foreground and
    after it; beside: during the last attempt of the foreground."""

    name: str
    training: str
    alone: Work
    beside: Work


def jobs_of(result: Part, start: float | None, end: float | None) -> tuple[JobFacts, ...]:
    """start, end: of the last attempt of the foreground (Unix seconds)."""
    phases = [
        _Span(one.text("name") or "", one.time("start"), one.time("end"))
        for one in result.parts("phases")
    ]
    jobs = result.part("background_info").parts("jobs")
    return tuple(_job(job, phases, result, start, end, only=len(jobs) == 1) for job in jobs)


class _Span(NamedTuple):
    name: str
    start: float | None
    end: float | None


def _job(
    job: Part,
    phases: Sequence[_Span],
    result: Part,
    start: float | None,
    end: float | None,
    only: bool,
) -> JobFacts:
    entries = _placed(job.parts("work"), phases)
    within = [_within(span, start, end) for _, span in entries]
    beside = [entry for (entry, _), inside in zip(entries, within, strict=True) if inside]
    together = _sum(beside, "it did not run beside the training" if entries else NOT_TOLD)
    whole = _whole_iterations(result) if only and together.unit == ITERATIONS else []
    first = within.index(True) if True in within else len(within)
    sides = whole or [
        _sum(side, "no phase of the load alone" if entries else NOT_TOLD, some=True)
        for side in (
            [entry for entry, span in part if kind_of(span.name) == LOAD_ALONE]
            for part in (entries[:first], entries[first:])
        )
    ]
    training = f"{job.text('repo')} / {job.text('model')}"
    return JobFacts(str(job.text("job")), training, _both(sides), together)


def _whole_iterations(result: Part) -> list[Work]:
    """Those before the foreground and after it that the power of the load alone is of, where there
    are any: a phase begins and ends within iterations, of which some parts do more than others."""
    baseline = result.part("energy").part("baselines").part(LOAD_ALONE)
    if baseline.text("of") != ITERATIONS:
        return []
    sides = [
        Work(baseline.number(f"{side}_seconds") or 0.0, baseline.number(side), 0.0, ITERATIONS)
        for side in ("before", "after")
    ]
    return [side for side in sides if side.amount and side.seconds]


def _both(sides: Sequence[Work]) -> Work:
    """Before and after together. What their rates differ by is in the uncertainty: of the mean it
    may be so much of the longer one."""
    known = [side for side in sides if side.amount is not None]
    if not known:
        return sides[-1]
    known = [side for side in known if side.seconds >= LEAST_SECONDS] or known
    if len({side.unit for side in known}) > 1:
        return Work(missing="its work is told in different units")
    bands = [side.uncertainty for side in known]
    rates = [(one.amount or 0.0) / one.seconds for one in known]
    drift = (max(rates) - min(rates)) * max(one.seconds for one in known)
    return Work(
        sum(one.seconds for one in known),
        sum(one.amount or 0.0 for one in known),
        None if None in bands else sum(band or 0.0 for band in bands) + drift,
        known[0].unit,
    )


def _placed(work: Sequence[Part], phases: Sequence[_Span]) -> list[tuple[Part, _Span]]:
    """Each entry with its phase: they stand in one order, and a job may have missed phases."""
    placed, at = [], 0
    for entry in work:
        name = entry.text("phase") or ""
        later = [n for n in range(at, len(phases)) if phases[n].name == name]
        if later:
            at = later[0] + 1
        placed.append((entry, phases[later[0]] if later else _Span(name, None, None)))
    return placed


def _within(span: _Span, start: float | None, end: float | None) -> bool:
    """Whether the phase is of the attempt; where times are not known, whether a training ran."""
    if span.start is None or span.end is None or start is None or end is None:
        return kind_of(span.name) == "foreground"
    return start <= (span.start + span.end) / 2 <= end


def _sum(entries: Sequence[Part], none: str, *, some: bool = False) -> Work:
    """All of them together. some: those whose work is not known are left out as long as there are
    others."""
    known = [one for one in entries if one.number("amount") is not None and one.number("seconds")]
    if not known or (len(known) < len(entries) and not some):
        reasons = [one.text("reason") for one in entries if one.number("amount") is None]
        return Work(missing=next((why for why in reasons if why), none))
    units = {one.text("unit") for one in known}
    if len(units) > 1:
        return Work(missing="its work is told in different units")
    bands = [one.number("uncertainty") for one in known]
    return Work(
        sum(one.number("seconds") or 0.0 for one in known),
        sum(one.number("amount") or 0.0 for one in known),
        None if None in bands else sum(band or 0.0 for band in bands),
        units.pop(),
    )
