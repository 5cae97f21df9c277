"""A run in progress as one line of text, and the words that the screen shares with it."""

from __future__ import annotations

import time

from energyctl.background.job_view import JobView
from energyctl.campaign.observer import View
from energyctl.results.phases import TRAINING, kind_of, phase_words
from energyctl.text import duration, energy, one_line, powers, present


def plain_line(view: View, total: int, ends: float | None) -> str:
    """Everything about the run in one line, for pipes, logs and dumb terminals."""
    parts = [headline(view, total, ends), power(view)]
    for job in view.jobs:
        counts, presence = job_words(job)
        parts.append(f"background {job.name}: {counts}" + (f"  {presence}" if presence else ""))
    if view.joules:
        parts.append(joules_words(view))
    if view.moving:
        parts.append(view.moving)
    if kind_of(view.phase) in TRAINING and view.last_line:
        parts.append(f"> {one_line(view.last_line)}")
    return " | ".join(parts)


def headline(view: View, total: int, ends: float | None) -> str:
    """Which run, which phase, since when, and when the campaign is expected to end."""
    now = time.time()
    text = f"{number(view, total)}  {view.words}  {phase(view, now, '  ')}"
    if kind_of(view.phase) in TRAINING and view.progress is not None:
        text += f"  {progress(view, now)}"
    if ends is not None:
        text += f"  about {duration(ends - now)} left" if ends > now else "  longer than expected"
    return text


def number(view: View, total: object) -> str:
    """``run 3 of 12``, or the name of what is measured between the runs."""
    return f"run {view.index} of {total}" if view.index else view.experiment_id


def phase(view: View, now: float, gap: str = " ") -> str:
    """The phase that goes on, for how long, and of how long at the most."""
    text = phase_words(view.phase)
    if kind_of(view.phase) in TRAINING and view.attempt:
        text += f", attempt {view.attempt}"
    text += f"{gap}{duration(now - view.phase_since)}"
    if view.until is not None:
        text += f" of {duration(view.until - view.phase_since)}" + " at most" * bool(view.moving)
    return text


def progress(view: View, now: float) -> str:
    """How far the training says it is, and how long it will go on like that."""
    assert view.progress is not None
    done, total = view.progress
    if total is None or total <= 0:
        return f"at {done:g}"
    text = f"{done:g} of {total:g}"
    if 0 < done < total:
        text += f", {duration(_rest(view, now, done, total))} left in it"
    return text


def seconds_left(view: View, now: float) -> float | None:
    """Of the training, if it goes on like that; 0 once it is over; None where it does not say."""
    kind, (done, total) = kind_of(view.phase), view.progress or (0.0, None)
    if kind not in (*TRAINING, "between_steps"):
        return None if view.attempt is None else 0.0
    if kind not in TRAINING or not total or not 0 < done < total:
        return None
    return _rest(view, now, done, total)


def _rest(view: View, now: float, done: float, total: float) -> float:
    return (now - view.phase_since) * (total - done) / done


def joules_words(view: View) -> str:
    """``26.02 kJ in the training so far``: of all domains together; estimates labelled."""
    joules = list(view.joules.values())
    total = None if None in joules else sum(value or 0.0 for value in joules)
    so_far = " so far" if kind_of(view.phase) in TRAINING else ""
    return f"{energy(total, measured=not view.estimated)} in the training{so_far}"


def power(view: View) -> str:
    """Power now by domain, estimates labelled."""
    return powers(view.watts, cpu_estimated=view.estimated) or "power not known yet"


def job_words(job: JobView) -> tuple[str, str]:
    """(``iteration 12, 1 failed``, ``covered 99.7 %, …``) of a background job."""
    counts = f"iteration {job.iterations}"
    counts += "" if job.running else f", not running for {duration(job.away_seconds)}"
    counts += f", {job.failures} failed" if job.failures else ""
    return counts, present(job.coverage, job.max_gap_seconds, job.load)
