"""The load of `energyctl.launchers.gpu_load`, in a process of its own."""

from __future__ import annotations

import json
import os
import select
import time
from types import TracebackType
from typing import Any, NamedTuple

from energyctl.errors import MachineError
from energyctl.launchers import gpu_load
from energyctl.meters import gpu_program
from energyctl.meters.acceptance.estimators import Burst

# The driver may have to compile the kernel, and to start the GPU.
READY_SECONDS = 120.0
# Work may take so many times as long as it did when the load started.
SLOWER = 20.0
UNIT_SECONDS = gpu_load.UNIT_SECONDS


class Kept(NamedTuple):
    """What a GPU was kept at: seconds of the monotonic clock, passes of the kernel between."""

    began: float
    ended: float
    passes: int

    @property
    def passes_per_second(self) -> float:
        return self.passes / (self.ended - self.began)


class GpuLoad:
    """Puts one GPU to work, as a context: it ends with it. Units of work are milliseconds.

    Methods raise MachineError where the GPU does not work.
    """

    def __init__(self, uuid: str) -> None:
        self._process = gpu_program.start(gpu_load.__file__, [uuid])
        self._units = 0.0
        try:
            self._answer(READY_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> GpuLoad:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """What runs on the GPU ends with the process."""
        gpu_program.end(self._process)

    def run(
        self, units: float, *, count: int = 1, period: float = 0.0, share: float = 1.0
    ) -> Burst:
        """Does `units` of work `count` times, the begins `period` seconds apart (0: back to back),
        on a share of the GPU; returns when that is done."""
        self.begin(units, count=count, period=period, share=share)
        return self.wait()

    def begin(
        self, units: float, *, count: int = 1, period: float = 0.0, share: float = 1.0
    ) -> None:
        """As `run`, but returns at once."""
        self._units = units * count
        self._longest = READY_SECONDS + SLOWER * self._units * UNIT_SECONDS + count * period
        self._command(f"run {units!r} {count} {period!r} {share!r}")

    def wait(self) -> Burst:
        """For the end of what was begun."""
        answer = self._answer(self._longest)
        return Burst(float(answer["began"]), float(answer["ended"]), self._units)

    def rate(self, kernel: str) -> float:
        """How many passes of `multiply` or `copy` take a millisecond."""
        self._command(f"rate {kernel}")
        return float(self._answer(READY_SECONDS)["passes"])

    def keep(
        self, seconds: float, passes: int, *, period: float = 0.0, kernel: str = "multiply"
    ) -> None:
        """Begins kernels of so many passes, `period` seconds apart (0: back to back); returns at
        once."""
        self._longest = READY_SECONDS + seconds
        self._command(f"keep {seconds!r} {passes} {period!r} {kernel}")

    def kept(self) -> Kept:
        """Waits for the end of `keep`."""
        answer = self._answer(self._longest)
        return Kept(float(answer["began"]), float(answer["ended"]), int(answer["passes"]))

    def done(self) -> bool:
        """Whether `wait` would return at once."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout.fileno()], [], [], 0)[0])

    def _command(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise _failed("it has ended") from None

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline, line = time.monotonic() + seconds, b""
        descriptor = self._process.stdout.fileno()
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                raise _failed(f"it has not answered for {seconds:.0f} s")
            part = os.read(descriptor, 65536)
            if not part:
                raise _failed("it has ended")
            line += part
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise _failed(answer["failed"])
        return answer


def _failed(why: str) -> MachineError:
    return MachineError(f"the GPU cannot be put to work: {why}")
