"""A directory tree shaped as /sys/class/powercap, whose counters can move by themselves."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hardware.compiled import program
from hardware.waveform import Wave

RANGE_MICROJOULES = 262_143_328_850


def zone(root: Path, ident: str, name: str, *, microjoules: int = 0, **files: int) -> Path:
    """Makes one zone, for instance `intel-rapl:0` named package-0. files: name -> number."""
    path = root / ident
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    numbers = {"energy_uj": microjoules, "max_energy_range_uj": RANGE_MICROJOULES, **files}
    for file, number in numbers.items():
        (path / file).write_text(f"{number:020d}\n")
    return path


def set_counter(path: Path, microjoules: int) -> None:
    """In place, in one write: a meter keeps the file open."""
    descriptor = os.open(path / "energy_uj", os.O_WRONLY)
    try:
        os.pwrite(descriptor, f"{microjoules:020d}\n".encode(), 0)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Motion:
    """How one zone's counter moves.

    wraps_at, base: microjoules. fault: "none", or as in moving_zones.c: "still@S", "back@S:UJ".
    """

    wave: Wave
    wraps_at: int = RANGE_MICROJOULES
    base: int = 0
    fault: str = "none"


@dataclass(frozen=True)
class Mover:
    """The process that moves the counters. epoch: the Unix time at which they were at their base.

    report: its file of late ticks.
    """

    epoch: float
    report: Path

    def latest(self, start: float, end: float) -> float:
        """By how many seconds the latest tick between two Unix times was late."""
        late = 0.0
        for line in self.report.read_text().splitlines():
            time, seconds = map(float, line.split())
            if start <= time <= end:
                late = max(late, seconds)
        return late


@contextmanager
def moved(motions: Mapping[Path, Motion], *, epoch: float | None = None) -> Iterator[Mover]:
    """Moves the zones' counters each millisecond, from a process of its own."""
    since = time.time() if epoch is None else epoch
    with tempfile.TemporaryDirectory(prefix="mover-") as folder:
        report = Path(folder) / "late"
        report.touch()
        command = [str(program("moving_zones")), f"{since:.6f}", str(report)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for path, m in motions.items():
                line = f"{path}/energy_uj {m.wraps_at} {m.base} {m.fault} {m.wave.spec}\n"
                process.stdin.write(line)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "moving\n", "the counters cannot be moved"
            yield Mover(float(command[1]), report)


@contextmanager
def moving(waves: Mapping[Path, Wave], *, wrap: int = RANGE_MICROJOULES) -> Iterator[float]:
    """Moves the zones' counters; yields the Unix time of their zero."""
    with moved({path: Motion(wave, wrap) for path, wave in waves.items()}) as mover:
        yield mover.epoch
