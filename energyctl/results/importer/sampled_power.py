"""The 1 Hz CSV files → samples; power → joules over the true time stamps. Pure.

Time stamps are Unix seconds, cut off to whole ones: a sample stamped 7 was taken in [7, 8), and is
taken to be of 7.5. Nothing is gained by guessing better: only differences of stamps matter inside,
and half a second either way is in the uncertainty.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

from energyctl.energy import Domain, PowerSeries, Span

POWER, UTILIZATION = "power_draw_w", "gpu_util_percent"

GPU = Domain(
    name="gpu-0",
    kind="gpu",
    source="nvidia-smi power, by the older tool",
    quantity="power",
    resolution_watts=0.01,
    update_seconds=0.1,
    # NVML: nvmlDeviceGetPowerUsage is a mean over 1 s from Ampere on (but GA100). Which GPU it was
    # the files do not say.
    averaging_seconds=1.0,
    # NVML: within 5 % of the power on Fermi and Kepler; later ones were found to be as good (see
    # docs/measurement.md).
    relative_uncertainty=0.05,
)

# As between two samples: a longer time without any leaves the energy unknown.
MAX_EDGE_SECONDS = 10.0

# Of samples with whole seconds for stamps, a few may share one (of 7.01 and 7.99, both 7).
SAME_STAMP = 0.05


@dataclass(frozen=True)
class Samples:
    """One column of one file. missing: why nothing can be made of it.

    stamp_seconds: how coarse the time stamps are; times are the middle of that.
    unread: rows that hold no such figure.
    """

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    stamp_seconds: float = 0.0
    unread: int = 0
    missing: str | None = None

    @property
    def mean_interval_seconds(self) -> float | None:
        count = len(self.times) - 1
        return (self.times[-1] - self.times[0]) / count if count > 0 else None

    def inside(self, start: float, end: float) -> tuple[float, ...]:
        """The values whose stamps lie in the span, to the accuracy of a stamp."""
        first = bisect_left(self.times, start - self.stamp_seconds)
        return self.values[first : bisect_right(self.times, end + self.stamp_seconds)]


def parse_samples(text: str, column: str) -> Samples:
    """The samples of *column*. The last row counts only if its line is whole."""
    lines = text.split("\n")
    header = [cell.strip() for cell in lines[0].lstrip("\ufeff").split(",")]
    if column not in header or "timestamp" not in header:
        return Samples(missing=f"it has no columns timestamp and {column}")
    places = header.index("timestamp"), header.index(column)
    times, values, unread = [], [], int(bool(lines[-1]) and len(lines) > 1)
    for line in lines[1:-1]:
        cells = line.split(",")
        try:
            time, value = (float(cells[place]) for place in places)
        except (IndexError, ValueError):
            unread += bool(line.strip())
            continue
        if len(cells) != len(header) or not isfinite(time) or not isfinite(value) or value < 0:
            unread += 1
            continue
        times.append(time)
        values.append(value)
    if not times:
        return Samples(unread=unread, missing="it holds no sample")
    why = _disorder(times)
    stamp = 1.0 if all(time == int(time) for time in times) else 0.0
    by_time: dict[float, list[float]] = {}
    for time, value in zip(times, values, strict=True):
        by_time.setdefault(time + stamp / 2, []).append(value)
    means = tuple(sum(same) / len(same) for same in by_time.values())
    return Samples(tuple(by_time), means, stamp, unread, why)


def _disorder(times: list[float]) -> str | None:
    """Why the stamps are no time line. Now and then two samples a second apart share one."""
    for a, b in pairwise(times):
        if b < a:
            return f"its time goes back from {a:.0f} to {b:.0f}: the clock was set meanwhile"
    same = sum(a == b for a, b in pairwise(times))
    if same > max(1, SAME_STAMP * len(times)):
        return (
            f"{same} of {len(times)} samples have the stamp of another one: they are of several "
            "GPUs, or more than one a second, and it does not say which"
        )
    return None


def power_span(samples: Samples, start: float, end: float) -> Span:
    """Energy of a GPU from start to end, by the trapezoid rule over the true time stamps.

    The trapezoid, and not a sum of watts, since the samples are not a second apart; and not a
    staircase of the last reading, which would be late by half an interval at every change. Where
    the span begins before the first sample or ends after the last one, that sample's power is held:
    a straight line through the last two would be steep wherever the load has just changed. The
    span's edges between two samples are interpolated linearly.

    Budget, joules: those of integrated power (``gaps``, ``averaging``, ``unit``, ``stated``), and
    ``edges``: what was not sampled, at any power seen; ``stamps``: each sample half a stamp earlier
    or later, and the span against them by one stamp.
    """
    if samples.missing is not None:
        return Span(None, missing=samples.missing)
    times, values = samples.times, samples.values
    inner, outer = max(start, times[0]), min(end, times[-1])
    before, after = max(0.0, inner - start), max(0.0, end - outer)
    if len(times) < 2 or inner >= outer:
        return Span(None, missing="no two samples lie in the foreground's time")
    for seconds, which in ((before, "first"), (after, "last")):
        if seconds > MAX_EDGE_SECONDS:
            why = f"the {which} {seconds:.0f} s of the foreground were not sampled"
            return Span(None, missing=why)
    series = PowerSeries(GPU)
    for time, watts in zip(times, values, strict=True):
        series.append(time, watts)
    span = series.between(inner, outer)
    if span.joules is None:
        return span
    held = before * values[0] + after * values[-1]
    budget = dict(span.budget)
    budget["stated"] += GPU.relative_uncertainty * held
    budget["unit"] += GPU.resolution_watts * (before + after) / 2
    budget["edges"] = before * _most_off(values, values[0]) + after * _most_off(values, values[-1])
    budget["stamps"] = _stamp_doubt(samples, start, end)
    return Span(span.joules + held, budget)


def _most_off(values: tuple[float, ...], taken: float) -> float:
    return max(max(values) - taken, taken - min(values))


def _stamp_doubt(samples: Samples, start: float, end: float) -> float:
    """Joules by which the coarseness of the stamps may shift the energy.

    The trapezoid sum changes by (w[i-1] - w[i+1]) / 2 for each second that sample i moves. At an
    edge, span and samples are cut off to whole seconds each, so by up to one against each other.
    """
    half, values = samples.stamp_seconds / 2, samples.values
    inside = values[bisect_left(samples.times, start) : bisect_right(samples.times, end)]
    moved = sum(abs(c - a) / 2 for a, c in zip(inside, inside[2:], strict=False)) * half
    edges = 0.0
    for edge in (start, end):
        reach = 2 * samples.stamp_seconds
        first = max(0, bisect_left(samples.times, edge - reach) - 1)
        near = values[first : bisect_right(samples.times, edge + reach) + 1]
        edges += samples.stamp_seconds * (max(near) - min(near)) if near else 0.0
    return moved + edges
