"""What one AMD GPU tells: its source of energy and its state.

amdsmi_get_energy_count gives units of `counter_resolution` microjoules (about 15.3) since the
driver was loaded, and not in a virtual machine (AMD SMI documentation). Where a GPU has no counter,
its power is integrated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from energyctl.energy import Check, Domain
from energyctl.meters.amdsmi.known import AVERAGE, CURRENT, KnownGpu, energy_units
from energyctl.meters.amdsmi.library import AmdError, Library, number
from energyctl.meters.amdsmi.limits import Limits
from energyctl.meters.base import CLOCKS_SECONDS, GpuState, Reading, timed_reading
from energyctl.meters.busy import DeviceLook
from energyctl.meters.self_test import Look

# The driver asks the GPU each millisecond at the most (Linux, smu_cmn.c); how often a counter moves
# is not documented: the sampler measures it.
COUNTER = Domain(
    "gpu", "gpu", "amdsmi energy counter", resolution_joules=15.3e-6, update_seconds=0.1
)
# Watts without decimals. What they are off by AMD does not state: taken is what NVML does.
POWER = Domain(
    "gpu",
    "gpu",
    "amdsmi power",
    quantity="power",
    resolution_watts=1.0,
    update_seconds=0.1,
    relative_uncertainty=0.05,
)
# Over how long average_socket_power is the mean, is not documented.
AVERAGE_SECONDS = 1.0
MICROWATTS = 10_000
"""No GPU may draw so many watts: a power limit above that is in microwatts."""

Figure = tuple[Domain, Callable[[], float]]
"""Of a GPU's energy: joules or watts, and what reads them."""


@dataclass
class Gpu:
    """A GPU with the best source that it has. module: indices of the GPUs that these figures are
    of: its own, those of both dies, or of all partitions."""

    library: Library
    known: KnownGpu
    domain: Domain
    module: Sequence[int]
    value: Callable[[], float] | None = None
    lesser: str | None = None  # why a better source is not used
    figures: list[Figure] = field(default_factory=list)  # lesser ones of its energy
    absent: set[str] = field(default_factory=set)  # facts that it does not have
    clocks_asked: float = -inf  # time.monotonic()
    limits: Limits = field(default_factory=Limits)

    @property
    def index(self) -> int:
        return self.known.index

    @property
    def label(self) -> str:
        return f"GPU {self.index} ({self.known.name})"

    @property
    def averaging_seconds(self) -> float:
        """Of its averaged power."""
        return AVERAGE_SECONDS

    def read(self) -> list[Reading]:
        """Joules of its counter, or watts."""
        if self.value is None:
            return []
        return [timed_reading(self.domain.name, self.label, self.value, AmdError)]

    def ask(self, function: str, *arguments: Any) -> Any:
        """None where the GPU does not tell; not asked again where it never will."""
        fact = " ".join(map(str, (function, *arguments)))
        if fact in self.absent:
            return None
        try:
            return self.library.ask(function, self.known.handle, *arguments)
        except AmdError as error:
            if error.never:
                self.absent.add(fact)
            return None

    # -- energy ---------------------------------------------------------------------------------

    def joules(self) -> float:
        count = self.library.ask("amdsmi_get_energy_count", self.known.handle)
        units, resolution = energy_units(count), number(count.get("counter_resolution"))
        if not units or not resolution:
            raise AmdError("its energy counter is 0")
        return units * resolution * 1e-6

    def watts(self, key: str) -> float:
        """AmdError also for 0: a GPU that is on draws some."""
        watts = number(self.library.ask("amdsmi_get_power_info", self.known.handle).get(key))
        if not watts:
            raise AmdError(f"{key} is not told")
        return watts

    def take_best(self, *why: str) -> None:
        """Takes the best figure that is left and answers; `why` not those before it."""
        reasons = [*why]
        while self.figures:
            domain, value = self.figures.pop(0)
            try:
                value()
            except AmdError as error:
                reasons.append(str(error))
                continue
            self.domain, self.value = domain, value
            if reasons and domain.quantity == "power":
                self.lesser = (
                    f"{self.label} is metered by its power, which is less accurate than by an "
                    f"energy counter: {reasons[0]}"
                )
            return
        missing = (
            f"{self.label} reports neither energy nor power: {reasons[-1]}; leave it out with "
            '"gpus" if it does not matter (amd-smi metric may tell more)'
        )
        self.value = None
        self.domain = replace(self.domain, source="amdsmi", missing=missing)

    def judge_counter(self, check: Check) -> None:
        """Keeps the verdict on its counter; one that is refused gives way to integrated power."""
        if check.verdict == "refused":
            self.take_best(check.words)
        self.domain = replace(self.domain, checks=(check,))

    def look(self) -> Look:
        """For the self-test of its counter."""
        joules = self.read()[0]
        power = self.ask("amdsmi_get_power_info") or {}
        instant, average = (self._believed(power, key) for key in (CURRENT, AVERAGE))
        return Look(joules.time, joules.value, instant, average)

    def _believed(self, power: Mapping[str, Any], key: str) -> float | None:
        watts = number(power.get(key))
        return watts if watts is not None and self.domain.believes(watts) else None

    # -- state ----------------------------------------------------------------------------------

    def device(self) -> DeviceLook | None:
        """None where its utilisation is not told."""
        percent = self._activity("gfx_activity")
        return None if percent is None else DeviceLook(percent, self._mhz("GFX"))

    def state(self) -> GpuState:
        before = time.monotonic()
        power = self.ask("amdsmi_get_power_info") or {}
        now, average = number(power.get(CURRENT)), number(power.get(AVERAGE))
        edge = self._celsius("EDGE")
        return GpuState(
            gpu=self.index,
            name=self.known.name,
            time=before,
            temperature_celsius=self._celsius("HOTSPOT") if edge is None else edge,
            memory_temperature_celsius=self._celsius("VRAM"),
            utilization_percent=self._activity("gfx_activity"),
            memory_utilization_percent=self._activity("umc_activity"),
            power_watts=now or average or None,
            averaging_seconds=0.0 if now else AVERAGE_SECONDS,
            **self._clocks(before),
        )

    def _clocks(self, now: float) -> dict[str, Any]:
        """Each few seconds: so many more questions are most of what a look costs."""
        if now - self.clocks_asked < 0.9 * CLOCKS_SECONDS:
            return {}
        self.clocks_asked = now
        metrics = self.ask("amdsmi_get_gpu_metrics_info")
        return {
            "sm_mhz": self._mhz("GFX"),
            "memory_mhz": self._mhz("MEM"),
            "limits": None if metrics is None else self.limits.of(metrics),
        }

    def _activity(self, engine: str) -> float | None:
        percent = number((self.ask("amdsmi_get_gpu_activity") or {}).get(engine))
        return percent if percent is not None and percent <= 100 else None

    def _celsius(self, sensor: str) -> float | None:
        """None also for 0: so GPUs without that sensor answer."""
        kind = self.library.constant("AmdSmiTemperatureType", sensor)
        now = self.library.constant("AmdSmiTemperatureMetric", "CURRENT")
        return number(self.ask("amdsmi_get_temp_metric", kind, now)) or None

    def _mhz(self, clock: str) -> float | None:
        kind = self.library.constant("AmdSmiClkType", clock)
        return number((self.ask("amdsmi_get_clock_info", kind) or {}).get("clk"))


