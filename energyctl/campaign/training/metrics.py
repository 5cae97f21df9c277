"""The metrics of an attempt, from its output and from files that it wrote."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from energyctl.campaign.training import workdirs
from energyctl.campaign.training.foreground import MTIME_SLACK_SECONDS, Attempt
from energyctl.campaign.training.growth import Growth, GrowthWatch
from energyctl.config.registry import (
    Metric,
    Point,
    Points,
    Reading,
    Repository,
    read_file,
    read_metrics,
    read_series,
)
from energyctl.launchers.regular_files import open_regular
from energyctl.results.schema import MetricSeriesJson
from energyctl.system import logs
from energyctl.system.interrupts import Interrupts
from energyctl.text import one_line

METRICS_SECONDS = 30.0
"""How long a log, or another file, may be searched for metrics."""


def series_files(repository: Repository) -> list[str] | None:
    """The globs of the files whose growth tells when the values of a series came; None where no
    metric is one."""
    series = [one for one in repository.all_metrics if one.series and one.told is None]
    files = [one.file for one in series if one.file is not None and one.tag is None]
    return list(dict.fromkeys(files)) if series else None


def take_metrics(
    attempt: Attempt,
    repository: Repository,
    workdir: Path,
    interrupts: Interrupts,
    growth: GrowthWatch | None = None,
) -> None:
    """Fills the attempt's metrics from its output, from files that it wrote in *workdir*, and from
    what it told with its epochs; a required one that is missing is an error. *growth* tells when
    the values of a series came.

    NaN and infinity are no JSON numbers: such a metric is null, with a warning that says so.
    Raises Interrupted.
    """
    reader = _MetricsReader(attempt, workdir, interrupts, growth)
    found = reader.all(repository)
    for name, value in found.items():
        attempt.metrics[name] = value if math.isfinite(value) else None
        if not math.isfinite(value):
            attempt.warnings.append(
                f"a metric is no finite number: {name} is {value} in {reader.read_in(name)}"
            )
    missing = {m.name: m.required for m in repository.all_metrics if m.name not in found}
    required = [name for name, needed in missing.items() if needed]
    if required and attempt.error is None:
        attempt.error = f"required metrics not found: {reader.why_not(required)}"
    elif missing and attempt.error is None:
        attempt.warnings.append(f"metrics not found: {reader.why_not(missing)}")


class _MetricsReader:
    """Reads the metrics of an attempt, those of its log within METRICS_SECONDS, and those of each
    other file."""

    def __init__(
        self, attempt: Attempt, workdir: Path, interrupts: Interrupts, growth: GrowthWatch | None
    ) -> None:
        self._attempt, self._workdir, self._interrupts = attempt, workdir, interrupts
        self._growth = growth
        self._deadline = time.monotonic() + METRICS_SECONDS
        self._reasons = dict[str, str]()
        self._files = dict[str, str]()

    def read_in(self, name: str) -> str:
        """The file in which a metric was looked for."""
        return self._files[name]

    def why_not(self, names: Iterable[str]) -> str:
        """The reason for each of the metrics *names* that was not found."""
        unread = "its step did not run"
        return "; ".join(f"{name} ({self._reasons.get(name, unread)})" for name in names)

    def all(self, repository: Repository) -> dict[str, float]:
        """Those of the repository, in the output of all steps, and those of each step in its; and
        what was told that has no other entry there."""
        found = self._read(repository)
        return self._told(repository, found) | found

    def _told(self, repository: Repository, found: Collection[str]) -> dict[str, float]:
        """With the epochs, without those that were *found* elsewhere."""
        reading, metrics = self._attempt.timeline.reading(), repository.all_metrics
        told = [one.metric for one in self._attempt.timeline.selections()]
        told += [one for one in metrics if one.told is not None and one not in told]
        told = [one for one in told if one.name not in found]
        names = {one.name for one in told}
        reading = replace(
            reading,
            values={name: value for name, value in reading.values.items() if name in names},
            series={name: points for name, points in reading.series.items() if name in names},
        )
        self._keep(reading, None, 0)
        return self._take(told, reading, "what it told of its epochs")

    def _read(self, repository: Repository) -> dict[str, float]:
        found = self._of(repository.metrics, 0, None)
        ends = [run.offset for run in self._attempt.steps[1:]]
        for run, end in zip(self._attempt.steps, [*ends, None], strict=False):
            found |= self._of(run.step.metrics, run.offset, end)
        return found

    def _of(self, metrics: Sequence[Metric], begin: int, end: int | None) -> dict[str, float]:
        """Those in the output from byte *begin* to *end*, and those in files."""
        log = self._attempt.log
        output = [one for one in metrics if one.file is None and one.told is None]
        printed = [metric for metric in output if not metric.series]
        series = [metric for metric in output if metric.series]
        go_on = self._within(self._deadline)
        found = self._take(printed, read_metrics(printed, log.pieces(begin, end), go_on), log.name)
        reading = read_series(series, log.chunks(begin, end), go_on)
        found |= self._take(series, reading, log.name)
        self._keep(reading, None, begin)
        for metric in metrics:
            if metric.file is not None:
                found |= self._of_file(metric, metric.file)
        return found

    def _of_file(self, metric: Metric, pattern: str) -> dict[str, float]:
        file = workdirs.newest(self._workdir, pattern)
        if file is None or file.stat().st_mtime < self._attempt.began - MTIME_SLACK_SECONDS:
            self._reasons[metric.name] = f"no new {pattern} in {self._workdir}"
            return {}
        try:
            descriptor = open_regular(file.resolve())
        except OSError as error:
            self._reasons[metric.name] = f"{file.name} cannot be read: {error.strerror}"
            return {}
        go_on = self._within(time.monotonic() + METRICS_SECONDS)
        try:
            if metric.pattern is not None and metric.series:
                reading = read_series([metric], logs.chunks(descriptor), go_on)
            elif metric.pattern is not None:
                reading = read_metrics([metric], logs.pieces(descriptor), go_on)
            else:
                reading = read_file(metric, logs.chunks(descriptor), go_on)
        except OSError as error:
            self._reasons[metric.name] = f"{file.name} cannot be read: {error.strerror}"
            return {}
        finally:
            os.close(descriptor)
        self._keep(reading, file, 0)
        return self._take([metric], reading, file.name)

    def _keep(self, reading: Reading, file: Path | None, begin: int) -> None:
        """The series that was read in a *file*, or in the log from byte *begin*."""
        growth = self._growth.of(file) if self._growth is not None else Growth()
        for name, points in reading.series.items():
            self._attempt.series[name] = _series(points, growth, begin)
            self._attempt.reached[name] = _reached(points, growth, begin)

    def _within(self, deadline: float) -> Callable[[], bool]:
        def go_on() -> bool:
            self._interrupts.check()
            return time.monotonic() < deadline

        return go_on

    def _take(self, metrics: Sequence[Metric], reading: Reading, name: str) -> dict[str, float]:
        """What was read in the file *name*, after a word on all that was not."""
        self._attempt.warnings += [
            f"a metric was given up: {metric.name}, {_too_long(metric, name)}"
            for metric in metrics
            if metric.name in reading.unread
        ]
        for metric in metrics:
            self._reasons[metric.name] = _why_not(metric, name, reading)
            self._files[metric.name] = name
        self._attempt.warnings += [
            f"a value of a metric is no number that can be read, and was passed over: {metric}, "
            f"{one_line(text)!r} in {name}"
            for metric, text in reading.strange.items()
            if metric in reading.values
        ]
        return reading.values


def _when(point: Point, growth: Growth, begin: int) -> tuple[float, float] | None:
    """See :meth:`Growth.when`; by the training itself where it noted the time."""
    return growth.when(begin + point.end) if point.time is None else (point.time, 0.0)


def _reached(points: Points, growth: Growth, begin: int) -> tuple[float, float] | str:
    """When the first value was there that reaches what the metric is to reach, or why not."""
    if points.reached is not None:
        return _when(points.reached, growth, begin) or "it is not known when it was reached"
    best = "it had no finite value" if points.best is None else f"the best was {points.best:g}"
    return f"it was not reached: {best}"


def _series(points: Points, growth: Growth, begin: int) -> MetricSeriesJson:
    """With the time of each value."""
    times, late = list[float | None](), list[float]()
    for point in points.all:
        seen = _when(point, growth, begin)
        times.append(seen[0] if seen else None)
        late += [seen[1]] if seen and point.time is None else []
    return {
        "values": [one.value if math.isfinite(one.value) else None for one in points.all],
        "times": times,
        "seen": points.seen,
        "late_seconds": max(late, default=None),
    }


def _why_not(metric: Metric, name: str, reading: Reading) -> str:
    """Why a metric has no number, if it has none, by the *reading* of the file *name*."""
    if metric.name in reading.unread:
        return _too_long(metric, name)
    if metric.name in reading.lacking:
        return f"{name}: {one_line(reading.lacking[metric.name], 200)}"
    text = reading.strange.get(metric.name)
    if text is not None:
        where = "" if metric.pattern is not None else f", {one_line(metric.way)},"
        return f"{one_line(text)!r} in {name}{where} is no number that can be read"
    if metric.pattern is None:
        return f"{one_line(metric.way)} of {name} is empty"
    return f"nothing in {name} matches {one_line(metric.pattern)!r}"


def _too_long(metric: Metric, name: str) -> str:
    if metric.pattern is None:
        return f"{name} takes too long to read"
    return f"its pattern takes too long to match with {name}"
