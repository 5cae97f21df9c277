"""The loads that a wall meter is compared under, and what the counters told meanwhile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from energyctl.energy import Phase, Recording
from energyctl.errors import MachineError
from energyctl.launchers import cpu_load
from energyctl.meters.acceptance.load import UNIT_SECONDS, GpuLoad
from energyctl.meters.acceptance.steps import LEVELS
from energyctl.meters.acceptance.wall import BOTH, CPU, IDLE, IDLE_AGAIN, Second
from energyctl.meters.base import Source
from energyctl.meters.sampler import Sampler


@dataclass(frozen=True)
class Lengths:
    """Seconds of each part. settle: after its beginning, and a second before its end."""

    level: float = 90.0
    other: float = 60.0
    settle: float = 8.0


NINE_MINUTES = Lengths()


def course(sources: Sequence[Source], load: GpuLoad, lengths: Lengths) -> list[Second]:
    """Carries it out. MachineError where a GPU's or a CPU's power is not known in it."""
    sampler = Sampler(sources)
    sampler.start()
    try:
        _part(sampler, IDLE, lengths.other)
        for share in LEVELS:
            _at_work(sampler, f"gpu {share:.0%}", load, lengths.level, share)
        with _busy_cpus():
            _part(sampler, CPU, lengths.other)
            _at_work(sampler, BOTH, load, lengths.other, 1.0)
        _part(sampler, IDLE_AGAIN, lengths.other)
    finally:
        recording = sampler.stop()
    return [second for phase in recording.phases for second in _seconds(recording, phase, lengths)]


def _part(sampler: Sampler, name: str, seconds: float) -> None:
    sampler.phase(name)
    time.sleep(seconds)


def _at_work(sampler: Sampler, name: str, load: GpuLoad, seconds: float, share: float) -> None:
    sampler.phase(name)
    load.run(seconds / UNIT_SECONDS, share=share)


@contextlib.contextmanager
def _busy_cpus() -> Iterator[None]:
    loads: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(os.cpu_count() or 1):
            command = [sys.executable, "-I", "-S", cpu_load.__file__]
            loads.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
            )
        yield
    finally:
        for one in loads:
            one.kill()
        for one in loads:
            one.wait()


def _seconds(recording: Recording, phase: Phase, lengths: Lengths) -> Iterator[Second]:
    """Those that lie wholly in a phase."""
    for index in range(int(phase.end - phase.start)):
        start = phase.start + index
        energy = recording.energy(start, start + 1)
        gpu, cpu, dram = energy.gpu_joules, energy.cpu_package_joules, energy.cpu_dram_joules
        if gpu is None or cpu is None:
            raise MachineError(f"--wall: {'; '.join(energy.warnings)}")
        settled = index >= lengths.settle and start + 2 <= phase.end
        yield Second(start, phase.name, settled, gpu, cpu + (dram or 0.0))
