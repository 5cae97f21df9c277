"""Charts of runs: specifications without data (Vega-Lite, by Altair), and the rows they draw.

Each chart names its data sources (`power`, `phases`, `runs` …); the rows of the same name fill
them, in a page, a notebook or a figure. Needs the extra `report`.
"""

from __future__ import annotations

from energyctl.charts.conditions import coverage, foreign, max_gap, presence, settle
from energyctl.charts.energies import (
    energy_against,
    energy_by_run,
    metric_against,
    metric_against_energy,
)
from energyctl.charts.fronts import minimised, pareto, point_rows, points
from energyctl.charts.machines import energy_by_machine
from energyctl.charts.rows import (
    domain_names,
    domain_rows,
    gpu_rows,
    iteration_rows,
    phase_rows,
    power_rows,
    run_rows,
)
from energyctl.charts.themes import MODES, THEMES, Theme, config
from energyctl.charts.thinning import gaps_marked, thinned
from energyctl.charts.timeline import (
    run_gpu,
    run_iterations,
    run_overview,
    run_power,
    run_temperature,
    run_utilization,
)
from energyctl.charts.units import energy_unit

__all__ = [
    "MODES", "THEMES", "Theme", "config", "coverage", "domain_names", "domain_rows",
    "energy_against", "energy_by_machine",
    "energy_by_run", "energy_unit", "foreign", "gaps_marked", "gpu_rows", "iteration_rows",
    "max_gap", "metric_against", "metric_against_energy", "minimised", "pareto", "phase_rows",
    "point_rows", "points", "power_rows", "presence", "run_gpu", "run_iterations", "run_overview",
    "run_power", "run_rows", "run_temperature", "run_utilization", "settle", "thinned",
]  # fmt: skip
