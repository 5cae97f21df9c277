"""The files of a metered interval: four CSV tables of samples, and the CPU's joules as text."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from energyctl.energy import Domain, Energy
from energyctl.errors import MachineError
from energyctl.meters.base import GpuState
from energyctl.meters.points import MeanPower, Point

HEADERS = {
    "cpu_power.csv": "timestamp,domain,power_w,energy_j",
    "gpu_power.csv": "timestamp,gpu,power_draw_w,energy_j",
    "gpu_temperature.csv": "timestamp,gpu,gpu_temp_c,memory_temp_c",
    "gpu_utilization.csv": "timestamp,gpu,gpu_util_percent,memory_util_percent",
}
CPU_ENERGY = "cpu_energy.txt"


class CsvFiles:
    """Rows wait in memory until `flush`, so that a slow disk holds up no reading."""

    def __init__(self, directory: Path, domains: Iterable[Domain]) -> None:
        """Creates the files with their headers; MachineError where that fails."""
        self._domains = {d.name: d for d in domains}
        self._checks = {d.check for d in self._domains.values()}
        self._first: dict[str, Point] = {}  # a domain's first row with joules
        self._power = {d.name: MeanPower(d) for d in self._domains.values()}
        self._rows: dict[str, list[str]] = {name: [header] for name, header in HEADERS.items()}
        self._files: dict[str, TextIO] = {}
        self._waiting = threading.Lock()  # guards the rows
        self._writing = threading.Lock()  # guards the files
        self.joules: dict[str, float | None] = {}
        """Of each domain from its first row to its last; None: not known."""
        self._failed: str | None = None
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name in HEADERS:
                path = directory / name
                self._files[name] = path.open("w", encoding="utf-8")
        except OSError as error:
            for file in self._files.values():
                file.close()
            raise MachineError(f"cannot write the samples into {directory}: {error}") from error
        self.flush()

    def add(self, points: Sequence[Point]) -> None:
        for point in points:
            domain = self._domains[point.domain]
            if domain.name in self._checks:
                continue
            if domain.kind == "gpu":
                name, label = "gpu_power.csv", domain.name.removeprefix("gpu-")
            else:
                name, label = "cpu_power.csv", domain.name
            joules = None
            if point.joules is not None:
                first = self._first.setdefault(domain.name, point)
                if first.stretch == point.stretch:
                    joules = point.joules - (first.joules or 0.0)
            self.joules[domain.name] = joules
            watts = self._power[domain.name].watts(point)
            self._row(name, point.time_unix, label, _cell(watts), _cell(joules))

    def _row(self, name: str, time_unix: float, *cells: str) -> None:
        with self._waiting:
            self._rows[name].append(",".join((f"{time_unix:.6f}", *cells)))

    def add_states(self, states: Iterable[GpuState], offset: float) -> None:
        """offset: seconds to add to the states' monotonic time for Unix time."""
        for state in states:
            time_unix, gpu = state.time + offset, str(state.gpu)
            temperatures = state.temperature_celsius, state.memory_temperature_celsius
            utilizations = state.utilization_percent, state.memory_utilization_percent
            self._row("gpu_temperature.csv", time_unix, gpu, *map(_cell, temperatures))
            self._row("gpu_utilization.csv", time_unix, gpu, *map(_cell, utilizations))

    @property
    def busy(self) -> bool:
        """Whether rows are being written, which may take long on a slow disk."""
        return self._writing.locked()

    def flush(self) -> str | None:
        """Hands the waiting rows to the system. Returns what went wrong, once and for all."""
        with self._writing:
            for name, file in self._files.items():
                with self._waiting:
                    rows, self._rows[name] = self._rows[name], []
                if not rows or self._failed:
                    continue
                try:
                    file.write("\n".join(rows) + "\n")
                    file.flush()
                except OSError as error:
                    self._failed = f"samples are missing in {self._directory}: {error}"
            return self._failed

    def close(self) -> str | None:
        """Flushes to the disk and closes. Returns what went wrong."""
        failed = self.flush()
        with self._writing:
            for file in self._files.values():
                try:
                    with file:
                        os.fsync(file.fileno())
                except OSError as error:
                    failed = failed or f"samples are missing in {self._directory}: {error}"
            self._files.clear()
        return failed


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def write_cpu_energy(path: Path, energy: Energy) -> None:
    """Writes cpu_energy.txt: joules of packages and RAM, and their sum where both are known.

    MachineError where the file cannot be written.
    """
    lines = [
        f"Package Energy (Joules): {_cpu_figure(energy, 'cpu', energy.cpu_package_joules)}",
        f"RAM Energy (Joules): {_cpu_figure(energy, 'dram', energy.cpu_dram_joules)}",
        f"Total CPU Energy (Joules): {_cpu_total(energy)}",
    ]
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error}") from error


def _cpu_figure(energy: Energy, kind: str, measured: float | None) -> str:
    if measured is not None:
        return f"{measured:.6f}"
    estimates = [
        d.joules for d in energy.domains if d.domain.kind == kind and not d.domain.measured
    ]
    if estimates and None not in estimates:
        return f"{sum(j for j in estimates if j is not None):.6f} (estimated, not measured)"
    return "not measured"


def _cpu_total(energy: Energy) -> str:
    """Without DRAM where the machine has no counter for it."""
    package, dram = energy.cpu_package_joules, energy.cpu_dram_joules
    if package is None:
        return _cpu_figure(energy, "cpu", None)
    if any(d.domain.kind == "dram" for d in energy.domains) and dram is None:
        return "not measured"
    return f"{package + (dram or 0.0):.6f}"
