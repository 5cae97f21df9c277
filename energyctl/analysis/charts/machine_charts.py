"""Machines beside each other: the energy of the same trainings on each."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.analysis.charts import themes
from energyctl.analysis.charts.altair import TEXT, Width, alt, layered, level
from energyctl.analysis.charts.encodings import by_condition
from energyctl.analysis.charts.energy_charts import run_tooltip


def energy_by_machine(
    conditions: Sequence[str],
    width: Width = "container",
    height: float = 180,
    text: float = TEXT,
) -> alt.LayerChart:
    """Each run over the mean of its training, by machine, with the machine's mean; data `runs`.

    `relative` is energy over the mean of all runs of that repository, model and condition.
    """
    runs = alt.Chart(alt.NamedData("runs")).transform_filter(
        "isValid(datum.relative) && isValid(datum.node)"
    )
    x = alt.X("node:N", title="Machine", axis=alt.Axis(labelAngle=0, labelLimit=120, grid=False))
    y = alt.Y(
        "relative:Q",
        title="Energy over the mean",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(format=".2~f", tickCount=5),
    )
    dots = runs.mark_point(filled=True, opacity=0.75).encode(
        x=x,
        y=y,
        **by_condition(conditions, width, text),
        tooltip=[*run_tooltip(), alt.Tooltip("relative:Q", title="over the mean", format=".4f")],
    )
    means = runs.mark_tick(thickness=2, color=themes.FRONT, width=28).encode(
        x=x,
        y=alt.Y("mean(relative):Q"),
        tooltip=[
            alt.Tooltip("node:N", title="machine"),
            alt.Tooltip("mean(relative):Q", title="mean over the mean", format=".4f"),
        ],
    )
    return layered([level(runs, 1.0), dots, means], width, height)
