"""A whole machine with known truth: two packages with all that stands beside them, two GPUs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hardware import cpus
from hardware.compiled import library_folder
from hardware.powercap import RANGE_MICROJOULES, Motion, Mover, moved, zone
from hardware.waveform import Wave

RANGE_JOULES = RANGE_MICROJOULES / 1e6


@dataclass(frozen=True)
class Load:
    """The power of each part.

    wrap_joules, base_joules: at which the packages' counters start over, and from which they start.
    """

    packages: tuple[Wave, Wave]
    dram: Wave
    gpus: tuple[Wave, Wave]
    wrap_joules: tuple[float, float] = (RANGE_JOULES, RANGE_JOULES)
    base_joules: tuple[float, float] = (0.0, 0.0)

    def joules(self, start: float, end: float) -> dict[str, float]:
        """The truth between two Unix times, per domain as energyctl names them."""
        parts = {f"package-{i}": wave for i, wave in enumerate(self.packages)}
        parts |= {f"gpu-{i}": wave for i, wave in enumerate(self.gpus)}
        parts["dram-0"] = self.dram
        return {name: wave.joules(start, end) for name, wave in parts.items()}


@dataclass(frozen=True)
class World:
    """A running one. environment: for the processes that shall live in it."""

    load: Load
    root: Path
    mover: Mover
    environment: dict[str, str]

    def wraps(self, start: float, end: float) -> int:
        """How often the packages' counters start over between two Unix times."""
        load, epoch, count = self.load, self.mover.epoch, 0
        for wave, wrap, base in zip(load.packages, load.wrap_joules, load.base_joules, strict=True):
            before, after = ((base + wave.joules(epoch, t)) // wrap for t in (start, end))
            count += int(after - before)
        return count


# GPU 0 moves each 100 ms, GPU 1 each 20 ms; neither in time with the whole seconds of Unix time.
GPUS = {
    "FAKE_GPUS": "2",
    "FAKE_STEP_0": "0.1",
    "FAKE_STEP_PHASE_0": "0.037",
    "FAKE_STEP_1": "0.02",
    "FAKE_STEP_PHASE_1": "0.013",
    "FAKE_AVERAGE_0": "1.0",
}


def _tree(root: Path, load: Load) -> dict[Path, Motion]:
    """Two packages with core and dram, the platform, and package-0 seen through mmio."""
    motions = {}
    for i, (wave, wrap) in enumerate(zip(load.packages, load.wrap_joules, strict=True)):
        # Meters take twice the stated power as what can flow at most.
        stated = {"constraint_0_max_power_uw": int(wave.highest * 1e6)}
        limits = {"max_energy_range_uj": int(wrap * 1e6), **stated}
        whole = Motion(wave, int(wrap * 1e6), int(load.base_joules[i] * 1e6))
        motions[zone(root, f"intel-rapl:{i}", f"package-{i}", **limits)] = whole
        motions[zone(root, f"intel-rapl:{i}:0", "core", **limits)] = whole
        if i == 0:
            motions[zone(root, "intel-rapl:0:1", "dram")] = Motion(load.dram)
            motions[zone(root, "intel-rapl-mmio:0", "package-0", **limits)] = whole
    motions[zone(root, "intel-rapl:2", "psys")] = Motion(load.packages[0])
    return motions


def _link(root: Path) -> None:
    """As sysfs shows the zones a second time: below their control type, and inside each other."""
    for zone_ in sorted(root.glob("*:*")):
        control, *numbers = zone_.name.split(":")
        around = root / control if len(numbers) == 1 else root / f"{control}:{numbers[0]}"
        if not around.exists():
            around.mkdir()
            (around / "subsystem").symlink_to("..")
        (around / zone_.name).symlink_to(f"../{zone_.name}")


@contextmanager
def world(load: Load, **settings: str) -> Iterator[World]:
    """The world while it runs. settings: of fake_nvml.c, without FAKE_."""
    shared_memory = Path("/dev/shm")  # its files are never written back, which would hold up a tick
    where = shared_memory if os.access(shared_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="world-", dir=where) as folder:
        root = Path(folder) / "powercap"
        motions = _tree(root, load)
        _link(root)
        with moved(motions, epoch=round(time.time() - 5, 6)) as mover:
            env = environment(load.gpus, mover.epoch)
            env["ENERGYCTL_POWERCAP"], env["ENERGYCTL_PERF"] = str(root), folder
            env["ENERGYCTL_CPUFREQ"] = str(cpus.tree(Path(folder) / "cpu"))
            fakes = {f"FAKE_{name}": value for name, value in settings.items()}
            yield World(load, root, mover, env | fakes)


def environment(gpus: tuple[Wave, ...], epoch: float) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    waves = {f"FAKE_WAVE_{i}": wave.spec for i, wave in enumerate(gpus)}
    library = {"LD_LIBRARY_PATH": str(library_folder()), "FAKE_EPOCH": f"{epoch:.6f}"}
    return env | GPUS | waves | library
