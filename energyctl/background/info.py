"""What a result says of its background: where it never ran, was away, or idle. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from energyctl.background import entries
from energyctl.config.plan import Run
from energyctl.results.background_load import unknown
from energyctl.results.document import background_info, job_info
from energyctl.results.job_work import NO_LINE
from energyctl.results.schema import BackgroundInfo, JobInfo, WorkJson
from energyctl.text import percent, short_duration

GOOD_COVERAGE, GOOD_LOAD = 0.99, 0.5
NAMED = 4


def planned_info(run: Run, why: str) -> BackgroundInfo:
    """``background_info`` of a run whose background was never started, or is not known."""
    copies = [job for job in run.background for _ in range(job.copies)]
    return background_info(
        [
            job_info(name, job.training.to_json(), unknown(why), why=why, error=why)
            for name, job in zip(entries.job_names(run), copies, strict=True)
        ]
    )


def coverage_warnings(info: BackgroundInfo) -> list[str]:
    """One line per training, its copies together, that was away, or failed, or was idle."""
    by_training: dict[str, list[JobInfo]] = {}
    for job in info["jobs"]:
        training = json.dumps([job["repo"], job["model"], job["hyperparameters"]], sort_keys=True)
        by_training.setdefault(training, []).append(job)
    warnings = []
    for copies in by_training.values():
        warnings += [*_errors(copies), *_away(copies), *_failures(copies), *_uncounted(copies)]
    return warnings + [line for copies in by_training.values() for line in _idle(copies)]


def _named(jobs: Sequence[JobInfo], copies: Sequence[JobInfo]) -> str:
    """Whom a line is about: all *copies* of a training, or those *jobs* of them."""
    if len(jobs) == 1:
        return str(jobs[0]["job"])
    return f"{jobs[0]['job']} and {len(jobs) - 1} more of {len(copies)} copies"


def _errors(copies: Sequence[JobInfo]) -> list[str]:
    by_error: dict[str, list[JobInfo]] = {}
    for job in copies:
        if job["error"]:
            by_error.setdefault(job["error"], []).append(job)
    return [f"{error}: background {_named(jobs, copies)}" for error, jobs in by_error.items()]


def _away(copies: Sequence[JobInfo]) -> list[str]:
    """The copy that was away the most is named first."""
    away = [
        job
        for job in copies
        if not job["error"] and job["coverage"] is not None and job["coverage"] < GOOD_COVERAGE
    ]
    if not away:
        return []
    away.sort(key=lambda job: job["coverage"] or 0.0)
    gap = max(job["max_gap_seconds"] or 0.0 for job in away)
    least = "" if len(away) == 1 else "at least "
    return [
        f"the background did not run all the time of the training: {_named(away, copies)} ran for "
        f"{least}{percent(away[0]['coverage'])} of it (longest gap {short_duration(gap)})"
    ]


def _failures(copies: Sequence[JobInfo]) -> list[str]:
    """The copy that failed the most is named first."""
    failed = [job for job in copies if job["failures"]]
    failed.sort(key=lambda job: -(job["failures"] or 0))
    if not failed:
        return []
    failures = sum(job["failures"] or 0 for job in failed)
    iterations = sum(job["iterations"] or 0 for job in failed)
    return [
        f"iterations of the background failed: {_named(failed, copies)}, {failures} of "
        f"{iterations}; see {failed[0]['logs']}"
    ]


def _uncounted(copies: Sequence[JobInfo]) -> list[str]:
    """Those whose lines were to be counted, and of which none was found."""
    silent = [job for job in copies if any(one["reason"] == NO_LINE for one in _unknown_work(job))]
    if not silent:
        return []
    return [
        f"how much the background did is not known: {_named(silent, copies)}, {NO_LINE}; "
        f"see {silent[0]['logs']}"
    ]


def _unknown_work(job: JobInfo) -> list[WorkJson]:
    return [one for one in job.get("work", ()) if one["amount"] is None]


def _idle(copies: Sequence[JobInfo]) -> list[str]:
    """A training that ran, but was idle for the most part."""
    loads = [job["load"] for job in copies if job["load"] is not None]
    ran = all((job["coverage"] or 0.0) >= GOOD_COVERAGE for job in copies)
    if not ran or len(loads) < len(copies) or sum(loads) >= GOOD_LOAD:
        return []
    names = ", ".join(f"{job['job']} {percent(job['load'], 0)}" for job in copies[:NAMED])
    if len(copies) > NAMED:
        names += f" and {len(copies) - NAMED} more copies"
    return [
        f"the background ran, but was mostly idle: {names} of the training's time busy; it may "
        "import modules or load data again and again: use longer iterations, or copies with "
        "stagger_seconds between their starts, so that one is busy while another starts"
    ]
