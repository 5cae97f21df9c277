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

LIBRARY = "libcuda.so.1"
THREADS = 1024  # of a block: one of them fills a multiprocessor
CHAINS, ROUNDS = 8, 8
# A kernel is no longer than this: a GPU with a screen ends those that take seconds.
LONGEST_UNITS = 250.0
WARM_SECONDS, MEASURED_SECONDS, FIRST_PASSES = 0.5, 0.1, 1000
UNIT_SECONDS = 0.001
# cuda.h: CUdevice_attribute, CUctx_flags.
MULTIPROCESSOR_COUNT, SCHED_BLOCKING_SYNC = 16, 4

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
    """The GPU cannot be put to work; the text says why."""


class Gpu:
    """The GPU with the kernel on it. Methods raise NoLoad."""

    def __init__(self) -> None:
        try:
            self._cuda = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise NoLoad(f"the driver's CUDA library cannot be opened: {error}") from error
        self._call("cuInit", 0)
        device, context, module = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(256)
        self._call("cuDeviceGetName", name, len(name), device)
        self.name = name.value.decode(errors="replace")
        processors = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(processors), MULTIPROCESSOR_COUNT, device)
        self._processors = processors.value
        # Who waits for a kernel shall not keep a CPU busy.
        self._call("cuDevicePrimaryCtxSetFlags_v2", device, SCHED_BLOCKING_SYNC)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuModuleLoadData", ctypes.byref(module), KERNEL.encode())
        self._kernel, self._result = ctypes.c_void_p(), ctypes.c_uint64()
        self._call("cuModuleGetFunction", ctypes.byref(self._kernel), module, b"multiply")
        self._call("cuMemAlloc_v2", ctypes.byref(self._result), ctypes.c_size_t(4))

    def _call(self, function: str, *arguments: object) -> None:
        try:
            code = getattr(self._cuda, function)(*arguments)
        except AttributeError as error:
            raise NoLoad(f"{LIBRARY} has no {function}: the driver is too old") from error
        if code:
            name = ctypes.c_char_p()
            self._cuda.cuGetErrorName(code, ctypes.byref(name))
            raise NoLoad(f"{function}: {(name.value or b'error %d' % code).decode()}")

    def multiply(self, passes: int, share: float) -> None:
        """Runs the kernel once and waits for its end."""
        blocks = max(1, round(share * self._processors))
        count = ctypes.c_uint32(max(1, passes))
        parameters = (ctypes.c_void_p * 2)(ctypes.addressof(self._result), ctypes.addressof(count))
        self._call(
            "cuLaunchKernel", self._kernel, blocks, 1, 1, THREADS, 1, 1, 0, None, parameters, None
        )
        self._call("cuCtxSynchronize")

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
    except NoLoad as error:
        answer({"failed": str(error)})
        return 1
    except BrokenPipeError:  # nobody waits for it any more
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
