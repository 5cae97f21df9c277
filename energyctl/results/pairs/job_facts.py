"""What a result tells of the work of its background, alone and beside the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from energyctl.energy.block_power import student_t
from energyctl.results.job_work import ITERATIONS
from energyctl.results.tables.attempt_work import (
    NOT_TOLD,
    OTHER_UNITS,
    Work,
    added_work,
    entries_of,
    work_beside,
)
from energyctl.results.tables.part import Part

LOAD_ALONE = "background_only"
SIDES = ("before", "after")
LEAST_SECONDS = 1.0
"""A shorter stretch tells no rate: left out where there is a longer one."""


@dataclass(frozen=True)
class JobFacts:
    """A background job. alone: its work while nothing but the load ran, before the foreground and
    after it; beside: during the last attempt of the foreground."""

    name: str
    training: str
    alone: Work
    beside: Work


def jobs_of(result: Part) -> tuple[JobFacts, ...]:
    jobs = result.part("background_info").parts("jobs")
    return tuple(_job(job, result, only=len(jobs) == 1) for job in jobs)


def _job(job: Part, result: Part, *, only: bool) -> JobFacts:
    entries = entries_of(result, job)
    beside = work_beside(result, entries)
    first = next((n for n, one in enumerate(entries) if one.beside), len(entries))
    sides = [
        added_work(
            [one.work for one in side if one.kind == LOAD_ALONE],
            "no phase of the load alone" if entries else NOT_TOLD,
            some=True,
        )
        for side in (entries[:first], entries[first:])
    ]
    baseline = result.part("energy").part("baselines").part(LOAD_ALONE)
    whole = only and beside.unit == ITERATIONS and baseline.text("of") == ITERATIONS
    alone = whole_iterations(baseline, beside.seconds) if whole else None
    training = f"{job.text('repo')} / {job.text('model')}"
    return JobFacts(str(job.text("job")), training, alone or _both(sides), beside)


def whole_iterations(baseline: Part, seconds: float) -> Work | None:
    """Those of the load alone that its power is of; None where these do not tell how they vary.
    seconds: of the foreground.

    A phase begins and ends within iterations, of which some parts do more than others; these are
    counted exactly. The uncertainty is that their rate may be another in the time of the
    foreground, as of their power (`mean_power`): what it differs by before and after, and Student's
    t × the deviation of their lengths × √(1/their number + share of one in the time).
    """
    pairs = [(baseline.number(side), baseline.number(f"{side}_seconds")) for side in SIDES]
    sides = [(n, length) for n, length in pairs if n and length and min(n, length) > 0]
    count, length = sum(n for n, _ in sides), sum(s for _, s in sides)
    deviation = baseline.number("cycle_deviation_seconds")
    if count < 2 or deviation is None or not seconds:
        return None
    rates = [number / side for number, side in sides]
    drift = (max(rates) - min(rates)) * max(side for _, side in sides)
    usual = length / count
    spread = sqrt(1 / count + min(1.0, usual / seconds))
    noise = student_t(int(count) - len(sides) or 1) * deviation / usual * spread
    return Work(length, count, drift + noise * count, ITERATIONS)


def _both(sides: Sequence[Work]) -> Work:
    """Before and after together. That the rate of both is off by what theirs differ by is in the
    uncertainty: two values lie on both sides of the true one half of the time only."""
    known = [side for side in sides if side.amount is not None]
    if not known:
        return sides[-1]
    known = [side for side in known if side.seconds >= LEAST_SECONDS] or known
    if len({side.unit for side in known}) > 1:
        return Work(missing=OTHER_UNITS)
    bands = [side.uncertainty for side in known]
    rates = [(one.amount or 0.0) / one.seconds for one in known]
    seconds = sum(one.seconds for one in known)
    drift = (max(rates) - min(rates)) * seconds
    return Work(
        seconds,
        sum(one.amount or 0.0 for one in known),
        None if None in bands else sum(band or 0.0 for band in bands) + drift,
        known[0].unit,
    )
