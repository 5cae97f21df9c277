"""Runs beside each other: energy by domain, hyper-parameters and metrics against energy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, columns, layered
from energyctl.analysis.charts.encodings import by_condition
from energyctl.analysis.charts.pareto_fronts import minimised
from energyctl.results.domain_marks import colours_of
from energyctl.text import ENERGY_UNITS

# One object: layers of the same data then name it once.
_POINTS = alt.Chart(alt.NamedData("points"))


def energy_by_run(
    domains: Sequence[str],
    conditions: Sequence[str],
    width: Width = "container",
    height: float | None = None,
    unit: str = "kJ",
    estimates: bool = False,
    horizontal: bool = False,
    text: float = TEXT,
) -> alt.LayerChart:
    """Stacked bars by domain, the total with its band and the mark of its condition; data
    `domains`, `runs`.

    conditions: of all runs. horizontal: a named line per run, for few runs; else by number along x.
    estimates: whether there are any: they are drawn lighter, and a legend says so. A run that did
    not succeed has a cross.
    """
    energy, run = ("x", "y") if horizontal else ("y", "x")
    bars = alt.Chart(alt.NamedData("domains")).mark_bar()
    layers: list[Any] = [
        bars.encode(
            **{
                energy: energy_axis(energy, "joules:Q", unit, stack="zero"),
                run: run_axis(run),
                "color": _domains(domains, columns(domains, width, text)),
                "order": alt.Order("place:Q"),
                "opacity": _opacity(estimates),
                "tooltip": _domain_tooltip(),
            }
        ).transform_calculate(place=f"indexof({json.dumps(list(domains))}, datum.domain)")
    ]
    totals = alt.Chart(alt.NamedData("runs")).encode(**{run: run_axis(run)})
    layers.append(
        totals.mark_rule().encode(
            **{energy: energy_axis(energy, "low:Q", unit), f"{energy}2": "high:Q"}
        )
    )
    layers.append(
        totals.mark_point(filled=True, opacity=1).encode(
            **{energy: energy_axis(energy, "joules:Q", unit)},
            **by_condition(conditions, width, text),
            tooltip=run_tooltip(),
        )
    )
    layers.append(
        totals.transform_filter("datum.status != 'succeeded'")
        .mark_text(text="✕", color=themes.FAILED, **({"dx": 9} if horizontal else {"dy": -9}))
        .encode(**{energy: energy_axis(energy, "joules:Q", unit)}, tooltip=run_tooltip())
    )
    tall = height or (alt.Step(11) if horizontal else 220)
    chart: alt.LayerChart = layered(layers, width, tall).resolve_scale(
        color="independent", shape="independent"
    )
    return chart


def run_axis(axis: str) -> Any:
    """Along y its label, along x its number."""
    if axis == "y":
        return alt.Y(
            "label:N",
            title=None,
            sort=alt.EncodingSortField("number", op="min"),
            axis=alt.Axis(grid=False),
        )
    return alt.X(
        "number:O", title="Run", axis=alt.Axis(labelOverlap="greedy", labelAngle=0, grid=False)
    )


def energy_axis(axis: str, field: str, unit: str, **more: Any) -> Any:
    """Along x or y, in *unit*, of joules."""
    in_unit = f"format(datum.value / {ENERGY_UNITS[unit]:.0f}, ',.12~g')"
    shown = alt.Axis(labelExpr=in_unit, tickCount=5)
    channel = alt.X if axis == "x" else alt.Y
    return channel(field, title=f"Energy ({unit})", axis=shown, **more)


def _domains(domains: Sequence[str], columns: Any) -> alt.Color:
    return alt.Color(
        "domain:N",
        scale=alt.Scale(domain=list(domains), range=colours_of(domains)),
        legend=alt.Legend(title=None, symbolType="square", columns=columns),
    )


def _opacity(estimates: bool) -> Any:
    if not estimates:
        return alt.value(1)
    return alt.Opacity(
        "measured:N",
        scale=alt.Scale(domain=[True, False], range=[1, 0.4]),
        legend=alt.Legend(title=None, labelExpr="datum.value ? 'measured' : 'estimate'"),
    )


def _domain_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("domain:N", title="domain"),
        *_band_tooltip(),
        alt.Tooltip("measured:N", title="measured"),
    ]


def _band_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("joules:Q", title="energy (J)", format=",.5~r"),
        alt.Tooltip("low:Q", title="at least (J)", format=",.5~r"),
        alt.Tooltip("high:Q", title="at most (J)", format=",.5~r"),
    ]


def run_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="run"),
        alt.Tooltip("experiment_id:N", title="id"),
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("status:N", title="status"),
        *_band_tooltip(),
        alt.Tooltip("imported:N", title="imported"),
    ]


def energy_against(
    x_title: str,
    conditions: Sequence[str],
    log_x: bool = False,
    width: Width = "container",
    height: float = 220,
    unit: str = "kJ",
    numeric: bool = True,
    text: float = TEXT,
) -> alt.LayerChart:
    """Energy with its band over x, of points(…, x, "joules"); data `points`."""
    x = _x(x_title, log_x, numeric)
    bands = _POINTS.mark_rule().encode(x=x, y=energy_axis("y", "low:Q", unit), y2="high:Q")
    told = by_condition(conditions, width, text)
    marks = _points(x, energy_axis("y", "y:Q", unit), x_title, "energy (J)", told)
    return layered([bands, *marks], width, height)


def metric_against(
    x_title: str,
    metric: str,
    conditions: Sequence[str],
    log_x: bool = False,
    width: Width = "container",
    height: float = 220,
    numeric: bool = True,
    text: float = TEXT,
) -> alt.LayerChart:
    """A metric over x, of points(…, x, "metric_NAME"); data `points`."""
    x, told = _x(x_title, log_x, numeric), by_condition(conditions, width, text)
    return layered(_points(x, y_metric(metric), x_title, metric, told), width, height)


def metric_against_energy(
    metric: str,
    conditions: Sequence[str],
    width: Width = "container",
    height: float = 220,
    unit: str = "kJ",
    maximise: bool | None = None,
    text: float = TEXT,
    named: bool = False,
) -> alt.LayerChart:
    """A metric over energy, of points(…, "joules", "metric_NAME"), the Pareto front as a line.

    maximise: whether more of it is better (None: by its name); the title says which. named: whether
    points on the front have the names of their models.
    """
    x = energy_axis("x", "x:Q", unit)
    bands = _POINTS.mark_rule().encode(x=energy_axis("x", "low:Q", unit), x2="high:Q", y="y:Q")
    told = by_condition(conditions, width, text)
    # Between two runs of the front nothing is known: the border goes in steps.
    front = (
        _POINTS.transform_filter("datum.front")
        .mark_line(interpolate="step-after", strokeDash=[3, 2])
        .encode(x=x, y=y_metric(metric), detail="group:N", color=told["color"])
    )
    more = not minimised(metric) if maximise is None else maximise
    better = "more" if more else "less"
    title = alt.Title(_wrapped("Pareto front (dashed):", f"less energy, {better} {metric}", width))
    marks = _points(x, y_metric(metric), "energy (J)", metric, told, named)
    return layered([front, bands, *marks], width, height, title=title)


def _wrapped(first: str, second: str, width: Width) -> str | list[str]:
    """One line, or two where the plot is narrower, or may be."""
    line = f"{first} {second}"
    return [first, second] if isinstance(width, str) or 5 * len(line) > width else line


def _x(title: str, log: bool, numeric: bool) -> alt.X:
    if not numeric:
        return alt.X("x:N", title=title)
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    return alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(format=".6~g", tickCount=5))


def y_metric(metric: str) -> alt.Y:
    return alt.Y("y:Q", title=metric, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))


def _points(
    x: alt.X, y: alt.Y, x_name: str, y_name: str, told: dict[str, Any], named: bool = False
) -> list[Any]:
    """told: how conditions are told apart. † imported, est.: with an estimate. named: whether those
    on the front have the names of their models."""
    marks = _POINTS.mark_point(filled=True, opacity=0.9).encode(
        x=x,
        y=y,
        **told,
        tooltip=[
            alt.Tooltip("label:N", title="run"),
            alt.Tooltip("experiment_id:N", title="id"),
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("condition:N", title="condition"),
            alt.Tooltip("x:Q", title=x_name, format=",.5~g"),
            alt.Tooltip("y:Q", title=y_name, format=",.5~g"),
            alt.Tooltip("imported:N", title="imported"),
        ],
    )
    sign = "(datum.imported ? '†' : '') + (datum.measured === false ? ' est.' : '')"
    if named:
        sign = f"(datum.front ? datum.model + ' ' : '') + {sign}"
    signs = _POINTS.transform_calculate(sign=sign).mark_text(align="left", dx=4, dy=-4)
    return [marks, signs.encode(x=x, y=y, text="sign:N")]
