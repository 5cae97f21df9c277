"""``energyctl.figures``: the public name of `energyctl.analysis.charts.figure_files`."""

from energyctl.analysis.charts.figure_files import figure, save

__all__ = ["figure", "save"]
