"""The effect of a factor: a figure of each run over its value, by condition.

Where values have several runs each, with the mean of each value and its interval, and how each
value compares with the first one, or the least restricted one of a machine setting.
Data `points`, `means`, `changes`, of :func:`effect_chart`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from energyctl.analysis import comparing
from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, alt, layered, stacked
from energyctl.analysis.charts.chart_data import FACTORS, axis_of, without
from energyctl.analysis.charts.encodings import by_condition, lines
from energyctl.analysis.charts.energy_charts import (
    energy_against,
    energy_axis,
    metric_against,
    y_metric,
)
from energyctl.analysis.interference.means import mean_of
from energyctl.errors import SettingsError
from energyctl.results.machine_settings import axis_title
from energyctl.results.pairs import Figure
from energyctl.results.tables import Row
from energyctl.text import energy_unit

if TYPE_CHECKING:
    from energyctl.analysis.compare import Study
    from energyctl.results.api import Run

MOST_LEVELS = 12
"""Values that are drawn as levels, beside each other."""
Training = tuple[str, str]


@dataclass(frozen=True)
class EffectChart:
    """What is drawn. x: the factor, with its unit. metric: along y; None: energy, in *unit*. axis:
    ``levels``, or as :func:`axis_of`. base: the level that others are compared with. said: of
    trends, by training."""

    x: str
    metric: str | None
    unit: str
    axis: str
    conditions: Sequence[str]
    trainings: Sequence[Training]
    base: str
    said: dict[Training, list[str]]
    rows: dict[str, list[Row]]


def _numbers_first(value: Any) -> tuple[bool, Any]:
    number = isinstance(value, int | float)
    return (False, value) if number else (True, str(value))


def effect_chart(runs: Sequence[Run], points: Sequence[Row], x: str, y: str) -> EffectChart:
    """points: of *runs*, of the columns *x* and *y* of their table."""
    means = _means(points)
    levels = sorted({point["x"] for point in points}, key=_numbers_first)
    as_levels = bool(means) and len(levels) <= MOST_LEVELS
    from energyctl.analysis.compare.grouping import least_restricted
    from energyctl.analysis.compare.measures import level_of

    name = without(FACTORS, x)
    texts = {level_of(name, level): level for level in levels}
    base = least_restricted(name, list(texts)) or next(iter(texts))
    changes, said = list[Row](), dict[Training, list[str]]()
    for study, training, condition in _studies(runs, points, name, base, y):
        of = {"repository": training[0], "model": training[1], "condition": condition}
        changes += [{**of, **change} for change in _changes(study)]
        trend = [one for one in study.correlations if one.rho.low is not None]
        told = [text for text, _ in study.sentences()] if trend else []
        said.setdefault(training, []).extend(f"{condition}: {text}" for text in told)
    changes = [{**one, "x": texts[one["x"]]} for one in changes]
    rows = {"points": list(points), "means": means, "changes": changes}
    return EffectChart(
        axis_title(name),
        None if y == "joules" else y.removeprefix("metric_"),
        energy_unit(point["y"] for point in points),
        "levels" if as_levels else axis_of([point["x"] for point in points]),
        list(dict.fromkeys(run.condition for run in runs)),
        list(dict.fromkeys((point["repository"], point["model"]) for point in points)),
        base,
        said,
        rows,
    )


def _means(points: Sequence[Row]) -> list[Row]:
    """Of each value that several runs have; with the interval by Student's t."""
    of: dict[tuple[Any, ...], list[float]] = {}
    for one in points:
        key = one["repository"], one["model"], one["condition"], one["x"]
        of.setdefault(key, []).append(one["y"])
    means = []
    for (repository, model, condition, x), values in of.items():
        mean = mean_of([[Figure(value)] for value in values])
        if len(values) > 1 and mean.low is not None:
            means.append({"repository": repository, "model": model, "condition": condition, "x": x,
                          "y": mean.value, "low": mean.low, "high": mean.high})  # fmt: skip
    return means


def _studies(
    runs: Sequence[Run], points: Sequence[Row], name: str, base: str, y: str
) -> list[tuple[Study, Training, str]]:
    """Of each training under each condition, where its values can be compared."""
    there = {point["experiment_id"] for point in points}
    of: dict[tuple[Training, str], list[Row]] = {}
    for run in runs:
        if run.experiment_id in there:
            key = (str(run.repository), str(run.model)), run.condition
            of.setdefault(key, []).append(run.row)
    found = []
    for (training, condition), rows in of.items():
        measure = "total_joules" if y == "joules" else y
        try:
            study = comparing.study_of(rows, name, base, [measure])
            found.append((study, training, condition))
        except SettingsError:
            continue
    return found


