"""A GPU that trainings share, behind the real pynvml, with the joules of each of them known.

    with shared_gpu(world="timeslice") as gpu:
        subprocess.run([*training("heavy", watts=300, units=400)], env=gpu.environment)
    gpu.truth().between(start, end)

See shared_gpu.c: the model, its worlds and parameters; sharing_training.c: the trainings.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from hardware.compiled import library_folder, program


def training(name: str, **options: float) -> list[str]:
    """Its command; options: of sharing_training.c, `print_every` for --print-every."""
    words = {f"--{key.replace('_', '-')}": f"{value:g}" for key, value in options.items()}
    flags = [word for pair in words.items() for word in pair]
    return [str(program("sharing_training")), "--name", name, *flags]


@dataclass(frozen=True)
class Client:
    """A process that held a context. role: as energyctl marked it, else "-"."""

    name: str
    pid: int
    role: str

    @property
    def side(self) -> str:
        """Whom its energy is counted for: its role, else its name."""
        return self.name if self.role == "-" else self.role


@dataclass(frozen=True)
class Parts:
    """Joules between two instants; those of kernels, and the rest by side.

    contexts: what open contexts cost, at each instant by equal parts to the sides that hold one.
    """

    total: float
    idle: float
    context: float
    kernels: dict[str, float]
    contexts: dict[str, float]
    busy_seconds: dict[str, float]
    context_seconds: dict[str, float]
    """Of sides with several clients: the sum over them."""

    def share(self, side: str) -> float:
        """What its kernels used, and its part of the open contexts; idle power is nobody's."""
        return self.kernels.get(side, 0.0) + self.contexts.get(side, 0.0)


@dataclass
class _Sums:
    """Of a client, or a part: what it had come to at each of these Unix times."""

    times: list[float] = field(default_factory=list)
    values: list[tuple[float, float, float]] = field(default_factory=list)
    """Joules, busy seconds, seconds with a context."""

    def between(self, start: float, end: float) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self._at(start), self._at(end), strict=True))

    def _at(self, time: float) -> tuple[float, ...]:
        place = bisect_right(self.times, time)
        if place in (0, len(self.times)):
            return self.values[max(0, place - 1)]
        before, after = self.times[place - 1], self.times[place]
        share = (time - before) / (after - before)
        earlier, later = self.values[place - 1], self.values[place]
        return tuple(a + share * (b - a) for a, b in zip(earlier, later, strict=True))


class SharingTruth:
    """What shared_gpu.c noted."""

    def __init__(self, path: Path) -> None:
        self._sums = defaultdict[Client, _Sums](_Sums)
        whole, _, _ = path.read_text().rpartition("\n")
        for line in whole.splitlines():
            time, name, pid, role, *values = line.split()
            sums = self._sums[Client(name, int(pid), role)]
            joules, busy, held = map(float, values)
            sums.times.append(float(time))
            sums.values.append((joules, busy, held))
        self.clients = [client for client in self._sums if not client.name.startswith("-")]

    @property
    def end(self) -> float:
        """Up to when it was noted."""
        return self._sums[Client("-total", 0, "-")].times[-1]

    def span(self, client: Client) -> tuple[float, float]:
        """When its context was opened, and closed."""
        times = self._sums[client].times
        return times[0], times[-1]

    def joules(self, part: str, start: float, end: float) -> float:
        """part: "total", "idle" or "context"."""
        return self._sums[Client(f"-{part}", 0, "-")].between(start, end)[0]

    def between(self, start: float, end: float) -> Parts:
        """The energy between two Unix times, which must be within what was noted."""
        sums = defaultdict[str, list[float]](lambda: [0.0, 0.0, 0.0])
        for client in self.clients:
            for place, value in enumerate(self._sums[client].between(start, end)):
                sums[client.side][place] += value
        kernels, busy, held = ({side: s[i] for side, s in sums.items()} for i in range(3))
        parts = [self.joules(part, start, end) for part in ("total", "idle", "context")]
        return Parts(*parts, kernels, self._contexts(start, end), busy, held)

    def _contexts(self, start: float, end: float) -> dict[str, float]:
        spans = {client: self.span(client) for client in self.clients}
        moments = {start, end, *(t for span in spans.values() for t in span if start < t < end)}
        joules = defaultdict[str, float](float)
        for before, after in pairwise(sorted(moments)):
            sides = {
                c.side for c, (first, last) in spans.items() if first < after and last > before
            }
            for side in sides:
                joules[side] += self.joules("context", before, after) / len(sides)
        return dict(joules)


@dataclass(frozen=True)
class SharedGpu:
    """A running one. environment: for the processes that shall see it."""

    environment: dict[str, str]
    _truth: Path

    def truth(self) -> SharingTruth:
        """Up to now."""
        return SharingTruth(self._truth)


@contextmanager
def shared_gpu(world: str = "timeslice", **parameters: Any) -> Iterator[SharedGpu]:
    """While it runs. parameters: of shared_gpu.c, without GPU_."""
    shared_memory = Path("/dev/shm")
    where = shared_memory if os.access(shared_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="gpu-", dir=where) as name:
        folder, truth = Path(name) / "gpu", Path(name) / "truth"
        folder.mkdir()
        environment = {
            "LD_LIBRARY_PATH": str(library_folder()),
            "FAKE_SHARED": str(folder),
            "FAKE_GPUS": "1",
            "FAKE_AVERAGE": "1.0",
        }
        settings = {f"GPU_{key.upper()}": str(value) for key, value in parameters.items()}
        process = subprocess.Popen(
            [program("shared_gpu"), truth],
            env={**environment, "GPU_WORLD": world, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield SharedGpu(environment, truth)
        assert process.returncode == 0
