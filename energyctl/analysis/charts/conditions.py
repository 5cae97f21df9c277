"""Under what conditions runs were measured: presence of the background, foreign load."""

from __future__ import annotations

from energyctl.analysis.charts.altair import Width, alt, layered, level, stacked
from energyctl.analysis.charts.energy_charts import modes, run_axis, run_tooltip


def coverage(width: Width = "container", height: float = 70) -> alt.LayerChart:
    """Share of the foreground in which the background's job that was there least ran."""
    # 99 % is where a result begins to warn.
    line = level(alt.Chart(alt.NamedData("runs")), 0.99)
    return layered([line, _dots("coverage", "Coverage", False, ".1~%")], width, height)


def max_gap(width: Width = "container", height: float = 70) -> alt.LayerChart:
    """Longest time without an iteration of some job."""
    return layered([_dots("max_gap_seconds", "Longest gap (s)")], width, height)


def settle(width: Width = "container", height: float = 70) -> alt.LayerChart:
    """Time until the background was loaded and steady."""
    return layered([_dots("settle_seconds", "Settling (s)")], width, height)


def presence(width: Width = 600, height: float = 70) -> alt.VConcatChart:
    """Coverage, longest gap and settle time of each run; data `runs`. A width in pixels."""
    return stacked([coverage(width, height), max_gap(width, height), settle(width, height)])


def foreign(width: Width = "container", height: float = 90) -> alt.LayerChart:
    """CPU time of processes that were neither the campaign's nor energyctl's, in mean cores."""
    return layered([_dots("foreign_cores", "Foreign load (cores)")], width, height)


def _dots(field: str, title: str, zero: bool = True, form: str = "~r") -> alt.Chart:
    scale, axis = alt.Scale(zero=zero), alt.Axis(tickCount=3, format=form)
    dots: alt.Chart = (
        alt.Chart(alt.NamedData("runs"))
        .transform_filter(f"isValid(datum.{field})")
        .transform_calculate(mode="datum.mode || 'not recorded'")
        .mark_point(filled=True, opacity=0.9)
        .encode(
            x=run_axis("x"),
            y=alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis),
            color=modes(legend=False),
            tooltip=[*run_tooltip(), alt.Tooltip(f"{field}:Q", title=title)],
        )
    )
    return dots
