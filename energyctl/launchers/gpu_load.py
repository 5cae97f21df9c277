"""A load for one GPU: a kernel that keeps a share of its cores multiplying, for a known work.

    python -I -S launchers/gpu_load.py      < commands      > answers

It drives the first GPU that CUDA_VISIBLE_DEVICES shows, through the driver's own library
(libcuda.so.1); the kernel is text that the driver compiles, so no toolkit is needed. A unit of work
is what the GPU does in a millisecond when the load starts. A command is a line:

    run UNITS COUNT PERIOD SHARE    COUNT times UNITS of work, on the SHARE (0 to 1) of its
                                    multiprocessors; their begins lie PERIOD seconds apart, 0: each
                                    follows the one before

Each answer is a line of JSON. Times are seconds of the monotonic clock, one for all processes:

    {"ready": NAME}                 once, waiting for commands
    {"began": T, "ended": T}        right before the first launch, right after the last kernel's end
    {"failed": WHY}                 the last answer

It ends with its standard input, and with its parent, whatever becomes of that: what runs on a GPU
ends with its process. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))

from energyctl.launchers import subreaper
from energyctl.launchers.cuda_driver import CudaError, Driver

THREADS = 1024  # of a block: one of them fills a multiprocessor
CHAINS, ROUNDS = 8, 8
# A kernel is no longer than this: a GPU with a screen ends those that take seconds.
LONGEST_UNITS = 250.0
WARM_SECONDS, MEASURED_SECONDS, FIRST_PASSES = 0.5, 0.1, 1000
UNIT_SECONDS = 0.001
MULTIPROCESSOR_COUNT = 16  # cuda.h: CUdevice_attribute

# PTX ISA 6.0 for Maxwell and later: a driver compiles it for whatever GPU it has. What is computed
# goes to memory at the end, since nothing else keeps it from being left out.
MULTIPLY = "\n".join(
    f"    fma.rn.f32 %f{chain}, %f{chain}, 0f3F7FFFFE, 0f3A83126F;"
    for _ in range(ROUNDS)
    for chain in range(CHAINS)
)
START = "\n".join(f"    cvt.rn.f32.u32 %f{chain}, %r1;" for chain in range(CHAINS))
SUM = "\n".join(f"    add.rn.f32 %f0, %f0, %f{chain};" for chain in range(1, CHAINS))
KERNEL = f""".version 6.0
.target sm_50
.address_size 64
.visible .entry multiply(.param .u64 result, .param .u32 passes)
{{
    .reg .f32 %f<{CHAINS}>;
    .reg .b32 %r<3>;
    .reg .b64 %rd<3>;
    .reg .pred %p<2>;
    ld.param.u64 %rd1, [result];
    ld.param.u32 %r2, [passes];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, %tid.x;
{START}
again:
{MULTIPLY}
    sub.u32 %r2, %r2, 1;
    setp.ne.u32 %p1, %r2, 0;
    @%p1 bra again;
{SUM}
    st.global.f32 [%rd2], %f0;
    ret;
}}
"""


class NoLoad(Exception):
    """No such load can be made; the text says why."""


class Gpu:
    """The GPU with the kernel on it. Methods raise CudaError."""

    def __init__(self) -> None:
        self._driver = Driver()
        device, context = self._driver.hold(0, waits_idle=True)
        self.name = self._driver.name(device)
        processors, module = ctypes.c_int(), ctypes.c_void_p()
        call = self._driver.call
        call("cuDeviceGetAttribute", ctypes.byref(processors), MULTIPROCESSOR_COUNT, device)
        self._processors = processors.value
        call("cuCtxSetCurrent", context)
        call("cuModuleLoadData", ctypes.byref(module), KERNEL.encode())
        self._kernel, self._result = ctypes.c_void_p(), ctypes.c_uint64()
        call("cuModuleGetFunction", ctypes.byref(self._kernel), module, b"multiply")
        call("cuMemAlloc_v2", ctypes.byref(self._result), ctypes.c_size_t(4))

    def multiply(self, passes: int, share: float) -> None:
        """Runs the kernel once and waits for its end."""
        blocks = max(1, round(share * self._processors))
        count = ctypes.c_uint32(max(1, passes))
        parameters = (ctypes.c_void_p * 2)(ctypes.addressof(self._result), ctypes.addressof(count))
        call = self._driver.call
        call("cuLaunchKernel", self._kernel, blocks, 1, 1, THREADS, 1, 1, 0, None, parameters, None)
        call("cuCtxSynchronize")

    def passes_per_unit(self) -> float:
        """Once it is warm: so many of the kernel's passes take a millisecond."""
        passes, until = FIRST_PASSES, time.monotonic() + WARM_SECONDS
        while True:
            began = time.monotonic()
            self.multiply(passes, 1.0)
            ended = time.monotonic()
            if ended - began < MEASURED_SECONDS / 2:
                passes *= 2
            elif ended >= until:
                return passes * UNIT_SECONDS / (ended - began)


def carry_out(gpu: Gpu, passes_per_unit: float, line: str) -> dict[str, float]:
    """The answer to one command."""
    try:
        word, units, count, period, share = line.split()
        work, times, apart, part = float(units), int(count), float(period), float(share)
    except ValueError:
        raise NoLoad(f"no such command: {line.strip()!r}") from None
    if word != "run" or work <= 0 or times < 1 or apart < 0 or not 0 < part <= 1:
        raise NoLoad(f"no such command: {line.strip()!r}")
    began = time.monotonic()
    for index in range(times):
        time.sleep(max(0.0, began + index * apart - time.monotonic()))
        left = work
        while left > 0:
            piece = min(left, LONGEST_UNITS)
            gpu.multiply(round(piece * passes_per_unit), part)
            left -= piece
    return {"began": began, "ended": time.monotonic()}


def answer(fields: dict[str, float] | dict[str, str]) -> None:
    print(json.dumps(fields), flush=True)


def main() -> int:
    subreaper.prctl(subreaper.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        gpu = Gpu()
        rate = gpu.passes_per_unit()
        answer({"ready": gpu.name})
        for line in sys.stdin:
            answer(carry_out(gpu, rate, line))
    except (CudaError, NoLoad) as error:
        answer({"failed": str(error)})
        return 1
    except BrokenPipeError:  # nobody waits for it any more
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
