"""A tree shaped as the PMUs in /sys, and the preloaded library that answers for its PMU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hardware.compiled import library
from hardware.waveform import Wave

TYPE = 4242
EVENTS = {"energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-gpu": 4, "energy-psys": 5}


def tree(
    root: Path, packages: Mapping[int, int], events: tuple[str, ...], dies: tuple[int, ...] = ()
) -> Path:
    """Makes a PMU `power`, and the topology beside it; returns the folder of the PMUs.

    packages: CPU of the cpumask → its package. dies: theirs, in the same order.
    """
    pmus = root / "bus" / "event_source" / "devices"
    folder = pmus / "power" / "events"
    folder.mkdir(parents=True)
    (pmus / "power" / "type").write_text(f"{TYPE}\n")
    (pmus / "power" / "cpumask").write_text(",".join(map(str, packages)) + "\n")
    for name in events:
        (folder / name).write_text(f"event=0x{EVENTS[name]:02x}\n")
        (folder / f"{name}.unit").write_text("Joules\n")
        (folder / f"{name}.scale").write_text("2.3283064365386962890625e-10\n")
    for index, (cpu, package) in enumerate(packages.items()):
        topology = root / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "die_id").write_text(f"{dies[index] if dies else 0}\n")
    return pmus


def environment(
    directory: Path, pmus: Path, waves: Mapping[tuple[str, int], Wave], **settings: str
) -> dict[str, str]:
    """For a child process that shall see the PMU, and no powercap. waves: by event and CPU.

    settings: of fake_perf.c, without FAKE_PERF_.
    """
    told = {f"FAKE_PERF_{EVENTS[event]}_{cpu}": w.spec for (event, cpu), w in waves.items()}
    return {
        **os.environ,
        "LD_PRELOAD": str(library("fake_perf", "-ldl")),
        "ENERGYCTL_PERF": str(pmus),
        "ENERGYCTL_POWERCAP": str(directory / "no-powercap"),
        "FAKE_PERF_TYPE": str(TYPE),
        **told,
        **{f"FAKE_PERF_{name}": value for name, value in settings.items()},
    }
