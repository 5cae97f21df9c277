"""What the background got done beside the training, and what it would have got done alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from energyctl.results.pairs.facts import RunFacts
from energyctl.results.pairs.figure import Figure, added_up
from energyctl.results.pairs.job_facts import JobFacts


@dataclass(frozen=True)
class JobInterference:
    """The work of one background job beside the training. slowdown: its rate alone ÷ beside; work:
    what it did; lost: what it would have done alone in that time, less that. alone_seconds: what
    that work takes while nothing but the load runs."""

    job: str
    training: str
    slowdown: Figure
    work: Figure
    lost: Figure
    alone_seconds: Figure


def job_interference(job: JobFacts) -> JobInterference:
    alone, beside = job.alone, job.beside
    work = Figure(beside.amount, beside.uncertainty, beside.missing, beside.unit)
    why = _no_rates(job)
    if why is not None or alone.amount is None or beside.amount is None:
        nothing = Figure(missing=why)
        return JobInterference(job.name, job.training, nothing, work, nothing, nothing)
    rate = alone.amount / alone.seconds
    known = alone.uncertainty is not None and beside.uncertainty is not None
    band, own = alone.uncertainty or 0.0, beside.uncertainty or 0.0
    share = band / alone.amount
    lost = Figure(
        rate * beside.seconds - beside.amount,
        rate * share * beside.seconds + own if known else None,
        unit=beside.unit,
    )
    few = f"background {job.name}: too few iterations {{}} to tell a rate"
    if not beside.amount:
        slowdown = Figure(missing="it did no work beside the training")
    elif own >= beside.amount:
        slowdown = Figure(missing=few.format("beside the training"))
    else:
        slower = rate * beside.seconds / beside.amount
        slowdown = Figure(slower, _band(slower, share, own / beside.amount) if known else None)
    least = rate * (1 - share)
    if least <= 0:
        seconds = Figure(missing=few.format("of the load alone"))
    else:
        needed = beside.amount / rate
        most = (beside.amount + own) / least
        seconds = Figure(needed, most - needed if known else None)
    return JobInterference(job.name, job.training, slowdown, work, lost, seconds)


def _band(quotient: float, above: float, below: float) -> float:
    """By how much it may be off, where what is above and below its line is off by such shares of
    itself: the farther one of its edges is the upper one."""
    return quotient * ((1 + above) / (1 - below) - 1)


def _no_rates(job: JobFacts) -> str | None:
    """Why its rates alone and beside cannot be compared, if so."""
    for work, where in ((job.alone, "of the load alone"), (job.beside, "beside the training")):
        if work.amount is None:
            return f"background {job.name}, {where}: {work.missing}"
    if job.alone.unit != job.beside.unit:
        return f"background {job.name}: its work is given in different units"
    amount, seconds = job.alone.amount or 0.0, job.alone.seconds
    if not seconds or not 0 < amount / seconds < math.inf:
        return f"background {job.name} did no work that was seen while the load was alone"
    return None


def alone_seconds(jobs: Sequence[JobInterference]) -> Figure:
    """What the work of all jobs takes alone, side by side as they ran: the mean over the jobs; by
    how far one of them is from it is in the band."""
    unknown = next((one.alone_seconds for one in jobs if one.alone_seconds.value is None), None)
    if not jobs or unknown is not None:
        return unknown or Figure(missing="the result names no job of its background")
    times = [one.alone_seconds.value or 0.0 for one in jobs]
    bands = [one.alone_seconds.uncertainty for one in jobs]
    mean = added_up(times) / len(times)
    if None in bands:
        return Figure(mean)
    wide = added_up(band or 0.0 for band in bands) / len(bands)
    return Figure(mean, wide + max(abs(time - mean) for time in times))


def slowdown_of_all(jobs: Sequence[JobInterference], alone: Figure, beside: RunFacts) -> Figure:
    """Slowdown of the jobs together: the time beside over that which their work takes alone."""
    if len(jobs) == 1:
        return jobs[0].slowdown
    if not alone.value:
        return Figure(missing=alone.missing or "they did no work beside the training")
    seconds = max(job.beside.seconds for job in beside.jobs)
    slower, band = seconds / alone.value, alone.uncertainty
    if band is not None and band >= abs(alone.value):
        return Figure(missing="what their work takes alone is too uncertain")
    return Figure(slower, None if band is None else seconds / (alone.value - band) - slower)


def added(jobs: Sequence[JobInterference], of: Callable[[JobInterference], Figure]) -> Figure:
    """The sum over copies of one training; jobs of several trainings do unlike work."""
    figures = [of(job) for job in jobs]
    if len(figures) == 1:
        return figures[0]
    unknown = next((one for one in figures if one.value is None), None)
    if not figures or unknown is not None:
        return unknown or Figure(missing="the result names no job of its background")
    if len({job.training for job in jobs}) > 1 or len({one.unit for one in figures}) > 1:
        return Figure(missing="the jobs do unlike work: see each of them")
    bands = [one.uncertainty for one in figures]
    wide = None if None in bands else added_up(band or 0.0 for band in bands)
    return Figure(added_up(one.value or 0.0 for one in figures), wide, unit=figures[0].unit)
