"""A result → its rows in the tables of domains, phases, jobs, their work, iterations, epochs."""

from __future__ import annotations

from collections.abc import Iterable

from energyctl.results.ledger import Iteration
from energyctl.results.tables import accessors
from energyctl.results.tables.attempt_work import attempt_work
from energyctl.results.tables.columns import Row, flattened
from energyctl.results.tables.epoch_layout import METRICS
from energyctl.results.tables.layouts import BUDGET
from energyctl.results.tables.part import NoResult, Part, in_range


def domain_rows(result: Part) -> list[Row]:
    """A row per domain."""
    energy = result.part("energy")
    seconds = energy.number("seconds")
    return [
        {
            "experiment_id": result.text("experiment_id"),
            "domain": domain.text("name"),
            **{name: domain.text(name) for name in ("kind", "source", "missing")},
            **{name: domain.flag(name) for name in ("measured", "in_total")},
            "seconds": seconds,
            "joules": domain.number("joules"),
            "uncertainty_joules": domain.number("uncertainty_joules"),
            "watts": accessors.watts(domain.number("joules"), seconds),
            **{name: domain.number(name) for name in accessors.ADDED},
            **flattened(BUDGET, domain.numbers("budget")),
        }
        for domain in energy.parts("domains")
    ]


def phase_rows(result: Part) -> list[Row]:
    """A row per phase and domain; one for a phase in which no domain was metered."""
    domains = {one.text("name"): one for one in result.part("energy").parts("domains")}
    rows: list[Row] = []
    for number, phase in enumerate(result.parts("phases"), 1):
        joules, watts = phase.numbers("joules"), phase.numbers("watts")
        bands, missing = phase.numbers("uncertainty_joules"), phase.part("missing")
        start, end = phase.time("start"), phase.time("end")
        name_of, _, step = (phase.text("name") or "").partition(":")
        names: list[str | None] = [*joules]
        for name in names or [None]:
            domain = domains.get(name, Part({}))
            rows.append(
                {
                    "experiment_id": result.text("experiment_id"),
                    "phase_number": number,
                    "phase": name_of,
                    "step": step or None,
                    "started": start,
                    "ended": end,
                    "seconds": accessors.seconds_between(start, end),
                    "domain": name,
                    "kind": domain.text("kind"),
                    "in_total": domain.flag("in_total"),
                    "joules": joules.get(name or ""),
                    "uncertainty_joules": bands.get(name or ""),
                    "watts": watts.get(name or ""),
                    "missing": missing.text(name or ""),
                }
            )
    return rows


def job_rows(result: Part) -> list[Row]:
    """A row per background job."""
    rows: list[Row] = []
    for job in result.part("background_info").parts("jobs"):
        used = job.part("utilization")
        rows.append(
            {
                "experiment_id": result.text("experiment_id"),
                "job": job.text("job"),
                "repository": job.text("repo"),
                "model": job.text("model"),
                **{name: job.integer(name) for name in ("iterations", "failures")},
                **{name: job.number(name) for name in ("coverage", "load", "max_gap_seconds")},
                **{name: used.number(name) for name in ("gpu_percent", "cpu_cores")},
                **attempt_work(result, job),
                "missing": accessors.reasons(job.part("missing")),
                "error": job.text("error"),
                **accessors.hyperparameters(job),
            }
        )
    return rows


def work_rows(result: Part) -> list[Row]:
    """A row per background job and phase that it ran in."""
    rows: list[Row] = []
    for job in result.part("background_info").parts("jobs"):
        for number, one in enumerate(job.parts("work"), 1):
            phase, _, step = (one.text("phase") or "").partition(":")
            rows.append(
                {
                    "experiment_id": result.text("experiment_id"),
                    "job": job.text("job"),
                    "number": number,
                    "phase": phase,
                    "step": step or None,
                    **{name: one.number(name) for name in ("seconds", "amount", "uncertainty")},
                    "unit": one.text("unit"),
                    "missing": one.text("reason"),
                }
            )
    return rows


def series_rows(result: Part) -> list[Row]:
    """A row per value of a series that is kept."""
    series = result.part("foreground_result").part("metric_series")
    start, _ = accessors.attempt_span(result)
    rows: list[Row] = []
    for name in series.names():
        one = series.part(name)
        values, times = one.listed_numbers("values"), one.listed_numbers("times")
        for number, (value, time) in enumerate(zip(values, times, strict=False), 1):
            rows.append(
                {
                    "experiment_id": result.text("experiment_id"),
                    "metric": name,
                    "number": number,
                    "time": time if in_range(time) else None,
                    "seconds": accessors.seconds_between(start, time),
                    "value": value,
                }
            )
    return rows


def epoch_rows(result: Part) -> list[Row]:
    """A row per epoch, or so many of them, that the training told."""
    rows: list[Row] = []
    for epoch in result.part("foreground_result").parts("epochs"):
        start, end = epoch.time("start"), epoch.time("end")
        seconds, joules = accessors.seconds_between(start, end), epoch.number("joules")
        rows.append(
            {
                "experiment_id": result.text("experiment_id"),
                "epoch": epoch.integer("epoch"),
                "epochs": epoch.integer("epochs") or 1,
                "started": start,
                "ended": end,
                "seconds": seconds,
                "joules": joules,
                "uncertainty_joules": epoch.number("uncertainty_joules"),
                "watts": accessors.watts(joules, seconds),
                "missing": epoch.text("missing"),
                **flattened(METRICS, epoch.numbers("metrics")),
            }
        )
    return rows


ROWS = {
    "domains": domain_rows, "phases": phase_rows, "jobs": job_rows, "work": work_rows,
    "series": series_rows, "epochs": epoch_rows,
}  # fmt: skip
"""Of the tables that a result alone tells: what makes their rows."""


def iteration_rows(result: Part, ledger: Iterable[Iteration]) -> list[Row]:
    """A row per iteration that ended."""
    span = accessors.attempt_span(result)
    ended = [one for one in ledger if one.ended is not None]
    for one in ended:
        if not in_range(one.started) or not in_range(one.ended):
            raise NoResult(
                f"its ledger has a time that is none, in iteration {one.run} of {one.job}"
            )
    return [
        {
            "experiment_id": result.text("experiment_id"),
            "job": one.job,
            "iteration": one.run,
            "pid": one.pid,
            "started": one.started,
            "ended": one.ended,
            "seconds": accessors.seconds_between(one.started, one.ended),
            "attempt_seconds": _overlap(one, *span),
            "exit_code": one.exit_code,
            "signal": one.signal,
            "failed": one.failed,
        }
        for one in ended
    ]


def _overlap(one: Iteration, start: float | None, end: float | None) -> float | None:
    if start is None or end is None or one.ended is None:
        return None
    return max(0.0, min(one.ended, end) - max(one.started, start))
