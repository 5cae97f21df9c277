"""Which runs no other run beats: the Pareto front of two figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from energyctl.analysis.charts.chart_data import run_rows
from energyctl.analysis.fronts import pareto
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.results.api import Run

_LOSSES = re.compile(
    r"(^|[_\W])(loss|losses|error|errors|err|perplexity|ppl|mae|mse|rmse|mape|wer|cer|eer|fid|nll|"
    r"bpc|latency|seconds|joules|watts|time|divergence)($|[_\W\d])",
    re.IGNORECASE,
)
"""Names of metrics of which less is better; of all others, more is."""


def minimised(name: str) -> bool:
    """Whether less of that metric (or figure of a run) is better, by its name."""
    return _LOSSES.search(name.removeprefix("metric_")) is not None


def point_rows(runs: Sequence[Run], x: str, y: str, maximise_y: bool | None = None) -> list[Row]:
    """:func:`points` of those of the runs that succeeded."""
    rows = run_rows(runs)
    return points([row for row in rows if row["status"] == "succeeded"], x, y, maximise_y)


def points(rows: Iterable[Row], x: str, y: str, maximise_y: bool | None = None) -> list[Row]:
    """Rows of `runs` → points of two of their columns; rows that lack one are left out.

    low, high: the band of whichever of the two is ``joules``. front: on the Pareto front among the
    runs of the same group (repository and condition), with less x, and more y or less as
    *maximise_y* says (None: by its name).
    """
    drawn = [_point(row, x, y) for row in rows if row.get(x) is not None and row.get(y) is not None]
    better = not minimised(y) if maximise_y is None else maximise_y
    groups: dict[str, list[Row]] = {}
    for point in drawn:
        groups.setdefault(point["group"], []).append(point)
    for members in groups.values():
        if all(isinstance(member[axis], int | float) for member in members for axis in "xy"):
            for member, on in zip(members, pareto(members, True, better), strict=True):
                member["front"] = on
    return drawn


def group_of(row: Row) -> str:
    """What is compared only with its like: the repository under one condition."""
    return f"{row['repository'] or '?'}, {row['condition']}"


def _point(row: Row, x: str, y: str) -> Row:
    banded = "joules" in (x, y)
    return {
        **{name: row[name] for name in ("experiment_id", "number", "label", "condition")},
        **{name: row[name] for name in ("repository", "model", "imported", "measured")},
        "group": group_of(row),
        "x": row[x],
        "y": row[y],
        "low": row["low"] if banded else None,
        "high": row["high"] if banded else None,
        "front": False,
    }
