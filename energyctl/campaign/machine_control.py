"""What of the machine is set for each run: the CPUs' governor, power limit and clock of the GPUs.

They are set by the helper, which root alone may need, read back, and put back at the end whatever
crashes. A run that asks for none of them has the machine as it was before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyctl.campaign.facts import machine_facts
from energyctl.campaign.machine_checks import check, differ, gpus_to_set, leave_out
from energyctl.config.settings.machine import CLOCK, GOVERNOR, LIMIT
from energyctl.energy.schema import PhaseJson
from energyctl.errors import MachineError
from energyctl.meters.base import Source
from energyctl.meters.gpu_controls import GpuControls, gpu_controls
from energyctl.results.machine_settings import TOLERANCES
from energyctl.results.phases import kind_of
from energyctl.results.schema import GpuSettingJson, MachineSettingJson
from energyctl.system.governor import governors
from energyctl.system.helper import Helper
from energyctl.system.restoring import changing
from energyctl.text import number, values

SETTLE_SECONDS = 3.0
"""After a change, before anything is measured: power readings are means over up to a second (NVML,
nvmlDeviceGetPowerUsage), and a limit acts through a controller."""

READ_BACK_SECONDS, LOOK_SECONDS = 5.0, 0.1
"""For what was set to show; between two looks."""

LOST = (
    "the helper that puts the machine back has ended: what is set stays set until the next "
    "energyctl run, resume or stop, with sudo where sudo started this one"
)


@dataclass
class MachineControl:
    """Sets it for the runs of a campaign; without *helper* nothing is to be set.

    before: the GPUs as they were. now: what is set, by name; None: not known. facts: of the
    machine with that.
    """

    helper: Helper | None = None
    before: Sequence[GpuControls] = ()
    say: Callable[[str], None] = print
    now: Mapping[str, Any] | None = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    _acting: Sequence[GpuControls] = ()
    _said_lost: bool = False

    def try_out(self, wanted: Collection[Mapping[str, Any]]) -> None:
        """Sets a level of each kind for a moment. Raises MachineError where that cannot be."""
        levels: dict[str, Any] = {}
        for one in wanted:
            levels = {**one, **levels}
        if self.helper is not None and levels:
            self._apply(levels)
            self._apply({})

    def set(self, wanted: Mapping[str, Any], wait: Callable[[float], None]) -> None:
        """Sets *wanted*, and all else as it was before; then waits for it to act.

        Raises MachineError where it cannot be set, and what *wait* raises.
        """
        if self.helper is None:
            return
        if self.helper.is_lost and not self._said_lost:
            self._said_lost = True
            self.say(f"warning: {LOST}")
        if wanted == self.now:
            return
        self._apply(wanted)
        self._acting = self._once_acting(time.monotonic() + READ_BACK_SECONDS, wait)
        facts = machine_facts()
        self.facts = {name: facts[name] for name in ("governors", "gpus")}
        self.say(f"set: {values(wanted)}" if wanted else "the machine is set as it was before")
        for line in self._not_acting(self._acting):
            self.say(f"warning: {line}")
        wait(SETTLE_SECONDS)

    def _apply(self, wanted: Mapping[str, Any]) -> None:
        assert self.helper is not None
        before, self.now = self.now, None
        if before != {} and (problem := self.helper.ask("restore")):
            raise MachineError(f"what was set before could not be put back: {problem}")
        for name, level in wanted.items():
            for request in self._requests(name, level):
                if problem := self.helper.ask(*request):
                    what = f"{values({name: level})} could not be set"
                    raise MachineError(f"{what}: {problem}; {leave_out(name)}")
        for gpu in self._look() if LIMIT in wanted else ():
            if differ(gpu.limit_watts, wanted[LIMIT]):
                what = f"{values({LIMIT: wanted[LIMIT]})} could not be set"
                raise MachineError(
                    f"{what}: the driver took it, and did not apply it on {gpu.name}, which has "
                    f"{number(gpu.limit_watts or 0)} W; {leave_out(LIMIT)}"
                )
        self.now = dict(wanted)

    def _requests(self, name: str, level: Any) -> list[tuple[Any, ...]]:
        """Of the helper: see `privileged_helper`."""
        if name == GOVERNOR:
            return [("governor", level)]
        what = "gpu_power_limit" if name == LIMIT else "gpu_clock"
        return [(what, gpu.uuid, level) for gpu in self.before]

    def _look(self) -> Sequence[GpuControls]:
        return gpu_controls({gpu.uuid for gpu in self.before})

    def _once_acting(self, deadline: float, wait: Callable[[float], None]) -> Sequence[GpuControls]:
        """The GPUs, once the limit acts or at the *deadline*."""
        if not self.before:
            return ()
        while True:
            gpus = self._look()
            if not self._not_acting(gpus) or time.monotonic() > deadline:
                return gpus
            wait(LOOK_SECONDS)

    def _not_acting(self, gpus: Sequence[GpuControls]) -> list[str]:
        """Lines about the power limits that act otherwise than they were asked for."""
        if LIMIT not in (now := self.now or {}):
            return []
        wanted, lines = now[LIMIT], []
        for gpu in gpus:
            acts = gpu.enforced_watts
            if acts is not None and differ(acts, wanted):
                why = ": the board's management controller may allow less" if acts < wanted else ""
                lines.append(
                    f"the power limit of {gpu.name} acts at {number(acts)} W, not at "
                    f"{number(wanted)} W{why}"
                )
        return lines

    # -- what a result says of it ---------------------------------------------------------------

    def warnings(self, phases: Sequence[PhaseJson]) -> list[str]:
        """What does not act as it was asked for. *phases*: of the run."""
        if self.helper is None:
            return []
        lost = [LOST] if self.helper.is_lost else []
        return [*self._not_acting(self._acting), *self._clocks_above(phases), *lost]

    def _clocks_above(self, phases: Sequence[PhaseJson]) -> list[str]:
        if CLOCK not in (wanted := self.now or {}):
            return []
        means = {gpu.name: clock_in_training(phases, gpu.name) for gpu in self._acting}
        return [
            f"the clock of {name} was {number(mhz)} MHz in the mean of the training, though it was "
            f"locked to {wanted[CLOCK]} MHz: the lock does not act"
            for name, mhz in means.items()
            if mhz is not None and mhz > wanted[CLOCK] + TOLERANCES[CLOCK]
        ]

    def changes(self) -> list[str]:
        """What something else has changed since it was set, in lines."""
        changed: list[tuple[str, str, str]] = []
        wanted = self.now or {}
        try:
            gpus = self._look() if LIMIT in wanted else ()
        except MachineError as error:
            return [f"whether the power limit is still set is not known: {error}"]
        for gpu in gpus:
            if gpu.limit_watts is not None and differ(gpu.limit_watts, wanted[LIMIT]):
                now, then = (f"{number(watts)} W" for watts in (gpu.limit_watts, wanted[LIMIT]))
                changed.append((f"power limit of {gpu.name}", now, then))
        found = sorted(set(governors().values()))
        if GOVERNOR in wanted and found not in ([], [wanted[GOVERNOR]]):
            changed.append(("governor", ", ".join(found), wanted[GOVERNOR]))
        return [
            f"the {what} was {now} after the training, and set to {then} before it: something "
            "else has changed it"
            for what, now, then in changed
        ]

    def to_json(self, phases: Sequence[PhaseJson]) -> dict[str, MachineSettingJson]:
        """As a result has it. *phases*: of its run."""
        settings: dict[str, MachineSettingJson] = {}
        for name, level in (self.now or {}).items():
            settings[name] = {"requested": level}
            if name == GOVERNOR:
                settings[name]["enforced"] = list(self.facts.get("governors") or ())
            else:
                settings[name]["gpus"] = [self._gpu_json(name, gpu, phases) for gpu in self._acting]
        return settings

    def _gpu_json(self, name: str, gpu: GpuControls, phases: Sequence[PhaseJson]) -> GpuSettingJson:
        if name == CLOCK:
            seen = clock_in_training(phases, gpu.name)
            return {"index": gpu.index, "uuid": gpu.uuid, "enforced": seen}
        (before,) = (one.limit_watts for one in self.before if one.uuid == gpu.uuid)
        watts = gpu.enforced_watts
        return {"index": gpu.index, "uuid": gpu.uuid, "before": before, "enforced": watts}


def clock_in_training(phases: Sequence[PhaseJson], gpu: str) -> float | None:
    """Mean clock of its multiprocessors (MHz), of all attempts; None where it is not told."""
    known = [
        (phase["end"] - phase["start"], mhz)
        for phase in phases
        if kind_of(phase["name"]) == "foreground"
        and (state := phase.get("state"))
        and gpu in state["gpus"]
        and (mhz := state["gpus"][gpu]["sm_mhz"]) is not None
    ]
    whole = sum(seconds for seconds, _ in known)
    return sum(seconds * mhz for seconds, mhz in known) / whole if whole else None


@contextlib.contextmanager
def controlled_machine(
    wanted: Collection[Mapping[str, Any]], meters: Sequence[Source], say: Callable[[str], None]
) -> Iterator[MachineControl]:
    """To set, for a run, one of *wanted*; at the end everything is put back.

    Raises MachineError where one of them cannot be set: then nothing is changed.
    """
    if not any(wanted):
        yield MachineControl()
        return
    gpus = gpus_to_set(wanted, meters)
    check(wanted, gpus)
    with changing(say) as helper:
        control = MachineControl(helper, gpus, say)
        control.try_out(wanted)
        yield control
