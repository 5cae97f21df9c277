"""Settings, registry and seed → the runs, every value drawn. Pure.

plan = make(settings, registry, seed=7, document=document, problems=checked.problems)
"""

from __future__ import annotations

from energyctl.plan.history import History, history_from_rows
from energyctl.plan.making import make
from energyctl.plan.runs import BackgroundJob, Plan, Run, Training

__all__ = [
    "BackgroundJob",
    "History",
    "Plan",
    "Run",
    "Training",
    "history_from_rows",
    "make",
]
