"""A directory tree shaped as /sys/class/powercap, whose counters can move by themselves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hardware.waveform import Square

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


@contextmanager
def moving(waves: Mapping[Path, Square], *, wrap: int = RANGE_MICROJOULES) -> Iterator[float]:
    """Moves the zones' counters about each millisecond; yields the Unix time of their zero."""
    epoch = time.time()
    stop = threading.Event()

    def move() -> None:
        while not stop.wait(0.001):
            for path, wave in waves.items():
                set_counter(path, int(wave.joules(epoch, time.time()) * 1e6) % wrap)

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield epoch
    finally:
        stop.set()
        thread.join()
