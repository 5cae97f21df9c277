"""The quick start's training, measured once per campaign on each machine that it uses.

The same work everywhere, so its energy and time compare the machines. The figures are shown, and
never applied to a result.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from energyctl.campaign.journal import Journal
from energyctl.campaign.run import carry_out
from energyctl.campaign.run_state import Context
from energyctl.config import registry, settings
from energyctl.config.plan import Run, make
from energyctl.errors import EnergyctlError
from energyctl.results.calibrations import FOLDER
from energyctl.results.folder import to_text
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.system.workspace import packaged
from energyctl.text import safe_name

SETTINGS = json.dumps(
    {
        "experiment_name": FOLDER,
        "mode": "default",
        "idle_seconds": 10,
        "cooldown_seconds": 0,
        "max_retries": 0,
        "sample_interval_seconds": 0.5,
        "seed": 1,
        "experiments": [{"repo": "digits", "model": "mlp", "hyperparameters": {"seed": 1}}],
    }
)
"""One core at work for some ten seconds, after ten idle ones."""


def calibrate(context: Context, journal: Journal, node: str) -> list[str]:
    """Measures this machine, where the campaign has not yet; warnings about what went wrong.

    Raises Interrupted; whatever else is wrong does not keep the campaign from its runs.
    """
    place = journal.own_folder / FOLDER / safe_name(node)
    if place.is_dir():
        return []
    context.observer.say(f"calibration: the quick start's training on {node}")
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        context.folder.make(fresh)
        kept = _measured(context, fresh)
        context.folder.write(fresh / "calibration.json", to_text(kept))
        os.replace(fresh, place)
    except (OSError, EnergyctlError) as error:
        return [f"the machine is not calibrated: {error}"]
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh, ignore_errors=True)
    context.interrupts.wait(context.settings.cooldown_seconds)
    succeeded = kept["status"] == "succeeded"
    return [] if succeeded else [f"the calibration failed: {kept['foreground_result']['error']}"]


def _measured(context: Context, folder: Path) -> Result:
    """The result of the run, by the same code as any other."""
    models = registry.read(packaged() / "settings" / "models_config.json")
    document = settings.parse(SETTINGS, FOLDER)
    checked = settings.check(document).settings
    assert checked is not None
    run: Run = make(checked, models, seed=1, document=document).runs[0]
    changed = replace(
        context,
        campaign=FOLDER,
        settings=checked,
        trainings=replace(context.trainings, registry=models),
        folder=replace(context.folder, root=folder),
        shared_idle=None,
        experiment_warnings={},
    )
    training = run.foreground
    files = RunFiles(folder, FOLDER, FOLDER, FOLDER, training.repo, training.model)
    results: list[Result] = []
    carry_out(run, files, changed, lambda result, _: results.append(result), False)
    return results[-1]
