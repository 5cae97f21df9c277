"""Whether this machine can be set as a campaign asks: known before anything is started."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from energyctl.config.jsonfile.validation import shown
from energyctl.config.settings.machine import CLOCK, GOVERNOR, LIMIT
from energyctl.errors import MachineError
from energyctl.meters.base import Source
from energyctl.meters.gpu_controls import GpuControls, gpu_controls
from energyctl.results.machine_settings import TOLERANCES
from energyctl.system import privileges
from energyctl.system.governor import governor_problem


def metered_gpus(meters: Iterable[Source]) -> list[str]:
    """UUIDs of the NVIDIA GPUs whose energy, or that of the module around them, is metered."""
    parts = (d.part or "" for meter in meters for d in meter.domains() if d.is_part)
    return [uuid for part in parts if (uuid := part.rpartition("/")[2]).startswith("GPU-")]


def gpus_to_set(
    wanted: Iterable[Mapping[str, Any]], meters: Iterable[Source]
) -> Sequence[GpuControls]:
    """The GPUs for which *wanted* asks for something, as they are. Raises MachineError where one
    does not tell."""
    if not any(name in one for one in wanted for name in (LIMIT, CLOCK)):
        return ()
    return gpu_controls(metered_gpus(meters))


def check(wanted: Iterable[Mapping[str, Any]], gpus: Sequence[GpuControls]) -> None:
    """Raises MachineError where one of *wanted* cannot be set. *gpus*: the metered ones."""
    levels: dict[str, dict[Any, None]] = {}
    for one in wanted:
        for name, level in one.items():
            levels.setdefault(name, {})[level] = None
    found = {name: list(_problems(name, levels[name], gpus)) for name in levels}
    if wrong := [name for name, problems in found.items() if problems]:
        lines = [line for name in wrong for line in found[name]]
        raise MachineError(f"{'; '.join(lines)}; {leave_out(*wrong)}")


def leave_out(*names: str) -> str:
    return f"to measure with what is set, leave {' and '.join(map(shown, names))} out"


def _problems(name: str, levels: Iterable[Any], gpus: Sequence[GpuControls]) -> Iterator[str]:
    """Why some *levels* of the setting of that name cannot be set."""
    if name == GOVERNOR:
        yield from filter(None, map(governor_problem, levels))
    elif not gpus:
        yield f"{name} cannot be set: no NVIDIA GPU is metered here"
    elif why := _refused(name, levels, gpus):
        yield from (f"{name} cannot be set: {', '.join(who)}: {text}" for text, who in why.items())
    elif _needs_root(name, levels, gpus) and os.geteuid() != 0 and not privileges.given_up():
        yield f"{name} cannot be set without root; use sudo"


def _refused(name: str, levels: Iterable[Any], gpus: Sequence[GpuControls]) -> dict[str, list[str]]:
    """What the driver does not take → of which GPUs."""
    found: dict[str, list[str]] = {}
    for level in levels:
        for gpu in gpus:
            problem = (gpu.limit_problem if name == LIMIT else gpu.clock_problem)(level)
            if problem:
                found.setdefault(problem, []).append(gpu.name)
    return found


def _needs_root(name: str, levels: Iterable[Any], gpus: Sequence[GpuControls]) -> bool:
    """A limit that is set already needs nobody; whether a clock is locked no driver tells."""
    return name == CLOCK or any(differ(g.limit_watts, level) for g in gpus for level in levels)


def differ(watts: float | None, others: float) -> bool:
    """Whether a power limit is another one."""
    return watts is not None and abs(watts - others) > TOLERANCES[LIMIT]
