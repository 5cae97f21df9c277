"""Energy against time: a point for each level of a factor, with intervals, and the front of them.

Data `runs` and `levels`, of :func:`tradeoff_chart`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.analysis.charts.altair import TEXT, Width, alt, layered
from energyctl.analysis.charts.encodings import by_condition
from energyctl.analysis.charts.energy_charts import energy_axis
from energyctl.analysis.grid_factors import GridFactor
from energyctl.results.tables import Row
from energyctl.text import energy_unit

TITLE = "Front (dashed): less energy, less time"


@dataclass(frozen=True)
class TradeoffChart:
    """What is drawn of one factor. conditions: in the order of their colours. unit: of energies;
    hours: whether times are in hours, else in seconds."""

    words: str
    trainings: Sequence[str]
    conditions: Sequence[str]
    unit: str
    hours: bool
    rows: dict[str, list[Row]]

    @property
    def letters(self) -> int:
        """Of the longest name of a level, which stands beside its point."""
        return max(len(row["level"]) for row in self.rows["levels"])


def tradeoff_chart(factors: Sequence[GridFactor], conditions: Iterable[str]) -> TradeoffChart:
    """Of one factor, of some trainings under some conditions. conditions: all whose colours they
    share."""
    runs, levels = list[Row](), list[Row]()
    for factor in factors:
        place = {"training": factor.training, "condition": factor.condition}
        for level in factor.levels:
            of = {**place, "level": level.name, "front": level.front}
            runs += [
                {**of, "experiment_id": name, "joules": joules, "seconds": seconds}
                for name, joules, seconds in level.runs
            ]
            for mean, name in ((level.joules, "joules"), (level.seconds, "seconds")):
                of |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
            levels.append({**of, "n": level.used})
    return TradeoffChart(
        factors[0].words,
        list(dict.fromkeys(factor.training for factor in factors)),
        list(conditions),
        energy_unit(row["joules"] for row in runs),
        max(row["seconds"] for row in runs) >= 7200,
        {"runs": runs, "levels": levels},
    )


def tradeoff(
    chart: TradeoffChart, width: Width = "container", height: float = 220, text: float = TEXT
) -> Any:
    """A panel for each training."""
    panels = [_panel(chart, training, width, height, text) for training in chart.trainings]
    return panels[0] if len(panels) == 1 else alt.vconcat(*panels)


def _panel(
    chart: TradeoffChart, training: str, width: Width, height: float, text: float
) -> alt.LayerChart:
    own = alt.datum.training == training
    runs = alt.Chart(alt.NamedData("runs")).transform_filter(own)
    levels = alt.Chart(alt.NamedData("levels")).transform_filter(own)
    x, y = _time(chart, "seconds", text), _energy(chart, "joules", text)
    told = by_condition(chart.conditions, width, text)
    # Between two levels nothing is known: the border goes in steps.
    front = (
        levels.transform_filter("datum.front")
        .mark_line(interpolate="step-after", strokeDash=[3, 2])
        .encode(x=x, y=y, color=told["color"])
    )
    each = runs.mark_point(filled=True, opacity=0.35, size=6 if text < TEXT else 28)
    rule = levels.mark_rule(strokeWidth=text / 3).encode(color=told["color"])
    words = levels.mark_text(align="left", baseline="bottom", dx=text, dy=-text)
    mean = levels.mark_point(filled=True, opacity=1, size=20 if text < TEXT else 90)
    layers = [
        each.encode(x=x, y=y, tooltip=_run_tooltip(chart), **told),
        front,
        rule.encode(x=_time(chart, "seconds_low", text), x2="seconds_high", y=y),
        rule.encode(y=_energy(chart, "joules_low", text), y2="joules_high", x=x),
        mean.encode(x=x, y=y, tooltip=_level_tooltip(chart), **told),
        words.encode(x=x, y=y, text="level:N"),
    ]
    named = [training] if len(chart.trainings) > 1 else []
    title = alt.Title([*named, chart.words, TITLE])
    return layered(layers, width, height, title=title)


def _time(chart: TradeoffChart, field: str, text: float) -> alt.X:
    unit = "h" if chart.hours else "s"
    shown = f"format(datum.value / {3600 if chart.hours else 1}, ',.12~g')"
    return alt.X(
        f"{field}:Q",
        title=f"Time ({unit})",
        scale=alt.Scale(zero=False, padding=(chart.letters + 2) * text),
        axis=alt.Axis(labelExpr=shown, tickCount=5, grid=False),
    )


def _energy(chart: TradeoffChart, field: str, text: float) -> Any:
    scale = alt.Scale(zero=False, padding=3 * text)
    return energy_axis("y", f"{field}:Q", chart.unit, scale=scale)


def _run_tooltip(chart: TradeoffChart) -> list[alt.Tooltip]:
    return [alt.Tooltip("experiment_id:N", title="run"), *_figures(chart)]


def _level_tooltip(chart: TradeoffChart) -> list[alt.Tooltip]:
    edges = (
        ("joules_low", "95 % interval from (J)"), ("joules_high", "to (J)"),
        ("seconds_low", "95 % interval from (s)"), ("seconds_high", "to (s)"),
    )  # fmt: skip
    return [
        alt.Tooltip("n:Q", title="runs"),
        *_figures(chart),
        *(alt.Tooltip(f"{name}:Q", title=title, format=",.5~r") for name, title in edges),
    ]


def _figures(chart: TradeoffChart) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("level:N", title=chart.words),
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("joules:Q", title="energy (J)", format=",.5~r"),
        alt.Tooltip("seconds:Q", title="time (s)", format=",.5~r"),
    ]
