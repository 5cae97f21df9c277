"""Seconds and joules until a metric first had the value that it is to reach."""

from __future__ import annotations

from energyctl.campaign.training.foreground import Attempt
from energyctl.config.registry import Metric, Repository
from energyctl.energy import Recording
from energyctl.results.schema import ReachJson


def reached(
    attempt: Attempt | None, repository: Repository, recording: Recording
) -> dict[str, ReachJson]:
    """By metric, of those with a value to reach, from the begin of the *attempt*; null with the
    reason where it was not reached."""
    metrics = [metric for metric in repository.all_metrics if metric.reach is not None]
    return {metric.name: _reached(attempt, metric, recording) for metric in metrics}


def _reached(attempt: Attempt | None, metric: Metric, recording: Recording) -> ReachJson:
    found: ReachJson = {
        "value": metric.reach or 0.0,
        "better": metric.better or "higher",
        "seconds": None,
        "joules": None,
        "uncertainty_joules": None,
        "own_joules": None,
        "missing": None,
    }
    if attempt is None or attempt.start is None or attempt.end is None:
        return {**found, "missing": "the foreground never ran"}
    instant = attempt.reached.get(metric.name)
    if isinstance(instant, str) or instant is None:
        return {**found, "missing": instant or "no value of it was found"}
    time, late = instant
    if time - late <= attempt.end < time:
        time = attempt.end  # it ended between the value and the look that saw it
    if not attempt.start < time <= attempt.end:
        return {**found, "missing": "it was reached outside of what is metered"}
    # The value may have come earlier by so much: what flowed meanwhile is part of the band.
    slack = attempt.slack_seconds + late
    energy = recording.energy(attempt.start, time, slack_seconds=slack)
    known = energy.total_joules is not None
    return {
        **found,
        "seconds": time - attempt.start,
        "joules": energy.total_joules,
        "uncertainty_joules": energy.uncertainty_joules,
        "own_joules": energy.own_joules,
        "missing": None if known else "; ".join(energy.warnings) or "no energy of it is known",
    }