def open_gpu(library: Library, known: KnownGpu, module: Sequence[int]) -> Gpu:
    """The GPU with the best source that it has; of a second die or partition: none."""
    whole_apu = "MI300A" in known.name
    name = f"{'module' if whole_apu else 'gpu'}-{known.index}"
    part = f"{'module' if whole_apu else 'gpu'}/{known.uuid or known.address}"
    if known.primary is not None:
        why = (
            "it is the second die, or a partition, of a module, whose energy and power the driver "
            f"tells as a whole: they are in gpu-{known.primary}"
        )
        domain = Domain(name, "other", "amdsmi", in_total=False, part=part, missing=why)
        return Gpu(library, known, domain, module)
    whole = f" of {', '.join(f'gpu-{i}' for i in module)}" if len(module) > 1 else ""
    gpu = Gpu(library, known, replace(COUNTER, name=name, part=part), module)
    most = _most_watts(gpu)
    counter, power = (
        replace(kind, name=name, part=part, source=kind.source + whole, max_watts=most)
        for kind in (COUNTER, POWER)
    )
    gpu.figures = [
        (counter, gpu.joules),
        (power, lambda: gpu.watts(CURRENT)),
        (replace(power, averaging_seconds=AVERAGE_SECONDS), lambda: gpu.watts(AVERAGE)),
    ]
    gpu.take_best()
    return gpu


def _most_watts(gpu: Gpu) -> float | None:
    """Twice the highest power limit that can be set; None where the GPU does not tell."""
    highest = watts_of((gpu.ask("amdsmi_get_power_cap_info") or {}).get("max_power_cap"))
    return None if highest is None else 2 * highest


def watts_of(limit: Any) -> float | None:
    """Of a power limit, which some versions tell in microwatts; None also for 0."""
    told = number(limit)
    return None if not told else told / 1e6 if told > MICROWATTS else told
