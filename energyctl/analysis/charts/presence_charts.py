"""Under what conditions runs were measured: presence of the background, foreign load."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.analysis.charts.altair import TEXT, Width, alt, layered, level, stacked
from energyctl.analysis.charts.encodings import by_condition
from energyctl.analysis.charts.energy_charts import run_axis, run_tooltip


def coverage(
    conditions: Sequence[str], width: Width = "container", height: float = 70
) -> alt.LayerChart:
    """Share of the foreground in which the background's job that was there least ran."""
    # 99 % is where a result begins to warn.
    line = level(alt.Chart(alt.NamedData("runs")), 0.99)
    dots = _dots("coverage", "Coverage", conditions, False, ".1~%")
    return layered([line, dots], width, height)


def max_gap(
    conditions: Sequence[str], width: Width = "container", height: float = 70
) -> alt.LayerChart:
    """Longest time without an iteration of some job."""
    return layered([_dots("max_gap_seconds", "Longest gap (s)", conditions)], width, height)


def settle(
    conditions: Sequence[str],
    width: Width = "container",
    height: float = 70,
    legend: bool = False,
    text: float = TEXT,
) -> alt.LayerChart:
    """Time until the background was loaded and steady."""
    dots = _dots("settle_seconds", "Load coming up (s)", conditions)
    if legend:
        dots = dots.encode(**by_condition(conditions, width, text))
    return layered([dots], width, height)


def presence(
    conditions: Sequence[str], width: Width = 600, height: float = 70, text: float = TEXT
) -> alt.VConcatChart:
    """Coverage, longest gap and settle time of each run; data `runs`. A width in pixels."""
    upper = [coverage(conditions, width, height), max_gap(conditions, width, height)]
    return stacked([*upper, settle(conditions, width, height, legend=True, text=text)])


def foreign(
    conditions: Sequence[str], width: Width = "container", height: float = 90
) -> alt.LayerChart:
    """CPU time of processes that were neither the campaign's nor energyctl's, in mean cores."""
    return layered([_dots("foreign_cores", "Foreign load (cores)", conditions)], width, height)


def _dots(
    field: str, title: str, conditions: Sequence[str], zero: bool = True, form: str = "~r"
) -> alt.Chart:
    scale, axis = alt.Scale(zero=zero), alt.Axis(tickCount=3, format=form)
    dots: alt.Chart = (
        alt.Chart(alt.NamedData("runs"))
        .transform_filter(f"isValid(datum.{field})")
        .mark_point(filled=True, opacity=0.9)
        .encode(
            x=run_axis("x"),
            y=alt.Y(f"{field}:Q", title=title, scale=scale, axis=axis),
            **by_condition(conditions, legend=False),
            tooltip=[*run_tooltip(), alt.Tooltip(f"{field}:Q", title=title)],
        )
    )
    return dots
