"""The control: the same work, measured again and again between the runs of a campaign.

What it takes tells whether the machine stays the same. It is shown, and never applied to a result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from energyctl.campaign.fixed_work import measured
from energyctl.campaign.journal import Journal
from energyctl.campaign.run_state import Context
from energyctl.config.plan import Run
from energyctl.config.settings import Control
from energyctl.errors import EnergyctlError
from energyctl.results import controls
from energyctl.results.folder import to_text
from energyctl.text import count, percent, safe_name

MOST_WAITS = 5
"""So many times a control is measured anew, after a cool-down each, where it is to wait."""


@dataclass
class Controls:
    """Those of a campaign on this machine. wanted: None where the settings ask for none.

    warnings: of the latest one, for the results that follow.
    """

    wanted: Control | None
    journal: Journal
    node: str
    warnings: tuple[str, ...] = ()
    _block: int | None = None
    _runs: int = 0

    def before(self, run: Run, context: Context) -> tuple[str, ...]:
        """Measures it where one is due before *run*; why to stop there, in lines.

        Raises Interrupted.
        """
        wanted = self.wanted
        if wanted is None or not self._is_due(run, wanted):
            return ()
        for waits in range(1 + MOST_WAITS):
            self.warnings, place = self._measure(context, wanted)
            last = wanted.on_exceeded == "warn" or waits == MOST_WAITS
            if place is None or last:
                break
            place.rename(place.with_name(place.name + controls.REPEATED))
            why = "; ".join(self.warnings)
            if wanted.on_exceeded == "fail":
                return (f"paused: {why}",)
            context.observer.say(f"{why}: cooling down, then once more")
            context.interrupts.wait(context.settings.cooldown_seconds)
        return ()

    def _is_due(self, run: Run, wanted: Control) -> bool:
        if run.warm_up:
            return False
        if wanted.every == "block":
            due, self._block = run.block != self._block, run.block
            return due
        due = self._runs % wanted.every == 0
        self._runs += 1
        return due

    def _measure(self, context: Context, wanted: Control) -> tuple[tuple[str, ...], Path | None]:
        """Warnings, and the control's folder where the energies lie too far apart."""
        name = f"{time.strftime('%Y%m%d_%H%M%S')}_{safe_name(self.node)}"
        place = self.journal.own_folder / controls.FOLDER / name
        training = {"repo": wanted.repo, "model": wanted.model} if wanted.repo else None
        context.observer.say("control: work that is always the same")
        try:
            context.folder.make(place)
            kept = measured(context, place, controls.FOLDER, training)
            context.folder.write(place / "control.json", to_text(kept))
        except (OSError, EnergyctlError) as error:
            return (f"the control was not measured: {error}",), None
        context.interrupts.wait(context.settings.cooldown_seconds)
        if kept["status"] != "succeeded":
            return (f"the control failed: {kept['foreground_result']['error']}",), None
        every = controls.of_campaign(self.journal.folder.root, self.journal.name)
        own = [one for one in every if one.node == self.node]
        if (apart := controls.spread(own)) is None:
            return (), None
        said = f"the energies of {count(len(own), 'control')} lie {percent(apart)} apart"
        context.observer.say(said)
        if wanted.max_spread is None or apart <= wanted.max_spread:
            return (), None
        return (f"{said}, max_spread is {percent(wanted.max_spread)}",), place