def _changes(study: Study) -> list[Row]:
    """The ratio of each level to the first, less 1, in per cent, with its interval."""
    return [
        {
            "x": one.b.name,
            "change": _percent(one.ratio.mean),
            "low": _percent(one.ratio.low),
            "high": _percent(one.ratio.high),
        }
        for one in study.of_main()
        if one.ratio is not None
    ]


def _percent(log: float | None) -> float | None:
    return None if log is None else 100 * math.expm1(log)


def effect(chart: EffectChart, width: float, height: float, text: float = TEXT) -> Any:
    """A panel for each training; under it, of levels, how they compare with the first."""
    several = len(chart.trainings) > 1
    panels = [_panel(chart, training, width, height, text) for training in chart.trainings]
    titles = [
        _title(name, several, chart.said.get(name, ()), int(width / text))
        for name in chart.trainings
    ]
    titled = [
        panel.properties(title=title) if title else panel
        for panel, title in zip(panels, titles, strict=True)
    ]
    return titled[0] if len(titled) == 1 else alt.vconcat(*titled)


def _title(training: Training, named: bool, said: Sequence[str], letters: int) -> Any:
    told = [line for sentence in said for line in lines(sentence, letters)]
    if named:
        return alt.Title(" / ".join(training), subtitle=told or alt.Undefined)
    return alt.Title("", subtitle=told) if told else None


def _panel(chart: EffectChart, training: Training, width: float, height: float, text: float) -> Any:
    own = (alt.datum.repository == training[0]) & (alt.datum.model == training[1])
    if chart.axis != "levels":
        log, numeric = chart.axis == "log", chart.axis != "names"
        args = chart.conditions, log, width, height
        upper = (
            energy_against(chart.x, *args, chart.unit, numeric, text)
            if chart.metric is None
            else metric_against(chart.x, chart.metric, *args, numeric, text)
        )
        return upper.transform_filter(own)
    charts = [_levels(chart, own, width, height, text)]
    if any((one["repository"], one["model"]) == training for one in chart.rows["changes"]):
        charts.append(_compared(chart, own, width, height * 0.55, text))
    return stacked(charts)


def _levels(chart: EffectChart, own: Any, width: float, height: float, text: float) -> Any:
    """Each run, and beside those of one level and condition their mean with its interval."""
    told = by_condition(chart.conditions, width, text)
    y = (
        energy_axis("y", "y:Q", chart.unit, scale=alt.Scale(zero=False))
        if chart.metric is None
        else y_metric(chart.metric)
    )
    points = alt.Chart(alt.NamedData("points")).transform_filter(own)
    each = points.transform_calculate(slot="datum.condition + ' run'")
    each = each.mark_point(filled=True, opacity=0.6, size=8 if text < TEXT else 40)
    means = alt.Chart(alt.NamedData("means")).transform_filter(own)
    x, offset = _x(chart), _offset(chart)
    mean = _interval(means.encode(x=x, xOffset=offset), told, y, text)
    return layered([each.encode(x=x, xOffset=offset, y=y, **told), *mean], width, height)


def _compared(chart: EffectChart, own: Any, width: float, height: float, text: float) -> Any:
    told = by_condition(chart.conditions, width, text)
    rows = alt.Chart(alt.NamedData("changes")).transform_filter(own)
    zero = rows.mark_rule(strokeDash=[3, 2], color=themes.FRONT).encode(y=alt.datum(0))
    y = alt.Y("change:Q", title=[f"Change against {chart.base}", "(%)"], axis=alt.Axis(tickCount=5))
    base = rows.encode(x=_x(chart), xOffset=_offset(chart))
    return layered([zero, *_interval(base, told, y, text)], width, height)


def _interval(rows: alt.Chart, told: dict[str, Any], y: alt.Y, text: float) -> list[Any]:
    """Mean and interval, in the places of means."""
    rows = rows.transform_calculate(slot="datum.condition + ' mean'").encode(color=told["color"])
    bar = rows.mark_rule(strokeWidth=text / 3).encode(y=alt.Y("low:Q"), y2="high:Q")
    size = 18 if text < TEXT else 80
    mean = rows.mark_point(filled=True, opacity=1, size=size).encode(y=y, shape=told["shape"])
    return [bar, mean]


def _x(chart: EffectChart) -> alt.X:
    # Levels in which another chart of the figure has no mark keep their place.
    values = sorted({point["x"] for point in chart.rows["points"]}, key=_order)
    axis = alt.Axis(labelAngle=0, grid=False)
    return alt.X("x:O", title=chart.x, axis=axis, scale=alt.Scale(domain=values))


def _order(value: Any) -> tuple[str, Any]:
    return str(type(value)), value


def _offset(chart: EffectChart) -> alt.XOffset:
    slots = [f"{name} {what}" for name in chart.conditions for what in ("run", "mean")]
    return alt.XOffset("slot:N", scale=alt.Scale(domain=slots, paddingOuter=0.6))
