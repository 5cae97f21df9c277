"""Altair, and charts of one size. Raises SettingsError on import where it is not installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from energyctl.analysis.charts.themes import FRONT
from energyctl.errors import SettingsError
from energyctl.system.dependencies import extra_install

try:
    import altair as alt
except ImportError as error:
    raise SettingsError(f"charts need altair: {extra_install('report')}") from error

Width = int | float | str
"""Pixels (points in print) of the plot inside its axes, or "container"."""


TEXT = 5.8
"""Mean width of a character on screen, in pixels; in print less."""


def columns(names: Iterable[str], width: Width, text: float) -> Any:
    """Of a legend with these names under a plot of that width: as many as fit."""
    entry = 22 + text * max(map(len, names), default=1)
    if isinstance(width, str):
        return alt.ExprRef(f"max(1, floor(width / {entry:.0f}))")
    return max(1, int(width // entry))


def layered(layers: list[Any], width: Width, height: Any, **more: Any) -> alt.LayerChart:
    """The layers, the first at the back."""
    chart: alt.LayerChart = alt.layer(*layers).properties(width=width, height=height, **more)
    return chart


def level(runs: alt.Chart, value: float) -> alt.Chart:
    """A dashed line at a value, over all *runs*."""
    line: alt.Chart = (
        runs.transform_aggregate(runs="count()")
        .mark_rule(strokeDash=[3, 2], color=FRONT)
        .encode(y=alt.datum(value))
    )
    return line


def stacked(charts: list[alt.LayerChart]) -> alt.VConcatChart:
    """One under the other with one x axis, named under the last, and their legends below."""
    for chart in charts[:-1]:
        for layer in chart.layer:
            if layer.encoding.x is not alt.Undefined and not isinstance(layer.encoding.x, str):
                layer.encoding.x.axis = alt.Axis(labels=False, title=None, ticks=False, grid=False)
    parts: list[Any] = list(charts)
    whole: alt.VConcatChart = alt.vconcat(*parts).resolve_scale(x="shared")
    return whole


__all__ = ["TEXT", "Width", "alt", "columns", "layered", "level", "stacked"]
