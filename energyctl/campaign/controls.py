"""The control: the same work, measured again and again between the runs of a campaign.

What it takes tells whether the machine stays the same. It is shown, and never applied to a result.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from energyctl.campaign.fixed_work import measured
from energyctl.campaign.journal import Journal
from energyctl.campaign.run_state import Context
from energyctl.config.plan import Run
from energyctl.config.settings import Control, machine_settings
from energyctl.errors import EnergyctlError
from energyctl.results import controls
from energyctl.results.folder import to_text
from energyctl.text import count, more_or_less, percent, safe_name

MOST_WAITS = 5
"""So many times a control is measured anew, after a cool-down each, where it is to wait."""


@dataclass
class Controls:
    """Those of a campaign on this machine. wanted: None where the settings ask for none.

    due: index of each run that one stands before; warnings: of the latest one, for the results
    that follow.
    """

    wanted: Control | None
    due: Set[int]
    journal: Journal
    node: str
    warnings: tuple[str, ...] = ()

    def before(self, run: Run, context: Context) -> tuple[str, ...]:
        """Measures it where one is due before *run*; why to stop there, in lines.

        Raises Interrupted.
        """
        wanted = self.wanted
        if wanted is None or run.index not in self.due:
            return ()
        for waits in range(1 + MOST_WAITS):
            self.warnings, place = self._measure(context, wanted)
            if place is None or wanted.on_exceeded == "warn":
                break
            # It is not kept among the others: what comes after it is held against them alone.
            place.rename(place.with_name(place.name + controls.REPEATED))
            why = "; ".join(self.warnings)
            if wanted.on_exceeded == "fail":
                return (f"paused: {why}",)
            if waits < MOST_WAITS:
                context.observer.say(f"{why}: cooling down, then once more")
                context.interrupts.wait(context.settings.cooldown_seconds)
        return ()

    def _measure(self, context: Context, wanted: Control) -> tuple[tuple[str, ...], Path | None]:
        """Warnings, and the control's folder where its energy is too far from the others'."""
        name = f"{time.strftime('%Y%m%d_%H%M%S')}_{safe_name(self.node)}"
        place = self.journal.own_folder / controls.FOLDER / name
        context.observer.say("control: work that is always the same")
        context.machine.set(machine_settings(context.settings), context.interrupts.wait)
        try:
            context.folder.make(place)
            kept = measured(context, place, controls.FOLDER, wanted.training)
            context.folder.write(place / "control.json", to_text(kept))
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError | EnergyctlError):
                return (f"the control was not measured: {error}",), None
            raise
        context.interrupts.wait(context.settings.cooldown_seconds)
        if kept["status"] != "succeeded":
            return (f"the control failed: {kept['foreground_result']['error']}",), None
        every = controls.of_campaign(self.journal.folder.root, self.journal.name)
        own = [one for one in every if one.node == self.node]
        off = controls.deviation(own[-1], others) if (others := own[:-1]) else None
        if off is None:
            return (), None
        said = f"the control took {more_or_less(1 + off)} energy than {count(len(others), 'other')}"
        context.observer.say(said)
        if wanted.max_spread is None or abs(off) <= wanted.max_spread:
            return (), None
        return (f"{said}, max_spread is {percent(wanted.max_spread)}: {place}",), place
