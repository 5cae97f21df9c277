"""Runs → the rows that charts draw. Times in seconds since the begin of the run's first phase."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.analysis.charts.downsample import gaps_marked, thinned
from energyctl.results.domain_marks import KINDS, kind_of
from energyctl.results.phases import phase_words
from energyctl.results.tables import Row
from energyctl.results.tables.totals import by_itself
from energyctl.results.time_series import dataframes

if TYPE_CHECKING:
    import polars

    from energyctl.results.api import Run, RunPhase

BUCKETS = 600
"""Of a time series: about one a pixel of a wide page."""

LOG_RANGE = 50
"""Values above 0 that span more than this factor are drawn on a logarithmic axis."""

LEAST_SECONDS = 1.0
"""A shorter phase tells next to nothing of the power."""


FACTORS = ("hyperparam_", "requested_")
"""Before the name of a hyper-parameter, and of a machine setting, in columns."""


def without(prefixes: str | tuple[str, ...], column: str) -> str:
    """The name behind the one of *prefixes* that the column has."""
    every = (prefixes,) if isinstance(prefixes, str) else prefixes
    return next((column[len(one) :] for one in every if column.startswith(one)), column)


def run_rows(runs: Sequence[Run]) -> list[Row]:
    """A row per run, numbered from 1 in the order given."""
    return [_run_row(run, number) for number, run in enumerate(runs, 1)]


def _run_row(run: Run, number: int) -> Row:
    of, joules = run.row, finite(run.row.get("total_joules"))
    started = finite(of.get("started"))
    return {
        "experiment_id": run.experiment_id,
        "number": number,
        "label": label(run, number),
        **{name: of.get(name) for name in ("campaign", "repository", "model", "mode", "status")},
        "condition": run.condition,
        "warm_up": run.warm_up,
        "imported": bool(of.get("imported")),
        "measured": of.get("energy_measured"),
        "by_itself": by_itself(of),
        "started": None if started is None else round(started * 1000),
        "seconds": finite(of.get("energy_seconds")),
        "joules": joules,
        **band(joules, finite(of.get("total_uncertainty_joules"))),
        "watts": finite(of.get("total_watts")),
        "coverage": finite(of.get("background_min_coverage")),
        "max_gap_seconds": finite(of.get("background_max_gap_seconds")),
        "settle_seconds": finite(of.get("settle_seconds")),
        "foreign_cores": finite(of.get("foreign_cores")),
        "warnings": of.get("warning_count"),
        **{name: _cell(value) for name, value in of.items() if name.startswith("hyperparam_")},
        **{n: v for n, v in of.items() if n.startswith("requested_") and v is not None},
        **{name: finite(value) for name, value in of.items() if name.startswith("metric_")},
    }


def domain_rows(runs: Sequence[Run]) -> list[Row]:
    """A row per run and domain that is part of its total, whether its joules are known or not."""
    return [
        {
            "experiment_id": run.experiment_id,
            "number": number,
            "label": label(run, number),
            "condition": run.condition,
            "status": run.status,
            "domain": one.name,
            "kind": one.kind,
            "joules": finite(one.joules),
            **band(finite(one.joules), finite(one.uncertainty_joules)),
            "measured": one.measured,
        }
        for number, run in enumerate(runs, 1)
        if run.energy is not None
        for one in run.energy.domains
        if one.in_total
    ]


def power_rows(run: Run, buckets: int = BUCKETS, domains: Iterable[str] | None = None) -> list[Row]:
    """seconds, domain, watts, mean; of *domains*, or all.

    watts is the mean power since the row before of that domain; null: not known (a gap). mean: true
    for a phase without samples, whose mean power is drawn as a level: two rows, and a null.
    """
    pl = dataframes()
    frame = run.power(all_phases=True)
    chosen = None if domains is None else list(domains)
    if chosen is not None:
        frame = frame.filter(pl.col("domain").is_in(chosen))
    origin = _origin(run, frame)
    few = thinned(gaps_marked(_begun(frame), "domain", ["watts"]), "domain", ["watts"], buckets)
    rows: list[Row] = [
        {"seconds": time - origin, "domain": domain, "watts": watts, "mean": False}
        for time, domain, watts in few.select("timestamp", "domain", "watts").iter_rows()
    ]
    spans = few.group_by("domain").agg(first=pl.min("timestamp"), last=pl.max("timestamp"))
    sampled = {domain: (first, last) for domain, first, last in spans.iter_rows()}
    return rows + _levels(run.phases, sampled, origin, chosen)


def _begun(frame: polars.DataFrame) -> polars.DataFrame:
    """The first row of a series has no power yet: its interval begins there, so it gets the next's.

    A level that is drawn back from its end needs its begin.
    """
    pl = dataframes()
    following = pl.col("watts").shift(-1).over("domain")
    first = pl.int_range(pl.len()).over("domain") == 0
    begun: polars.DataFrame = frame.with_columns(
        watts=pl.when(first & pl.col("watts").is_null()).then(following).otherwise("watts")
    )
    return begun


def _levels(
    phases: Iterable[RunPhase],
    sampled: Mapping[str, tuple[float, float]],
    origin: float,
    chosen: Sequence[str] | None,
) -> list[Row]:
    """The mean power of each phase that is not short and in which a domain has no sample."""
    rows: list[Row] = []
    for phase in phases:
        middle = (phase.start + phase.end) / 2
        if phase.end - phase.start < LEAST_SECONDS:
            continue
        for domain, watts in phase.watts.items():
            first, last = sampled.get(domain, (math.inf, -math.inf))
            if first <= middle <= last:
                continue
            if finite(watts) is None or (chosen is not None and domain not in chosen):
                continue
            rows += [
                {"seconds": time - origin, "domain": domain, "watts": value, "mean": True}
                for time, value in ((phase.start, watts), (phase.end, watts), (phase.end, None))
            ]
    return rows


def gpu_rows(run: Run, buckets: int = BUCKETS) -> list[Row]:
    """seconds, gpu, celsius, percent (utilisation), memory_percent (of its memory interface)."""
    heat = run.temperature().select("timestamp", "gpu", celsius="gpu_celsius")
    use = run.utilization().select("timestamp", "gpu", "memory_percent", percent="gpu_percent")
    both = heat.join(use, on=["timestamp", "gpu"], how="full", coalesce=True)
    values = ["celsius", "percent", "memory_percent"]
    both = both.sort("timestamp", maintain_order=True).select("timestamp", "gpu", *values)
    origin = _origin(run, both)
    few = thinned(gaps_marked(both, "gpu", values), "gpu", values, buckets)
    seconds = dataframes().col("timestamp") - origin
    rows: list[Row] = few.select(seconds.alias("seconds"), "gpu", *values).to_dicts()
    return rows


def phase_rows(run: Run) -> list[Row]:
    """phase, step, label (what people read), start, end."""
    origin = _origin(run, None)
    return [
        {
            "phase": one.name,
            "step": one.step,
            "label": phase_words(one.name, one.step),
            "start": one.start - origin,
            "end": one.end - origin,
        }
        for one in run.phases
    ]


def iteration_rows(run: Run) -> list[Row]:
    """job, number, start, end, failed: the iterations of the background that ended."""
    origin = _origin(run, None)
    return [
        {
            "job": one["job"],
            "number": one["iteration"],
            "start": one["started"] - origin,
            "end": one["ended"] - origin,
            "failed": bool(one["failed"]),
        }
        for one in run.rows("iterations")
    ]


def _origin(run: Run, frame: polars.DataFrame | None) -> float:
    """Unix seconds of the begin of the first phase, else of what is known first."""
    if run.phases:
        return min(phase.start for phase in run.phases)
    if frame is not None and not frame.is_empty():
        return float(frame["timestamp"].min())  # type: ignore[arg-type]
    return run.started or 0.0


def total_domains(run: Run) -> tuple[list[str], list[str]]:
    """The domains that are part of its total, and all that are estimates."""
    domains = run.energy.domains if run.energy else ()
    counted = [one.name for one in domains if one.in_total]
    return counted, [one.name for one in domains if one.measured is False]


def jobs_of(rows: Iterable[Row]) -> list[str]:
    """The jobs of `iterations` rows."""
    return sorted({str(row["job"]) for row in rows})


def conditions_of(rows: Iterable[Row]) -> list[str]:
    """The conditions of `runs` rows or points."""
    return sorted({row["condition"] for row in rows})


def axis_of(values: Sequence[Any]) -> str:
    """How a hyper-parameter is drawn: on a linear or log axis as numbers, or as names."""
    if any(isinstance(value, str | bool) for value in values):
        return "names"
    return "log" if min(values) > 0 and max(values) > LOG_RANGE * min(values) else "linear"


def domain_names(rows: Iterable[Row]) -> list[str]:
    """The domains of `power` or `domains` rows, in the order of the legend."""
    return sorted({str(row["domain"]) for row in rows}, key=_domain_order)


def _domain_order(name: str) -> tuple[int, str, int]:
    base, _, number = name.partition("-")
    return KINDS.index(kind_of(name)), base, int(number) if number.isdigit() else 99


def label(run: Run, number: int) -> str:
    """Short, and unique among the runs of one picture; † marks one that was imported."""
    named = run.model if run.model not in (None, "default") else run.repository
    return f"{number} {named or run.model or 'run'}{' †' if run.row.get('imported') else ''}"


def band(value: float | None, half: float | None) -> dict[str, float | None]:
    """low and high of an energy, which is never below 0; null where either is not known."""
    if value is None or half is None:
        return {"low": None, "high": None}
    return {"low": max(0.0, value - half), "high": value + half}


def finite(value: Any) -> float | None:
    """A number that JSON can hold; NaN and infinities are none."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _cell(value: Any) -> Any:
    """A value as JSON holds it."""
    return finite(value) if isinstance(value, float) else value
