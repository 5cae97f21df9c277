"""What of the machine is set for each run: the CPUs' governor, power limit and clock of the GPUs.

They are set by the helper, which root alone may need, read back, and put back at the end whatever
crashes. A run that asks for none of them has the machine as it was before.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyctl.campaign.facts import machine_facts
from energyctl.config.jsonfile.validation import shown
from energyctl.energy.schema import PhaseJson
from energyctl.errors import MachineError
from energyctl.meters.base import Source
from energyctl.meters.gpu_controls import GpuControls, gpu_controls
from energyctl.results.phases import kind_of
from energyctl.results.schema import GpuSettingJson, MachineSettingJson
from energyctl.system import privileges
from energyctl.system.governor import governor_problem, governors
from energyctl.system.helper import Helper
from energyctl.system.restoring import changing
from energyctl.text import number, values

SETTLE_SECONDS = 3.0
"""After a change, before anything is measured: power readings are means over up to a second (NVML,
nvmlDeviceGetPowerUsage), and a limit acts through a controller."""

READ_BACK_SECONDS, LOOK_SECONDS = 5.0, 0.1
"""For what was set to show; between two looks."""

WATTS_APART = 1.0
"""Less than that is rounding."""

GOVERNOR, LIMIT, CLOCK = "governor", "gpu_power_limit_watts", "gpu_clock_mhz"
OF_GPUS = (LIMIT, CLOCK)


def check(wanted: Iterable[Mapping[str, Any]], gpus: Sequence[GpuControls]) -> None:
    """Raises MachineError where one of *wanted* cannot be set here. *gpus*: the metered ones."""
    levels: dict[str, dict[Any, None]] = {}
    for one in wanted:
        for name, level in one.items():
            levels.setdefault(name, {})[level] = None
    found = {name: list(_problems(name, levels[name], gpus)) for name in levels}
    if wrong := [name for name, problems in found.items() if problems]:
        lines = dict.fromkeys(line for name in wrong for line in found[name])
        raise MachineError(f"{'; '.join(lines)}; {_leave_out(*wrong)}")


def _leave_out(*names: str) -> str:
    return f"to measure with what is set, leave {' and '.join(map(shown, names))} out"


def _problems(name: str, levels: Iterable[Any], gpus: Sequence[GpuControls]) -> Iterator[str]:
    """Why some *levels* of the setting of that name cannot be set."""
    if name == GOVERNOR:
        yield from filter(None, map(governor_problem, levels))
    elif not gpus:
        yield f"{name} cannot be set: no NVIDIA GPU is metered here"
    elif os.geteuid() != 0 and not privileges.given_up():
        yield f"{name} cannot be set without root; use sudo"
    else:
        for level in levels:
            for gpu in gpus:
                problem = (gpu.limit_problem if name == LIMIT else gpu.clock_problem)(level)
                if problem:
                    yield f"{name} cannot be set: {problem}"


def metered_gpus(meters: Sequence[Source]) -> list[str]:
    """UUIDs of NVIDIA GPUs whose energy, or that of the module around them, is metered."""
    parts = (d.part or "" for meter in meters for d in meter.domains() if d.in_total)
    return [uuid for part in parts if (uuid := part.rpartition("/")[2]).startswith("GPU-")]


@dataclass
class MachineControl:
    """Sets it for the runs of a campaign; without *helper* nothing is to be set.

    before: the GPUs as they were. now: what is set, by name. facts: of the machine with that.
    """

    helper: Helper | None = None
    before: Sequence[GpuControls] = ()
    say: Callable[[str], None] = print
    now: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    _enforced: Sequence[GpuControls] = ()

    def set(self, wanted: Mapping[str, Any], wait: Callable[[float], None]) -> None:
        """Sets *wanted*, and all else as it was before; then waits for it to act.

        Raises MachineError where it cannot be set, and what *wait* raises.
        """
        if self.helper is None or wanted == self.now:
            return
        self.now = {}
        if problem := self.helper.ask("restore"):
            raise MachineError(f"what was set before could not be put back: {problem}")
        for name, level in wanted.items():
            for request in self._requests(name, level):
                if problem := self.helper.ask(*request):
                    what = f"{values({name: level})} could not be set"
                    raise MachineError(f"{what}: {problem}; {_leave_out(name)}")
        self.now = dict(wanted)
        self._enforced = self._read_back(time.monotonic() + READ_BACK_SECONDS, wait)
        facts = machine_facts()
        self.facts = {name: facts[name] for name in ("governors", "gpus")}
        self.say(f"set: {values(self.now)}" if wanted else "the machine is set as it was before")
        for line in self.warnings:
            self.say(f"warning: {line}")
        wait(SETTLE_SECONDS)

    def _requests(self, name: str, level: Any) -> list[tuple[Any, ...]]:
        """Of the helper: see `privileged_helper`."""
        if name == GOVERNOR:
            already = set(governors().values()) == {level}  # needs no root
            return [] if already else [("governor", level)]
        what = "gpu_power_limit" if name == LIMIT else "gpu_clock"
        return [(what, gpu.uuid, level) for gpu in self.before]

    def _read_back(self, deadline: float, wait: Callable[[float], None]) -> Sequence[GpuControls]:
        """The GPUs, once the limit acts or for so long."""
        if not self.before:
            return ()
        while True:
            gpus = gpu_controls({gpu.uuid for gpu in self.before})
            if not self._not_acting(gpus) or time.monotonic() > deadline:
                return gpus
            wait(LOOK_SECONDS)

    def _not_acting(self, gpus: Sequence[GpuControls]) -> list[str]:
        """Lines about the power limits that act otherwise than they were asked for."""
        wanted = self.now.get(LIMIT)
        return [
            f"the power limit of {gpu.name} acts at {number(acts)} W, not at {number(wanted)} W: "
            "the board's management controller may allow less"
            for gpu in gpus
            if wanted is not None and (acts := gpu.enforced_watts) is not None
            if _differ(acts, wanted)
        ]

    @property
    def warnings(self) -> list[str]:
        """What does not act as it was asked for."""
        return self._not_acting(self._enforced)

    def changes(self) -> list[str]:
        """What something else has changed since it was set, in lines."""
        if not self.now:
            return []
        changed = []
        limits = gpu_controls({gpu.uuid for gpu in self._enforced}) if LIMIT in self.now else []
        for gpu in limits:
            wanted, now = self.now[LIMIT], gpu.limit_watts
            if now is not None and _differ(now, wanted):
                changed.append((f"power limit of {gpu.name}", f"{number(now)} W", f"{wanted} W"))
        found, wanted = sorted(set(governors().values())), self.now.get(GOVERNOR)
        if wanted and found not in ([], [wanted]):
            changed.append(("governor", ", ".join(found), wanted))
        return [
            f"the {what} was {now} after the training, and set to {wanted} before it: something "
            "else has changed it"
            for what, now, wanted in changed
        ]

    def to_json(self, phases: Sequence[PhaseJson]) -> dict[str, MachineSettingJson]:
        """As a result has it. *phases*: of its run."""
        settings: dict[str, MachineSettingJson] = {}
        for name, level in self.now.items():
            settings[name] = {"requested": level}
            if name == GOVERNOR:
                settings[name]["enforced"] = list(self.facts.get("governors") or ())
            else:
                settings[name]["gpus"] = [
                    self._gpu_json(name, gpu, phases) for gpu in self._enforced
                ]
        return settings

    def _gpu_json(self, name: str, gpu: GpuControls, phases: Sequence[PhaseJson]) -> GpuSettingJson:
        if name == CLOCK:
            seen = clock_in_training(phases, gpu.name)
            return {"index": gpu.index, "uuid": gpu.uuid, "enforced": seen}
        (before,) = (one.limit_watts for one in self.before if one.uuid == gpu.uuid)
        return {
            "index": gpu.index,
            "uuid": gpu.uuid,
            "before": before,
            "enforced": gpu.enforced_watts,
        }


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


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > WATTS_APART


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
    gpus = gpu_controls(metered_gpus(meters)) if _of_gpus(wanted) else []
    check(wanted, gpus)
    with changing(say) as helper:
        yield MachineControl(helper, gpus, say)


def _of_gpus(wanted: Iterable[Mapping[str, Any]]) -> bool:
    return any(name in OF_GPUS for one in wanted for name in one)
