"""``energyctl.charts``: the public name of `energyctl.analysis.charts`."""

from energyctl.analysis.charts import *  # noqa: F403
