"""Trees shaped as /sys/class/hwmon and /sys/cray/pm_counters, whose files can move."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hardware.waveform import Wave

TICK_SECONDS = 0.005
INTEL_UNIT = 2.0**-14
SHUNT_MICROOHMS = {"VDD_IN": 5000, "VDD_CPU_GPU_CV": 5000, "VDD_SOC": 5000}

Contents = Callable[[float], str]
"""What a file says at a Unix time."""


def write(path: Path, text: str) -> None:
    """In place, in one write: a meter keeps the file open. Spaces cover what was there before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, f"{text:<24}\n".encode(), 0)
    finally:
        os.close(descriptor)


def device(root: Path, number: int, name: str, address: str, **files: object) -> Path:
    """hwmonN, whose `device` is a link to a folder named by its address on a bus."""
    behind = root.parent / "devices" / address
    folder = root / f"hwmon{number}"
    behind.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    (folder / "device").symlink_to(behind)
    for file, content in {"name": name, **files}.items():
        write(folder / file, str(content))
    return folder


# -- Intel GPUs ----------------------------------------------------------------------------------


def intel_card(
    root: Path, number: int = 0, *, driver: str = "xe", address: str = "0000:03:00.0",
    labels: Mapping[int, str] | None = None, watts: int = 190,
) -> Path:  # fmt: skip
    """A card; labels: of its energy channels."""
    labels = {1: "card", 2: "pkg"} if labels is None else labels
    files: dict[str, object] = {f"energy{n}_input": 0 for n in labels}
    files |= {f"energy{n}_label": label for n, label in labels.items() if label}
    return device(root, number, driver, address, power1_rated_max=watts * 1_000_000, **files)


def counted(wave: Wave, epoch: float, *, step: float = 0.001, times: float = 1.0) -> Contents:
    """Microjoules of a counter that moves each `step` seconds; times: a wrong factor."""

    def microjoules(now: float) -> str:
        joules = times * wave.staircase(epoch, step, now)
        return str(int(joules // INTEL_UNIT * INTEL_UNIT * 1e6))

    return microjoules


# -- NVIDIA Grace --------------------------------------------------------------------------------


def grace_meter(
    root: Path, number: int, label: str, microwatts: int = 100_123_000, *,
    interval_ms: int = 50, inside_device: bool = True,
) -> Path:  # fmt: skip
    """An ACPI power meter; returns the folder with its files."""
    folder = device(root, number, "power_meter", f"ACPI000D:{number:02}")
    place = (folder / "device").resolve() if inside_device else folder
    for file, content in {
        "power1_oem_info": label,
        "power1_average": microwatts,
        "power1_average_interval": interval_ms,
        "power1_accuracy": "100.0%",
    }.items():
        write(place / file, str(content))
    return place


def gh200(root: Path, socket: int = 0) -> dict[str, Path]:
    """The four meters of a superchip, by the first word of their label."""
    labels = ("Module", "Grace", "CPU", "SysIO")
    return {
        label: grace_meter(root, 4 * socket + i, f"{label} Power Socket {socket}")
        for i, label in enumerate(labels)
    }


def averaged(wave: Wave, seconds: float = 0.05) -> Contents:
    """Microwatts: the mean over `seconds` before the last update."""

    def microwatts(now: float) -> str:
        seen = now // seconds * seconds
        return str(int(wave.joules(seen - seconds, seen) / seconds * 1e3) * 1000)

    return microwatts


# -- NVIDIA Jetson -------------------------------------------------------------------------------


def ina3221(root: Path, number: int, address: str, rails: Mapping[int, str]) -> Path:
    """A monitor with these rails by their channels, at 5 V and 1 A each."""
    files: dict[str, object] = {"update_interval": 7, "samples": 1}
    for n, label in rails.items():
        files |= {
            f"in{n}_label": label,
            f"in{n}_enable": 1,
            f"in{n}_input": 5000,
            f"curr{n}_input": 1000,
            f"shunt{n}_resistor": SHUNT_MICROOHMS.get(label, 2000),
        }
    return device(root, number, "ina3221", address, **files)


def orin_nano(root: Path) -> Path:
    return ina3221(root, 1, "1-0040", {1: "VDD_IN", 2: "VDD_CPU_GPU_CV", 3: "VDD_SOC"})


def agx_orin(root: Path) -> tuple[Path, Path]:
    rails = {1: "VDD_GPU_SOC", 2: "VDD_CPU_CV", 3: "VIN_SYS_5V0"}
    memory = {1: "NC", 2: "VDDQ_VDD2_1V8AO", 3: "NC"}
    return ina3221(root, 1, "1-0040", rails), ina3221(root, 2, "1-0041", memory)


def milliamperes(wave: Wave, *, volts: float = 5.0, shunt: int = 2000) -> Contents:
    """In units of 40 uV across the shunt."""
    unit = 40_000 / shunt

    def current(now: float) -> str:
        return str(round(round(1000 * wave.watts(now) / volts / unit) * unit))

    return current


# -- HPE Cray ------------------------------------------------------------------------------------


def pm_counters(root: Path, *files: str) -> Path:
    """With these energy files beside `energy`."""
    root.mkdir(parents=True, exist_ok=True)
    for file in ("energy", *files):
        write(root / file, "1000 J 7810213855886 us")
    for file, content in {"freshness": "60043284", "raw_scan_hz": "10", "version": "3"}.items():
        write(root / file, content)
    return root


def scanned(wave: Wave, epoch: float, *, hz: float = 10.0) -> Contents:
    def joules(now: float) -> str:
        return f"{int(wave.staircase(epoch, 1 / hz, now))} J {int(now * 1e6)} us"

    return joules


def freshness(epoch: float, *, hz: float = 10.0) -> Contents:
    return lambda now: str(int((now - epoch) * hz))


# -- motion --------------------------------------------------------------------------------------


@contextmanager
def moving(files: Mapping[Path, Contents], *, tick: float = TICK_SECONDS) -> Iterator[None]:
    """Writes the files again and again, in their order, until the block ends."""
    ended = threading.Event()

    def move() -> None:
        while not ended.wait(tick):
            for path, contents in files.items():
                write(path, contents(time.time()))

    for path, contents in files.items():
        write(path, contents(time.time()))
    thread = threading.Thread(target=move, name="hwmon-mover")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
