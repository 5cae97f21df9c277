"""A training that is always the same, measured beside the runs of a campaign, by the same code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from energyctl.campaign.fixed_plan import fixed_plan
from energyctl.campaign.run import carry_out
from energyctl.campaign.run_state import Context
from energyctl.config import registry
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.system.workspace import packaged


def measured(
    context: Context, folder: Path, name: str, training: Mapping[str, Any] | None = None
) -> Result:
    """The result of one run of a *training* of the campaign's registry, without it of the quick
    start's, after ten idle seconds. It is for the caller to keep; its files are in *folder*."""
    models = context.trainings.registry
    if training is None:
        models = registry.read(packaged() / "settings" / "models_config.json")
    settings, planned = fixed_plan(name, models, training)
    run = replace(planned, index=0)
    changed = replace(
        context,
        campaign=name,
        settings=settings,
        trainings=replace(context.trainings, registry=models),
        folder=replace(context.folder, root=folder),
        shared_idle=None,
        warmth=None,
        experiment_warnings={},
    )
    files = RunFiles(folder, name, name, name, run.foreground.repo, run.foreground.model)
    results: list[Result] = []
    carry_out(run, files, changed, lambda result, _: results.append(result), False)
    return results[-1]
