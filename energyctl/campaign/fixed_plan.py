"""What a training that is always the same is run as, beside the runs of a campaign."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from energyctl.config import settings
from energyctl.config.plan import Run, make
from energyctl.config.registry import Registry
from energyctl.config.settings import Control, Settings
from energyctl.results.controls import FOLDER

QUICK_START = {"repo": "digits", "model": "mlp", "hyperparameters": {"seed": 1}}
"""One core at work for some ten seconds."""

IDLE_SECONDS, QUICK_START_SECONDS = 10.0, 10.0


def controls_due(runs: Sequence[Run], control: Control | None) -> frozenset[int]:
    """Before which of these runs, by their index, a control is measured: the first of each block,
    or every so many; never a warm-up."""
    own = [run for run in runs if not run.warm_up]
    if control is None:
        return frozenset()
    if control.every != "block":
        return frozenset(run.index for run in own[:: control.every])
    first = {run.block: run.index for run in reversed(own) if run.block is not None}
    return frozenset(first.values())


def control_run(control: Control | None, models: Registry) -> Run | None:
    """That of a training of the registry; None where there is no such control."""
    if control is None or control.training is None:
        return None
    return fixed_plan(FOLDER, models, control.training)[1]


def fixed_plan(
    name: str, models: Registry, training: Mapping[str, Any] | None = None
) -> tuple[Settings, Run]:
    """Settings of that name with one run of *training*, without it of the quick start's."""
    fields = {
        "experiment_name": name,
        "mode": "default",
        "idle_seconds": IDLE_SECONDS,
        "cooldown_seconds": 0,
        "max_retries": 0,
        "sample_interval_seconds": 0.5,
        "seed": 1,
        "experiments": [dict(training or QUICK_START)],
    }
    document = settings.parse(json.dumps(fields), name)
    checked = settings.check(document).settings
    assert checked is not None
    return checked, make(checked, models, seed=1, document=document).runs[0]
