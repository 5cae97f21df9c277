"""Files of the kernel's class hwmon, and what is read from them.

Documentation/hwmon/sysfs-interface.rst: each device is a folder hwmonN with a file `name`; older
drivers have their files in the folder `device` inside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.energy import Domain
from energyctl.meters import kernel_files
from energyctl.meters.base import Reading, timed_reading

# A power reading this many times above what a device can draw is in another unit.
IMPOSSIBLE = 2.0


@dataclass(frozen=True)
class Device:
    """A folder of the class, or the one inside it that has its files."""

    folder: Path

    @property
    def name(self) -> str | None:
        return self.text("name")

    @property
    def address(self) -> str:
        """Of the device behind it on its bus: 0000:03:00.0, 1-0040; else the name of its folder."""
        behind = self.folder / "device"
        return behind.resolve().name if behind.is_dir() else self.folder.name

    def text(self, file: str) -> str | None:
        """None where it cannot be read."""
        return kernel_files.text(self.folder / file)

    def number(self, file: str) -> int | None:
        """None where it cannot be read, or is none."""
        return kernel_files.number(self.folder / file)

    def numbered(self, pattern: str) -> list[tuple[int, ...]]:
        """The numbers in the names of its files that match *pattern*, sorted."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        found = (re.fullmatch(pattern, name) for name in names)
        return sorted(tuple(map(int, match.groups())) for match in found if match)


def devices(root: Path) -> list[Device]:
    """All of them, by number."""
    try:
        names = os.listdir(root)
    except OSError:
        return []
    found = (re.fullmatch(r"hwmon(\d+)", name) for name in names)
    ordered = sorted((match for match in found if match), key=lambda match: int(match[1]))
    return [Device(root / match[0]) for match in ordered]


class NumberFile:
    """An open file of one number, which a read asks the driver for anew. OSError, ValueError."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        return int(os.pread(self._descriptor, 32, 0))

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Sensor:
    """A domain, the files that tell of it, and what makes joules or watts of their numbers.

    files: open; none where the domain cannot be read.
    """

    domain: Domain
    value: Callable[[Sequence[int]], float]
    files: Sequence[NumberFile] = ()

    def joules_or_watts(self) -> float:
        return self.value([file.read() for file in self.files])

    def read(self) -> Reading:
        failure = f"reading {self.domain.name} failed"
        return timed_reading(self.domain.name, failure, self.joules_or_watts, OSError, ValueError)

    def refuse(self, missing: str) -> None:
        """It is not read any more."""
        self.domain = replace(self.domain, missing=missing)
        self.close()

    def close(self) -> None:
        for file in self.files:
            file.close()
        self.files = ()


def open_sensor(
    domain: Domain, paths: Sequence[Path], value: Callable[[Sequence[int]], float]
) -> Sensor:
    """The sensor that reads *paths*; `missing` where one of them tells nothing that can be."""
    files: list[NumberFile] = []
    sensor = Sensor(domain, value, files)
    try:
        files += map(NumberFile, paths)
        now = sensor.joules_or_watts()
    except PermissionError as error:
        path = error.filename or paths[0]
        sensor.refuse(kernel_files.only_root(path))
    except (OSError, ValueError) as error:
        sensor.refuse(f"reading {paths[0]} failed: {error}")
    else:
        most = domain.max_watts
        if domain.quantity == "power" and most and now > IMPOSSIBLE * most:
            sensor.refuse(f"{paths[0]} tells {now:.0f} W, more than the device can draw")
    return sensor
