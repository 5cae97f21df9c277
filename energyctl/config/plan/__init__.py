"""Settings, registry and seed → the runs, every value drawn.

plan = make(settings, registry, seed=7, document=document, problems=checked.problems)
"""

from __future__ import annotations

from energyctl.config.plan.deduplication import (
    History,
    history_from_results,
    history_from_rows,
    joined,
)
from energyctl.config.plan.model import (
    BackgroundJob,
    EarlierAlone,
    Plan,
    Run,
    SkippedValues,
    Training,
)
from energyctl.config.plan.planner import make

__all__ = [
    "BackgroundJob",
    "EarlierAlone",
    "History",
    "Plan",
    "Run",
    "SkippedValues",
    "Training",
    "history_from_results",
    "history_from_rows",
    "joined",
    "make",
]
