"""What a result says of its background: where it never ran, was away, or idle. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from energyctl import programs
from energyctl.plan import Run
from energyctl.workload import unknown

BACKGROUND_NOTE = "Background training served as GPU load only (not monitored)"
GOOD_COVERAGE, GOOD_LOAD = 0.99, 0.5


def planned_info(run: Run, why: str) -> dict[str, Any]:
    """``background_info`` of a run whose background was never started, or is not known."""
    figures = ("iterations", "failures", "coverage", "max_gap_seconds")
    names = iter(programs.job_names(run))
    jobs = [
        {
            "job": next(names),
            **background.training.to_json(),
            **dict.fromkeys(figures),
            **unknown(why).to_json(),
            "missing": {**dict.fromkeys(figures, why), **unknown(why).missing},
            "logs": None,
            "error": why,
        }
        for background in run.background
        for _ in range(background.copies)
    ]
    only = jobs[0] if len(jobs) == 1 else {}
    return {
        **{key: only.get(key) for key in ("repo", "model", "hyperparameters")},
        "note": BACKGROUND_NOTE,
        "jobs": jobs,
        "stop": None,
        "settle": None,
    }


def coverage_warnings(info: Mapping[str, Any]) -> list[str]:
    """One line per job that was away, or failed, while the foreground ran."""
    warnings = []
    for job in info["jobs"]:
        if job["error"]:
            warnings.append(f"background {job['job']}: {job['error']}")
        elif job["coverage"] is not None and job["coverage"] < GOOD_COVERAGE:
            warnings.append(
                f"background {job['job']} ran for {job['coverage']:.1%} of the foreground's time "
                f"(longest gap {job['max_gap_seconds']:.2f} s)"
            )
        if job["failures"]:
            warnings.append(
                f"background {job['job']}: {job['failures']} of {job['iterations']} iterations "
                f"failed; see {job['logs']}"
            )
    return warnings + _load_warnings(info)


def _load_warnings(info: Mapping[str, Any]) -> list[str]:
    """One line per training, its copies together, that ran but was idle for the most part."""
    copies: dict[str, list[Mapping[str, Any]]] = {}
    for job in info["jobs"]:
        training = json.dumps([job["repo"], job["model"], job["hyperparameters"]], sort_keys=True)
        copies.setdefault(training, []).append(job)
    warnings = []
    for jobs in copies.values():
        loads = [job["load"] for job in jobs if job["load"] is not None]
        ran = all((job["coverage"] or 0.0) >= GOOD_COVERAGE for job in jobs)
        if ran and len(loads) == len(jobs) and sum(loads) < GOOD_LOAD:
            names = ", ".join(f"{job['job']} {job['load']:.0%}" for job in jobs)
            warnings.append(
                f"background {names} of the foreground's time busy: it ran, but for the most part "
                "it was idle, as when it imports and loads data; longer iterations help, or copies "
                "with stagger_seconds between them, so that one is busy while another starts"
            )
    return warnings
