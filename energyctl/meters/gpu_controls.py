"""Power limits and clocks of NVIDIA GPUs: what can be set, and what acts. Setting is root's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from energyctl.errors import MachineError
from energyctl.meters.gpu_facts import of_each_gpu
from energyctl.text import number


@dataclass(frozen=True)
class GpuControls:
    """Of one GPU; None where it does not tell.

    limit_watts: as set; enforced_watts: as it acts, which may be less where the board's management
    controller sets a limit, too (NVML, nvmlDeviceGetEnforcedPowerLimit). clocks_mhz: those to which
    its multiprocessors can be locked, in their order; empty where it does not tell.
    """

    index: int
    uuid: str
    limit_watts: float | None
    enforced_watts: float | None
    least_watts: float | None
    most_watts: float | None
    clocks_mhz: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"gpu-{self.index}"

    def limit_problem(self, watts: float) -> str | None:
        """Why its power limit cannot be *watts*; None where it can."""
        if self.limit_watts is None or self.least_watts is None or self.most_watts is None:
            return "there is no power limit that can be set"
        if self.least_watts <= watts <= self.most_watts:
            return None
        bounds = f"{number(self.least_watts)} to {number(self.most_watts)} W"
        return f"the driver takes {bounds}, not {number(watts)} W"

    def clock_problem(self, mhz: int) -> str | None:
        """Why its clock cannot be locked to *mhz*; None where it can."""
        if not self.clocks_mhz:
            return "the driver does not tell to which clocks it can be locked"
        if mhz in self.clocks_mhz:
            return None
        after = bisect_left(self.clocks_mhz, mhz)
        near = self.clocks_mhz[max(0, after - 1) : after + 1]
        return f"there is no clock of {mhz} MHz; near it are {', '.join(map(str, near))} MHz"


def gpu_controls(uuids: Collection[str]) -> list[GpuControls]:
    """Of the GPUs with these UUIDs. Raises MachineError where one of them does not tell."""
    found = {gpu.uuid: gpu for gpu in all_gpu_controls()}
    if silent := [uuid for uuid in uuids if uuid not in found]:
        raise MachineError(
            f"the NVIDIA driver does not tell what is set on {', '.join(sorted(silent))}: "
            "nvidia-smi may tell why"
        )
    return [gpu for gpu in found.values() if gpu.uuid in uuids]


def all_gpu_controls() -> list[GpuControls]:
    """Of all GPUs that tell; none where no driver answers."""
    return [one for one in of_each_gpu(_of) or () if one is not None]


def _of(nvml: Any, index: int) -> GpuControls | None:
    def ask(fact: str, *arguments: Any) -> Any:
        try:
            return getattr(nvml, f"nvmlDeviceGet{fact}")(*arguments)
        except nvml.NVMLError:
            return None

    handle = ask("HandleByIndex", index)
    uuid = None if handle is None else ask("UUID", handle)
    if uuid is None:
        return None
    least, most = ask("PowerManagementLimitConstraints", handle) or (None, None)
    # The highest memory clock comes first; a lower one would take the higher clocks away.
    memory = ask("SupportedMemoryClocks", handle) or ()
    clocks = ask("SupportedGraphicsClocks", handle, memory[0]) if memory else None
    return GpuControls(
        index,
        uuid.decode() if isinstance(uuid, bytes) else uuid,
        limit_watts=_watts(ask("PowerManagementLimit", handle)),
        enforced_watts=_watts(ask("EnforcedPowerLimit", handle)),
        least_watts=_watts(least),
        most_watts=_watts(most),
        clocks_mhz=tuple(sorted(clocks or ())),
    )


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
