"""What a result holds value by value, as points of a tracker: metrics with `series`, and epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from energyctl.energy.schema import EpochJson
from energyctl.results.api import Run


class Point(NamedTuple):
    """time: Unix seconds; None: it is not known."""

    value: float
    time: float | None
    step: int


def training_series(run: Run, ended: float | None) -> dict[str, tuple[Point, ...]]:
    """Of each metric with `series`; step: how many values came before, of those that are kept too.

    Where the metric itself is another value than the last of them, it stands once more behind:
    trackers show the last point as the metric.
    """
    found = {}
    for name, series in run.result["foreground_result"].get("metric_series", {}).items():
        values, times = series.get("values", ()), series.get("times", ())
        steps = kept_steps(len(values), series.get("seen", len(values)))
        points = [
            Point(value, time, step)
            for value, time, step in zip(values, times, steps, strict=False)
            if value is not None
        ]
        figure = run.metrics.get(name)
        if figure is not None and math.isfinite(figure) and points and points[-1].value != figure:
            points.append(Point(figure, ended, points[-1].step + 1))
        if points:
            found[name] = tuple(points)
    return found


def kept_steps(kept: int, seen: int) -> Sequence[int]:
    """Which of the *seen* values the *kept* ones are, from 0: every second, fourth, …, and the
    last."""
    every = 1
    while every < seen:
        steps = [*range(0, seen, every)]
        if steps[-1] != seen - 1:
            steps.append(seen - 1)
        if len(steps) <= kept:
            return steps
        every *= 2
    return range(kept)


def epoch_series(run: Run, prefix: str) -> dict[str, tuple[Point, ...]]:
    """Energies and metrics of the epochs that the training told of; step: the epoch."""
    found: dict[str, list[Point]] = {}
    for one in run.result["foreground_result"].get("epochs", ()):
        for name, value in _figures_of_epoch(one).items():
            if value is not None and math.isfinite(value):
                point = Point(float(value), one["end"], one["epoch"])
                found.setdefault(f"{prefix}{name}", []).append(point)
    return {name: tuple(points) for name, points in found.items()}


def _figures_of_epoch(epoch: EpochJson) -> dict[str, float | None]:
    return {
        "epoch_joules": epoch["joules"],
        "epoch_uncertainty_joules": epoch["uncertainty_joules"],
        **{f"epoch_domain.{name}.joules": joules for name, joules in epoch["domains"].items()},
        **{f"epoch_metric.{name}": figure for name, figure in epoch["metrics"].items()},
    }
