"""What a page holds of one run: its series as small numbers, compressed. Pure.

Times are steps of 0.05 s, each less the one before; values whole steps of a 4,000th of the
series' largest: less than the width of a line.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.analysis import charts
from energyctl.analysis.charts.chart_data import finite, total_domains
from energyctl.analysis.report.languages import Language
from energyctl.analysis.report.run_tables import facts
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.results.api import Run

BUCKETS, ALL_BUCKETS = 240, 160_000
"""Stretches of time of a run's power, at most; of all runs of a page together. Temperature and
utilisation have half as many."""
TIME_STEP, VALUE_STEPS = 0.05, 4_000


def buckets_of(runs: int) -> int:
    """For each of so many runs, so that a page of many is no larger than can be sent."""
    return max(60, min(BUCKETS, ALL_BUCKETS // max(1, runs)))


def packed(run: Run, t: Language | None = None, buckets: int = BUCKETS) -> str:
    """Everything that opening the run shows, as base64 of gzipped JSON. t: of the page."""
    text = json.dumps(
        content(run, t, buckets), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    # mtime: the same run gives the same page.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def content(run: Run, t: Language | None = None, buckets: int = BUCKETS) -> dict[str, Any]:
    """The series of a run, and its facts in words and figures."""
    t = t or Language()
    domains = total_domains(run)[0] if run.energy else None
    power, gpu = charts.power_rows(run, buckets, domains), charts.gpu_rows(run, buckets // 2)
    return {
        "power": series(power, "domain", ("watts",), flags=("mean",)),
        "gpu": series(gpu, "gpu", ("celsius", "percent", "memory_percent")),
        "series": series(_metrics(run), "metric", ("value",)),
        "phases": [{**row, "label": t(row["label"])} for row in charts.phase_rows(run)],
        "iterations": [
            {**row, "start": round(row["start"], 2), "end": round(row["end"], 2)}
            for row in charts.iteration_rows(run)
        ],
        "facts": facts(run, t),
    }


def _metrics(run: Run) -> list[Row]:
    """The values of metrics that are kept as series and whose times are known, in seconds since the
    begin of the run."""
    begin = min((phase.start for phase in run.phases), default=run.started)
    if begin is None or run.started is None:
        return []
    later = run.started - begin
    return [
        {"metric": row["metric"], "seconds": row["seconds"] + later, "value": finite(row["value"])}
        for row in run.rows("series")
        if row["seconds"] is not None
    ]


def series(
    rows: Iterable[Row], key: str, values: Sequence[str], flags: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Rows with ``seconds`` → by series: ``t`` (steps since the row before), and each value's
    ``scale`` and ``v``; null stays null."""
    inside: dict[str, list[Row]] = {}
    for row in rows:
        inside.setdefault(str(row[key]), []).append(row)
    return {name: _columns(members, values, flags) for name, members in inside.items()}


def _columns(rows: Sequence[Row], values: Sequence[str], flags: Sequence[str]) -> dict[str, Any]:
    steps = [round(row["seconds"] / TIME_STEP) for row in rows]
    columns: dict[str, Any] = {
        "t": [now - before for before, now in zip([0, *steps], steps, strict=False)]
    }
    for name in values:
        known = [abs(row[name]) for row in rows if row[name] is not None]
        scale = max(known, default=0.0) / VALUE_STEPS or 1.0
        columns[name] = {
            "scale": scale,
            "v": [None if row[name] is None else round(row[name] / scale) for row in rows],
        }
    for name in flags:
        if any(row[name] for row in rows):
            columns[name] = [int(bool(row[name])) for row in rows]
    return columns
