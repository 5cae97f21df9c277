"""Draws the figures of docs/measurement.md: python tests/benchmarks/figures.py [FOLDER]

The counters are simulated, their loads known in closed form; what is drawn is what the code that
meters makes of them. Needs the extra `report`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import altair as alt

from energyctl.energy import CounterSeries, Domain
from hardware.waveform import Constant, Square, Wave, burst

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
START = 1_700_000_000.0
RUNS = 150
READ_SECONDS = 0.0002
SECONDS = alt.X(
    "seconds:Q",
    scale=alt.Scale(type="log"),
    axis=alt.Axis(values=[1, 3, 10, 30, 100, 300]),
    title="length of the run, s",
)
COLOURS = ["#4c78a8", "#f58518", "#54a24b", "#b279a2"]


def gpu(step: float) -> Domain:
    return Domain("gpu-0", "gpu", "counter", resolution_joules=0.001, update_seconds=step)


def instants(start: float, end: float, step: float, every: float) -> list[tuple[float, str]]:
    """When a sampler reads a counter around one phase: (time, regular, edge or watch)."""

    def densely(begin: float, seconds: float) -> Iterator[tuple[float, str]]:
        time = begin
        while (time := time + 0.001 + random.random() * 0.0003) < begin + seconds:
            yield time, "watch"

    def spaced(begin: float, end: float, distance: float, what: str) -> Iterator[tuple[float, str]]:
        time = begin
        while (time := time + distance) < end:
            yield time, what

    first = start - 0.6
    reads = [(first, "regular"), *densely(first, 3.5 * step)]
    reads += spaced(first + 3.5 * step, start + 3, 0.09, "watch")
    reads += spaced(first, end, every, "regular")
    for edge in (start, end):
        reads += [(edge + READ_SECONDS, "edge"), *densely(edge + READ_SECONDS, 2.2 * step)]
    return sorted(reads)


def recorded(wave: Wave, step: float, start: float, end: float) -> CounterSeries:
    """A counter that began at any instant, as a sampler reads it once a second."""
    series, epoch = CounterSeries(gpu(step)), START - 40 - random.random()
    for time, what in instants(start, end, step, 1.0):
        value = wave.staircase(epoch, step, time)
        if what == "watch":
            series.locate_step(time, value)
            continue
        if what == "edge":
            series.keep_trail()
        series.append(time, value, seconds=READ_SECONDS)
    return series


def plain(wave: Wave, step: float, start: float, end: float) -> float:
    """Joules from two plain reads, a moment after each edge."""
    epoch, late = START - 40 - random.random(), READ_SECONDS
    first, last = (wave.staircase(epoch, step, time + late) for time in (start, end))
    return last - first


def runs(wave: Wave, step: float, seconds: float) -> Iterator[tuple[float, float, float]]:
    """(error of two plain reads, of energyctl, its stated uncertainty) of some runs, in percent."""
    for _ in range(RUNS):
        start = START + random.random()
        end = start + seconds * (0.95 + 0.1 * random.random())
        truth = wave.joules(start, end)
        span = recorded(wave, step, start, end).between(start, end)
        assert span.joules is not None
        assert span.uncertainty_joules is not None
        errors = plain(wave, step, start, end) - truth, span.joules - truth, span.uncertainty_joules
        yield tuple(100 * abs(joules) / truth for joules in errors)  # type: ignore[misc]


def staircase() -> alt.LayerChart:
    """One edge inside a step in which the load switches."""
    wave, step, edge = Square(80, 300, period=2.0, duty=0.5), 0.1, START + 0.02
    base, epoch = START - 0.30, START - 0.34
    times = [base + i / 1000 for i in range(600)]
    zero = wave.joules(epoch, base)

    def row(time: float, joules: float, what: str) -> dict[str, Any]:
        return {"ms": 1000 * (time - START), "joules": joules - zero, "what": what}

    lines = [row(t, wave.joules(epoch, t), "energy that flowed") for t in times]
    lines += [row(t, wave.staircase(epoch, step, t), "what the counter tells") for t in times]
    chart = alt.Chart(alt.Data(values=lines)).encode(
        x=alt.X("ms:Q", title="time, ms"),
        y=alt.Y("joules:Q", title="joules"),
        color=alt.Color("what:N", title=None, scale=alt.Scale(range=COLOURS[:2])),
    )
    series, start, end = CounterSeries(gpu(step)), edge - 2.0, edge
    epoch_before = epoch - 3.0
    for time, what in instants(start, end, step, 1.0):
        value = wave.staircase(epoch_before, step, time)
        if what == "watch":
            series.locate_step(time, value)
        else:
            series.keep_trail()
            series.append(time, value)
    found = wave.joules(epoch, start) + (series.between(start, end).joules or 0.0)
    points = [
        row(edge, wave.staircase(epoch, step, edge), "a plain read at the edge"),
        row(edge, found, "what energyctl takes"),
    ]
    marks = (
        alt.Chart(alt.Data(values=points))
        .mark_point(size=90, filled=True)
        .encode(
            x="ms:Q",
            y="joules:Q",
            shape=alt.Shape("what:N", title=None, scale=alt.Scale(range=["cross", "circle"])),
            color=alt.value("#222"),
        )
    )
    rule = alt.Chart(alt.Data(values=points[:1])).mark_rule(strokeDash=[4, 3]).encode(x="ms:Q")
    return (chart.mark_line(interpolate="step-after") + rule + marks).properties(
        width=520, height=240, title="Edge inside a 100 ms step in which the load goes up"
    )


LOADS: dict[str, Wave] = {
    "constant 200 W": Constant(200.0),
    "80/300 W, 1 Hz": Square(80, 300),
    "150 ms bursts to 500 W": burst(80, 500),
}


def error() -> alt.Chart:
    """Errors over the length of a run: the 99th percentile of some runs."""
    rows = []
    for load, wave in LOADS.items():
        for seconds in (3, 10, 30, 60, 180):
            figures = list(zip(*runs(wave, 0.1, seconds), strict=True))
            named = ("two plain reads", "energyctl", "uncertainty that it states")
            for what, errors in zip(named, figures, strict=True):
                worst = max(quantiles(errors, n=100)[-1], 1e-4)
                rows.append({"load": load, "seconds": seconds, "what": what, "percent": worst})
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=SECONDS,
            y=alt.Y("percent:Q", scale=alt.Scale(type="log"), title="error, % (99 of 100 runs)"),
            color=alt.Color("what:N", title=None, scale=alt.Scale(range=COLOURS)),
            column=alt.Column("load:N", title=None, sort=list(LOADS)),
        )
        .properties(width=190, height=220)
    )


def planning() -> alt.LayerChart:
    """The stated uncertainty over the length of a run, under a training-like load."""
    wave, rows = Square(180, 320, period=0.7, duty=0.7), []
    for label, step in (("GPU counter, 100 ms steps", 0.1), ("GPU counter, 20 ms steps", 0.02)):
        for seconds in (1, 2, 5, 10, 20, 60, 180, 600):
            stated = [run[2] for run in runs(wave, step, seconds)] if seconds < 100 else None
            # It does not grow with the run, so its share is known beyond.
            percent = max(stated) if stated else rows[-1]["percent"] * rows[-1]["seconds"] / seconds
            rows.append({"source": label, "seconds": seconds, "percent": percent})
    percent = 100 * 2 * 4 * 0.5e-3  # twice 4 x the mean power, half a millisecond
    for seconds in (1, 600):
        label = "RAPL, 1 ms steps"
        rows.append({"source": label, "seconds": seconds, "percent": percent / seconds})
        rows.append({"source": "integrated power (stated)", "seconds": seconds, "percent": 5.0})
    limit = alt.Chart(alt.Data(values=[{"percent": 1.0}])).mark_rule(strokeDash=[4, 3])
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line()
        .encode(
            x=SECONDS,
            y=alt.Y("percent:Q", scale=alt.Scale(type="log"), title="widest uncertainty, %"),
            color=alt.Color("source:N", title=None, scale=alt.Scale(range=COLOURS)),
        )
    )
    return (lines + limit.encode(y="percent:Q")).properties(
        width=520, height=260, title="Stated uncertainty, load 180/320 W"
    )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (staircase, error, planning):
        random.seed(7)
        # A white ground, so that the figure can be read on a dark page, too.
        draw().configure(background="white").save(folder / f"{draw.__name__}.svg")
        print(folder / f"{draw.__name__}.svg")


if __name__ == "__main__":
    main()
