"""Total energy by condition: each run as a point, under them their mean with its interval.

Data `points`, `levels` and `trainings`, of :func:`level_chart`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from energyctl.analysis.charts.altair import TEXT, Width, alt, layered
from energyctl.analysis.charts.block_charts import axis_ticks
from energyctl.analysis.charts.encodings import by_condition, lines
from energyctl.analysis.charts.themes import condition_marks
from energyctl.results.tables import Row
from energyctl.text import ENERGY_UNITS, energy_unit

if TYPE_CHECKING:
    from energyctl.analysis.answer import Level

LETTERS = 44
"""Characters of a line of a name: as many as a phone shows."""
NARROW = 20.0
"""Energies that span more than this factor are drawn on a logarithmic axis."""
LINE = 2.6
"""Height of a line of text, in widths of its characters."""
MARKS = 1.9
"""Height of points, mean and space of a row, in lines of text; its words come on top."""


@dataclass(frozen=True)
class LevelChart:
    """What is drawn. conditions: in the order of their colours. unit: of all energies. height: in
    lines of text, as places are; log: whether the axis is logarithmic, with *ticks*."""

    conditions: Sequence[str]
    unit: str
    height: float
    log: bool
    ticks: Sequence[float]
    rows: dict[str, list[Row]]


def level_chart(levels: Sequence[Level], conditions: Iterable[str] = ()) -> LevelChart | None:
    """Of the levels of an answer. conditions: all of the page or figure, whose colours they have;
    default those of the levels. None without a level."""
    if not levels:
        return None
    every = [joules for level in levels for _, joules in level.runs]
    unit, place = energy_unit(every), 0.0
    rows: dict[str, list[Row]] = {"trainings": [], "points": [], "levels": []}
    marks = list(condition_marks(conditions or {level.condition for level in levels}))
    levels = sorted(levels, key=lambda level: marks.index(level.condition))
    trainings = dict.fromkeys(level.training for level in levels)
    for training in trainings:
        if len(trainings) > 1:
            named = lines(training, LETTERS)
            rows["trainings"].append({"place": place, "text": named})
            place += len(named) + 0.4
        for level in (one for one in levels if one.training == training):
            named = lines(level.condition, LETTERS)
            at = place + len(named) + 1.95
            place = at + MARKS
            row = {"training": training, "condition": level.condition, "place": at}
            rows["points"] += [
                {**row, "experiment_id": name, "joules": joules, "measured": level.measured}
                for name, joules in level.runs
            ]
            rows["levels"].append({**row, "name": named, **_mean(level, unit)})
    log = min(every) > 0 and max(every) > NARROW * min(every)
    ticks = axis_ticks(min(every), max(every), log)
    return LevelChart(marks, unit, place, log, ticks, rows)


def _mean(level: Level, unit: str) -> Row:
    """And the words that stand above the points."""
    mean, shown = level.mean, level.figures(unit)
    last = len(shown) - 1
    words = [f"n = {len(level.runs)}", f"mean {shown[0]}" + f" {unit}" * (last == 0)]
    if last:
        words.append(f"95 % interval {shown[1]} to {shown[2]} {unit}")
    if not level.measured:
        words.append("in part an estimate")
    numbers = {"n": len(level.runs), "joules": mean.value, "low": mean.low, "high": mean.high}
    return {**numbers, "words": ", ".join(words)}


def levels(
    chart: LevelChart,
    width: Width = "container",
    height: float | None = None,
    text: float = TEXT,
    title: str = "Total energy",
) -> alt.LayerChart:
    """A row for each condition, by training: its name, its runs, their mean and interval. title: of
    the energies."""
    x = alt.X(
        "joules:Q",
        title=f"{title} ({chart.unit})",
        scale=alt.Scale(type="log" if chart.log else "linear", zero=False, padding=2 * text),
        axis=alt.Axis(
            labelExpr=f"format(datum.value / {ENERGY_UNITS[chart.unit]:.0f}, ',.12~g')",
            grid=True, **({"values": chart.ticks} if chart.log else {"tickCount": 5}),
        ),
    )  # fmt: skip
    marks = by_condition(chart.conditions, legend=False)
    points = alt.Chart(alt.NamedData("points")).encode(
        x=x,
        y=_place(chart),
        **marks,
        tooltip=[
            alt.Tooltip("experiment_id:N", title="run"),
            alt.Tooltip("training:N", title="training"),
            alt.Tooltip("condition:N", title="condition"),
            alt.Tooltip("joules:Q", title="energy (J)", format=",.5~r"),
        ],
    )
    rows = alt.Chart(alt.NamedData("levels"))
    means = rows.transform_calculate(below="datum.place + 0.9").encode(
        y=_place(chart, "below"), color=marks["color"]
    )
    interval = means.mark_rule(strokeWidth=text / 2.4).encode(
        x=alt.X("low:Q"), x2="high:Q", tooltip=_mean_tooltip()
    )
    size = 26 if text < TEXT else 110
    mean = means.mark_point(filled=True, size=size, opacity=1).encode(
        x=x, shape=marks["shape"], tooltip=_mean_tooltip()
    )
    above = "datum.place - 1.85 - length(datum.name)"
    names = _words(rows, chart, "name", text, above, bold=True, down=True)
    notes = _words(rows, chart, "words", text, "datum.place - 0.85", bold=False)
    layers: list[Any] = [
        points.mark_point(filled=True, opacity=0.65), interval, mean, names, notes,
    ]  # fmt: skip
    if chart.rows["trainings"]:
        heads = alt.Chart(alt.NamedData("trainings"))
        layers.append(_words(heads, chart, "text", text, "datum.place", bold=True, down=True))
    return layered(layers, width, height or LINE * text * chart.height)


def _place(chart: LevelChart, field: str = "place") -> alt.Y:
    scale = alt.Scale(domain=[0, chart.height], reverse=True, nice=False, zero=False)
    return alt.Y(f"{field}:Q", axis=None, scale=scale)


def _mean_tooltip() -> list[alt.Tooltip]:
    names = (("joules", "mean (J)"), ("low", "95 % interval from (J)"), ("high", "to (J)"))
    return [
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("n:Q", title="runs"),
        *(alt.Tooltip(f"{name}:Q", title=title, format=",.5~r") for name, title in names),
    ]


def _words(
    rows: alt.Chart,
    chart: LevelChart,
    field: str,
    size: float,
    place: str,
    *,
    bold: bool,
    down: bool = False,
) -> alt.Chart:
    """Lines of text at the left, the last of them at *place*; down: the first of them. size: pixels
    that a character takes."""
    words: alt.Chart = (
        rows.transform_calculate(at=place)
        .mark_text(
            align="left", baseline="line-top" if down else "line-bottom", lineHeight=LINE * size,
            fontWeight="bold" if bold else "normal", fontSize=2.15 * size,
        )
        .encode(x=alt.value(0), y=_place(chart, "at"), text=f"{field}:N")
    )  # fmt: skip
    return words
