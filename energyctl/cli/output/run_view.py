"""A run in progress, in words."""

from __future__ import annotations

import time

from energyctl.campaign.observer import View
from energyctl.results.phases import TRAINING, kind_of, phase_words
from energyctl.text import duration, present


def power(view: View) -> str:
    """Power now by domain, estimates labelled."""
    known = {name: watts for name, watts in view.watts.items() if watts is not None}
    if not known:
        return "power not known yet"
    text = "  ".join(f"{name} {watts:.1f} W" for name, watts in known.items())
    return text + ("  (CPU estimated)" if view.estimated else "")


def headline(view: View, total: int, ends: float | None) -> str:
    """Which run, which phase, since when, and when the campaign is expected to end."""
    kind, phase = kind_of(view.phase), phase_words(view.phase)
    if kind in TRAINING and view.attempt > 1:
        phase += f", attempt {view.attempt}"
    text = f"run {view.index} of {total}  {view.title}  {phase}"
    text += f"  {duration(time.time() - view.phase_since)}"
    if view.until is not None:
        text += f" of {duration(view.until - view.phase_since)}" + " at most" * bool(view.moving)
    if kind in TRAINING and view.progress is not None:
        text += f"  {epochs(view)}"
    if ends is not None:
        left = ends - time.time()
        text += f"  about {duration(left)} left" if left > 0 else "  longer than expected"
    return text


def epochs(view: View) -> str:
    """How far the training says it is, and how long it will go on like that."""
    assert view.progress is not None
    done, total = view.progress
    if total is None or total <= 0:
        return f"at {done:g}"
    text = f"{done:g} of {total:g}"
    if 0 < done < total:
        left = (time.time() - view.phase_since) * (total - done) / done
        text += f", {duration(left)} left in it"
    return text


def job_lines(view: View) -> list[str]:
    return [
        f"background {job.name}: iteration {job.iterations}"
        + ("" if job.running else ", not running now")
        + (f", {job.failures} failed" if job.failures else "")
        + present(job.coverage, job.max_gap_seconds, job.load)
        for job in view.jobs
    ]
