"""Charts of runs: specifications without data (Vega-Lite, by Altair), and the rows they draw.

Each chart names its data sources (`power`, `phases`, `runs` …); the rows of the same name fill
them, in a page, a notebook or a figure. Needs the extra `report`.
"""

from __future__ import annotations

from energyctl.analysis.charts.block_charts import Panel, block_lines, block_ratios, comparison
from energyctl.analysis.charts.chart_data import (
    conditions_of,
    domain_names,
    domain_rows,
    gpu_rows,
    iteration_rows,
    phase_rows,
    power_rows,
    run_rows,
)
from energyctl.analysis.charts.downsample import gaps_marked, thinned
from energyctl.analysis.charts.energy_charts import (
    energy_against,
    energy_by_run,
    metric_against,
    metric_against_energy,
)
from energyctl.analysis.charts.machine_charts import energy_by_machine
from energyctl.analysis.charts.pareto_fronts import minimised, point_rows, points
from energyctl.analysis.charts.presence_charts import coverage, foreign, max_gap, presence, settle
from energyctl.analysis.charts.share_charts import (
    SHARE_NOTE,
    ShareChart,
    savings,
    share_bars,
    share_chart,
    shares_and_savings,
)
from energyctl.analysis.charts.themes import THEMES, Mark, Theme, condition_marks, config
from energyctl.analysis.charts.timeline import (
    run_iterations,
    run_overview,
    run_power,
    run_series,
    run_temperature,
    run_utilization,
)
from energyctl.analysis.fronts import pareto

__all__ = [
    "SHARE_NOTE", "THEMES", "Mark", "Panel", "ShareChart", "Theme", "block_lines", "block_ratios",
    "comparison", "condition_marks", "conditions_of", "config", "coverage", "domain_names",
    "domain_rows", "energy_against", "energy_by_machine", "energy_by_run", "foreign",
    "gaps_marked", "gpu_rows", "iteration_rows", "max_gap", "metric_against",
    "metric_against_energy", "minimised", "pareto",
    "phase_rows", "point_rows", "points", "power_rows", "presence", "run_iterations",
    "run_overview", "run_power", "run_rows", "run_series", "run_temperature", "run_utilization",
    "savings", "settle", "share_bars", "share_chart", "shares_and_savings", "thinned",
]  # fmt: skip
