"""One run over time: power, iterations of the background, temperature and utilisation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, layered, stacked
from energyctl.analysis.charts.encodings import LABEL, by_domain, lines
from energyctl.analysis.charts.phase_labels import phase_labels
from energyctl.results.tables import Row

TIME = "Time since the begin of the run (s)"
Title = str | list[str]
"""Of the time axis, in lines."""


def run_power(
    domains: Sequence[str],
    width: Width = "container",
    height: float = 180,
    levels: bool = True,
    title: Title = TIME,
    text: float = TEXT,
    estimated: Sequence[str] = (),
    phases: Sequence[Row] = (),
) -> alt.LayerChart:
    """Mean power of each of *domains* between samples, phases shaded; data `power`, `phases`.

    levels: whether `power` has rows with ``mean``: phases without samples, drawn thin. text:
    pixels that a character takes. estimated: domains that are estimates, named so in the legend.
    phases: where they and the width are known: those too narrow for their words get a number.
    """
    told = by_domain(domains, width, text, estimated=estimated)
    tooltip = [
        alt.Tooltip("domain:N", title="domain"),
        alt.Tooltip("watts:Q", title="power (W)", format=",.4~g"),
        alt.Tooltip("seconds:Q", title="time (s)", format=",.6~g"),
    ]
    y = alt.Y(
        "watts:Q",
        title="Power (W)",
        scale=alt.Scale(zero=True, nice=5),
        axis=alt.Axis(tickCount=5),
    )
    # A value is the mean since the row before: the level is drawn back to there.
    lines = alt.Chart(alt.NamedData("power")).mark_line(interpolate="step-before", clip=True)
    encoded = {"x": _time("seconds:Q", title), "y": y, **told, "tooltip": tooltip}
    sampled = lines.encode(**encoded)
    layers: list[Any] = [*_shading(title), sampled.transform_filter("!datum.mean")]
    if levels:
        means = lines.encode(**encoded, strokeWidth=alt.value(0.4 if text < TEXT else 0.8))
        layers.append(means.transform_filter("datum.mean"))
    if phases and not isinstance(width, str):
        labels, _ = placed_labels(phases, width, text)
        layers += labels
    else:
        layers.append(_phase_names(text))
    return layered(layers, width, height)


def run_iterations(
    jobs: Sequence[str],
    width: Width = "container",
    title: Title = TIME,
    y_title: str | None = None,
    above: bool = False,
) -> alt.LayerChart:
    """A band per background job, an iteration by turns lighter and darker; failed ones marked.

    Data `iterations`, `phases`. y_title: a space takes the room of a title, so that the plot begins
    where others do. above: names stand above the bands, where no length is too long.
    """
    more: dict[str, Any] = {"axis": alt.Axis(labels=False, ticks=False)} if above else {}
    y = alt.Y("job:N", title=y_title, sort=list(jobs), scale=alt.Scale(domain=list(jobs)), **more)
    base = alt.Chart(alt.NamedData("iterations")).encode(
        x=_time("start:Q", title),
        x2="end:Q",
        y=y,
        tooltip=[
            alt.Tooltip("job:N", title="job"),
            alt.Tooltip("number:Q", title="iteration"),
            alt.Tooltip("start:Q", title="begin (s)", format=",.6~g"),
            alt.Tooltip("end:Q", title="end (s)", format=",.6~g"),
            alt.Tooltip("failed:N", title="failed"),
        ],
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(0.7), strokeWidth=0).encode(
        color=alt.when("datum.failed")
        .then(alt.value(themes.FAILED))
        .otherwise(alt.value("#7a86a0")),
        opacity=alt.when("datum.number % 2 || datum.failed")
        .then(alt.value(0.95))
        .otherwise(alt.value(0.55)),
    )
    if not above:
        return layered(
            [*_shading(title), bars], width, alt.Step(15 if isinstance(width, str) else 9)
        )
    names = (
        alt.Chart(alt.NamedData("iterations"))
        .transform_aggregate(groupby=["job"])
        .mark_text(align="left", baseline="bottom", dy=-5, dx=3)
        .encode(x=alt.value(0), y=y, text="job:N")
    )
    bars.mark.yOffset = 6
    bars.mark.height = 12
    return layered([*_shading(title), bars, names], width, alt.Step(34))


def run_series(
    metric: str, width: Width = "container", height: float = 70, title: Title = TIME
) -> alt.LayerChart:
    """The values of a metric, each from the time on at which it was there; data `series`,
    `phases`."""
    rows = alt.Chart(alt.NamedData("series")).transform_filter(
        f"datum.metric === {json.dumps(metric)}"
    )
    drawn = rows.encode(
        x=_time("seconds:Q", title),
        y=alt.Y("value:Q", title="\u00a0", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=3)),
        tooltip=[
            alt.Tooltip("seconds:Q", title="time (s)", format=",.6~g"),
            alt.Tooltip("value:Q", title=metric, format=",.6~g"),
        ],
    )
    line = drawn.mark_line(color=themes.FRONT, interpolate="step-after", clip=True)
    points = drawn.mark_point(filled=True, size=4 * TEXT, color=themes.FRONT, clip=True)
    name = alt.Title(lines(metric, LABEL))
    return layered([*_shading(title), line, points], width, height, title=name)


def run_temperature(
    width: Width = "container",
    height: float = 70,
    title: Title = TIME,
    gpus: Sequence[str] = (),
) -> alt.LayerChart:
    """Temperature of each GPU; data `gpu`, `phases`. gpus: `gpu-0` …, those in a legend."""
    return _gpu(
        "celsius", "Temp. (°C)", alt.Scale(zero=False, nice=True), width, height, title, gpus
    )


def run_utilization(
    width: Width = "container", height: float = 70, title: Title = TIME
) -> alt.LayerChart:
    """Utilisation of each GPU, 0 to 100 %; data `gpu`, `phases`."""
    return _gpu("percent", "GPU use (%)", alt.Scale(domain=[0, 100]), width, height, title)


def run_overview(
    domains: Sequence[str],
    jobs: Sequence[str] = (),
    gpu: bool = False,
    width: Width = 600,
    height: float = 180,
    levels: bool = True,
    text: float = TEXT,
    estimated: Sequence[str] = (),
    phases: Sequence[Row] = (),
) -> alt.VConcatChart:
    """Power, under it the iterations of *jobs* and, with *gpu*, what the GPUs reported.

    phases: as of :func:`run_power`; the key to their numbers stands below.
    """
    part = height * 0.4
    keys = placed_labels(phases, width, text)[1] if phases and not isinstance(width, str) else []
    title = [TIME, *keys] if keys else TIME
    charts: list[alt.LayerChart] = [
        run_power(domains, width, height, levels, title, text, estimated, phases)
    ]
    if jobs:
        charts.append(run_iterations(jobs, width, title))
    if gpu:
        charts += [
            run_temperature(width, part, title),
            run_utilization(width, part, title),
        ]
    return stacked(charts)


def _time(field: str, title: Title) -> alt.X:
    return alt.X(
        field,
        title=title,
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(format=",~r", grid=False, tickCount=6),
    )


def _shading(title: Title) -> list[Any]:
    """The phases behind the data: a band each, and a line where it begins."""
    phases = alt.Chart(alt.NamedData("phases"))
    colours = themes.PHASE_COLOURS
    bands = phases.mark_rect(opacity=themes.PHASE_OPACITY, clip=True, strokeWidth=0).encode(
        x=_time("start:Q", title),
        x2="end:Q",
        fill=alt.Fill(
            "phase:N",
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("label:N", title="phase"),
            alt.Tooltip("start:Q", title="begin (s)", format=",.6~g"),
            alt.Tooltip("end:Q", title="end (s)", format=",.6~g"),
        ],
    )
    begins = phases.mark_rule(color=themes.FRONT, strokeWidth=0.5, opacity=0.6, clip=True)
    return [bands, begins.encode(x=_time("start:Q", title))]


def placed_labels(
    phases: Sequence[Row], width: float, text: float
) -> tuple[list[alt.Chart], list[str]]:
    """Words and numbers of phases above a plot, a line to what they are moved away from; and the
    lines of the key to the numbers."""
    found = phase_labels(phases, width, text)
    begin, end = phases[0]["start"], max(one["end"] for one in phases)
    seconds = (end - begin) / width
    rows = [
        {"text": one.text, "middle": begin + seconds * one.middle, "at": begin + seconds * one.at}
        for one in found.labels
    ]
    chart = alt.Chart(alt.InlineData(values=rows))
    words = chart.mark_text(baseline="bottom", dy=-text).encode(
        x="middle:Q", y=alt.value(0), text="text:N"
    )
    away = chart.transform_filter(f"abs(datum.at - datum.middle) > {seconds}").mark_rule(
        strokeWidth=0.4, color=themes.FRONT
    )
    ends = {"x": "at:Q", "x2": "middle:Q", "y": alt.value(0), "y2": alt.value(-text)}
    return [away.encode(**ends), words], found.key_lines(int(width / text))


def _phase_names(text: float) -> alt.Chart:
    """The name of each phase that is wide enough for it, along the top."""
    wide = f"scale('x', datum.end) - scale('x', datum.start) > {text} * length(datum.label)"
    names: alt.Chart = (
        alt.Chart(alt.NamedData("phases"))
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(baseline="bottom", dy=-2)
        .encode(
            x="middle:Q",
            y=alt.value(0),
            # An empty text, not an unseen one: what is unseen still takes room beside the plot.
            text=alt.when(wide).then("label:N").otherwise(alt.value("")),
        )
    )
    return names


def _gpu(
    field: str,
    name: str,
    scale: alt.Scale,
    width: Width,
    height: float,
    title: Title,
    gpus: Sequence[str] = (),
) -> alt.LayerChart:
    lines = (
        alt.Chart(alt.NamedData("gpu"))
        .transform_calculate(domain="'gpu-' + datum.gpu")
        .mark_line(clip=True)
        .encode(
            x=_time("seconds:Q", title),
            y=alt.Y(f"{field}:Q", title=name, scale=scale, axis=alt.Axis(tickCount=3)),
            **by_domain(_GPUS, shown=gpus),
            tooltip=[
                alt.Tooltip("domain:N", title="GPU"),
                alt.Tooltip(f"{field}:Q", title=name),
                alt.Tooltip("seconds:Q", title="time (s)", format=",.6~g"),
            ],
        )
    )
    return layered([*_shading(title), lines], width, height)


_GPUS = tuple(f"gpu-{number}" for number in range(16))
