"""Settings, registry and seed → the runs, every value drawn. Pure.

plan = make(settings, registry, seed=7, document=document, problems=checked.problems)
"""

from __future__ import annotations

from energyctl.plan.history import Earlier, History, history_from_results, history_from_rows, joined
from energyctl.plan.making import make
from energyctl.plan.runs import BackgroundJob, PassedOver, Plan, Run, Training

__all__ = [
    "BackgroundJob",
    "Earlier",
    "History",
    "PassedOver",
    "Plan",
    "Run",
    "Training",
    "history_from_results",
    "history_from_rows",
    "joined",
    "make",
]
