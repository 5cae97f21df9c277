"""The wide table that the users' analysis scripts read: one row per run, their spelling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from energyctl.results.tables.columns import Row, plain, total
from energyctl.results.tables.layouts import HYPERPARAMETERS, METRICS

FIRST = {
    "experiment_id": "experiment_id",
    "timestamp": "ended",
    "repository": "repository",
    "model": "model",
    "training_success": "training_success",
    "duration_seconds": "duration_seconds",
    "retries": "retries",
}
"""Their column → ours."""

LAST = {
    "energy_cpu_pkg_joules": "cpu_package_joules",
    "energy_cpu_ram_joules": "cpu_dram_joules",
    "energy_cpu_total_joules": "",
    "energy_gpu_avg_watts": "gpu_mean_watts",
    "energy_gpu_max_watts": "gpu_max_watts",
    "energy_gpu_min_watts": "gpu_min_watts",
    "energy_gpu_total_joules": "gpu_joules",
    "energy_gpu_temp_avg_celsius": "gpu_mean_celsius",
    "energy_gpu_temp_max_celsius": "gpu_max_celsius",
    "energy_gpu_util_avg_percent": "gpu_mean_percent",
    "energy_gpu_util_max_percent": "gpu_max_percent",
    "condition": "condition",
    "block": "block",
    "training_seed": "training_seed",
    "warm_up": "warm_up",
}


def summary(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """(header, cells) from the rows of the table of runs; an empty cell is what is not known.

    Numbers stand as they are in the result (`repr`), True and False as Python writes them,
    `timestamp` is the end of the training in local time, of an imported run what the old
    tool wrote.
    """
    names = {name for row in rows for name in row}
    values = sorted(name for name in names if HYPERPARAMETERS.has(name))
    metrics = sorted(name for name in names if METRICS.has(name))
    header = [*FIRST, *values, *(f"perf_{m.removeprefix(METRICS.prefix)}" for m in metrics), *LAST]
    ours = [*FIRST.values(), *values, *metrics, *LAST.values()]
    return header, [[_cell(row, name) for name in ours] for row in rows]


def _cell(row: Row, name: str) -> str:
    if name == "ended" and row.get("imported_timestamp"):
        return plain(row["imported_timestamp"])
    if not name:
        both = total([row.get("cpu_package_joules"), row.get("cpu_dram_joules")])
        return "" if both is None else repr(both)
    value = row.get(name)
    if value is None:
        return ""
    if name == "ended" and math.isfinite(value):
        return datetime.fromtimestamp(value).isoformat(timespec="microseconds")
    return plain(value) if isinstance(value, str) else repr(value)
