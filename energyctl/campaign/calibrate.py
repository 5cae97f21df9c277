"""The quick start's training, measured once per campaign on each machine that it uses.

The same work everywhere, so its energy and time compare the machines. The figures are shown, and
never applied to a result.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from energyctl.campaign.fixed_work import measured
from energyctl.campaign.journal import Journal
from energyctl.campaign.run_state import Context
from energyctl.config.settings import machine_settings
from energyctl.errors import EnergyctlError
from energyctl.results.calibrations import FOLDER
from energyctl.results.folder import to_text
from energyctl.text import safe_name


def calibrate(context: Context, journal: Journal, node: str) -> list[str]:
    """Measures this machine, where the campaign has not yet; warnings about what went wrong.

    Raises Interrupted; whatever else is wrong does not keep the campaign from its runs.
    """
    place = journal.own_folder / FOLDER / safe_name(node)
    if place.is_dir():
        return []
    context.observer.say(f"calibration: the quick start's training on {node}")
    context.machine.set(machine_settings(context.settings), context.interrupts.wait)
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        context.folder.make(fresh)
        kept = measured(context, fresh, FOLDER)
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
