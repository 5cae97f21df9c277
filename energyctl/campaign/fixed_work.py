"""A training that is always the same, measured beside the runs of a campaign, by the same code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from energyctl.campaign.run import carry_out
from energyctl.campaign.run_state import Context
from energyctl.config import registry, settings
from energyctl.config.plan import Run, make
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.system.workspace import packaged

QUICK_START = {"repo": "digits", "model": "mlp", "hyperparameters": {"seed": 1}}
"""One core at work for some ten seconds."""


def measured(
    context: Context, folder: Path, name: str, training: Mapping[str, Any] | None = None
) -> Result:
    """The result of one run of a *training* of the campaign's registry, without it of the quick
    start's, after ten idle seconds. It is for the caller to keep; its files are in *folder*."""
    models = context.trainings.registry
    if training is None:
        models = registry.read(packaged() / "settings" / "models_config.json")
    fields = {
        "experiment_name": name,
        "mode": "default",
        "idle_seconds": 10,
        "cooldown_seconds": 0,
        "max_retries": 0,
        "sample_interval_seconds": 0.5,
        "seed": 1,
        "experiments": [dict(training or QUICK_START)],
    }
    document = settings.parse(json.dumps(fields), name)
    checked = settings.check(document).settings
    assert checked is not None
    run: Run = make(checked, models, seed=1, document=document).runs[0]
    changed = replace(
        context,
        campaign=name,
        settings=checked,
        trainings=replace(context.trainings, registry=models),
        folder=replace(context.folder, root=folder),
        shared_idle=None,
        experiment_warnings={},
    )
    files = RunFiles(folder, name, name, name, run.foreground.repo, run.foreground.model)
    results: list[Result] = []
    carry_out(run, files, changed, lambda result, _: results.append(result), False)
    return results[-1]
