"""A load for one GPU: kernels that keep its cores multiplying, or its memory, for a known work.

    python -I -S launchers/gpu_load.py      < commands      > answers

It drives the first GPU that CUDA_VISIBLE_DEVICES shows, through the driver's own library
(libcuda.so.1); the kernels are text that the driver compiles, so no toolkit is needed. KERNEL is
`multiply`, or `copy` (its memory, 256 MiB each pass). A unit of work is what the GPU does in a
millisecond when the load starts. A command is a line:

    run UNITS COUNT PERIOD SHARE    COUNT times UNITS of multiplying, on the SHARE (0 to 1) of its
                                    multiprocessors; their begins lie PERIOD seconds apart, 0: each
                                    follows the one before
    rate KERNEL                     how many passes of a kernel take a millisecond
    keep SECONDS PASSES PERIOD KERNEL    for SECONDS kernels of so many PASSES, begun as by `run`

Each answer is a line of JSON. Times are seconds of the monotonic clock, one for all processes:

    {"ready": NAME}                 once, waiting for commands
    {"began": T, "ended": T, "passes": N}    right before the first launch, right after the last
                                    kernel's end; the passes of all kernels between
    {"passes": N}                   to `rate`
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
from typing import NamedTuple

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))

from energyctl.launchers import subreaper
from energyctl.launchers.cuda_driver import CudaError, Driver

THREADS = 1024  # of a block: one of them fills a multiprocessor
CHAINS, ROUNDS = 8, 8
# A kernel is no longer than this: a GPU with a screen ends those that take seconds.
LONGEST_UNITS = 250.0
WARM_SECONDS, MEASURED_SECONDS = 0.5, 0.1
FIRST_PASSES = {"multiply": 1000, "copy": 10}
UNIT_SECONDS = 0.001
MULTIPROCESSOR_COUNT = 16  # cuda.h: CUdevice_attribute
COPIED_BYTES = 256 * 2**20  # of a pass: more than any cache holds

# PTX ISA 6.0 for Maxwell and later: a driver compiles it for whatever GPU it has. What is computed
# goes to memory at the end, since nothing else keeps it from being left out.
MULTIPLY = "\n".join(
    f"    fma.rn.f32 %f{chain}, %f{chain}, 0f3F7FFFFE, 0f3A83126F;"
    for _ in range(ROUNDS)
    for chain in range(CHAINS)
)
START = "\n".join(f"    cvt.rn.f32.u32 %f{chain}, %r1;" for chain in range(CHAINS))
SUM = "\n".join(f"    add.rn.f32 %f0, %f0, %f{chain};" for chain in range(1, CHAINS))
KERNELS = f""".version 6.0
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
.visible .entry copy(.param .u64 buffer, .param .u32 passes)
{{
    .reg .b32 %r<10>;
    .reg .b64 %rd<7>;
    .reg .pred %p<3>;
    ld.param.u64 %rd1, [buffer];
    ld.param.u32 %r1, [passes];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.u32 %r4, %r2, %r3, %r4;
    mov.u32 %r2, %nctaid.x;
    mul.lo.u32 %r2, %r2, %r3;
    mul.wide.u32 %rd3, %r4, 16;
    mul.wide.u32 %rd4, %r2, 16;
pass:
    mov.u64 %rd5, %rd3;
next:
    setp.ge.u64 %p1, %rd5, {COPIED_BYTES};
    @%p1 bra done;
    add.u64 %rd6, %rd2, %rd5;
    ld.global.v4.u32 {{%r6, %r7, %r8, %r9}}, [%rd6];
    st.global.v4.u32 [%rd6+{COPIED_BYTES}], {{%r6, %r7, %r8, %r9}};
    add.u64 %rd5, %rd5, %rd4;
    bra next;
done:
    sub.u32 %r1, %r1, 1;
    setp.ne.u32 %p2, %r1, 0;
    @%p2 bra pass;
    ret;
}}
"""


class Kernel(NamedTuple):
    """blocks: of all multiprocessors, for each; bytes: of the memory that it gets."""

    blocks: int
    bytes: int


SORTS = {"multiply": Kernel(1, 4), "copy": Kernel(2, 2 * COPIED_BYTES)}


class NoLoad(Exception):
    """No such load can be made; the text says why."""


class Gpu:
    """The GPU with the kernels on it. Methods raise CudaError."""

    def __init__(self) -> None:
        self._driver = Driver()
        device, context = self._driver.hold(0, waits_idle=True)
        self.name = self._driver.name(device)
        processors, self._module = ctypes.c_int(), ctypes.c_void_p()
        call = self._driver.call
        call("cuDeviceGetAttribute", ctypes.byref(processors), MULTIPROCESSOR_COUNT, device)
        self._processors = processors.value
        call("cuCtxSetCurrent", context)
        call("cuModuleLoadData", ctypes.byref(self._module), KERNELS.encode())
        self._loaded: dict[str, tuple[ctypes.c_void_p, ctypes.c_uint64]] = {}
        self._rates: dict[str, float] = {}

    def launch(self, name: str, passes: int, share: float = 1.0) -> None:
        """Runs a kernel once, on a share of the multiprocessors, and waits for its end."""
        function, memory = self._load(name)
        blocks = max(1, round(share * self._processors * SORTS[name].blocks))
        count = ctypes.c_uint32(max(1, passes))
        parameters = (ctypes.c_void_p * 2)(ctypes.addressof(memory), ctypes.addressof(count))
        call = self._driver.call
        call("cuLaunchKernel", function, blocks, 1, 1, THREADS, 1, 1, 0, None, parameters, None)
        call("cuCtxSynchronize")

    def _load(self, name: str) -> tuple[ctypes.c_void_p, ctypes.c_uint64]:
        if name not in self._loaded:
            function, memory, call = ctypes.c_void_p(), ctypes.c_uint64(), self._driver.call
            call("cuModuleGetFunction", ctypes.byref(function), self._module, name.encode())
            call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(SORTS[name].bytes))
            self._loaded[name] = function, memory
        return self._loaded[name]

    def passes_per_unit(self, name: str) -> float:
        """Once it is warm: so many of a kernel's passes take a millisecond."""
        if name not in self._rates:
            self._rates[name] = self._measured(name)
        return self._rates[name]

    def _measured(self, name: str) -> float:
        passes, until = FIRST_PASSES[name], time.monotonic() + WARM_SECONDS
        while True:
            began = time.monotonic()
            self.launch(name, passes)
            ended = time.monotonic()
            if ended - began < MEASURED_SECONDS / 2:
                passes *= 2
            elif ended >= until:
                return passes * UNIT_SECONDS / (ended - began)


def carry_out(gpu: Gpu, line: str) -> dict[str, float]:
    """The answer to one command."""
    word, *rest = line.split() or [""]
    try:
        if word == "run" and len(rest) == 4:
            return _run(gpu, float(rest[0]), int(rest[1]), float(rest[2]), float(rest[3]))
        if word == "rate" and len(rest) == 1:
            return {"passes": gpu.passes_per_unit(_known(rest[0]))}
        if word == "keep" and len(rest) == 4:
            return _keep(gpu, float(rest[0]), int(rest[1]), float(rest[2]), _known(rest[3]))
    except ValueError:
        pass
    raise NoLoad(f"no such command: {line.strip()!r}")


def _known(kernel: str) -> str:
    if kernel not in SORTS:
        raise ValueError(kernel)
    return kernel


def _run(gpu: Gpu, work: float, times: int, apart: float, share: float) -> dict[str, float]:
    if not (work > 0 and times >= 1 and apart >= 0 and 0 < share <= 1):
        raise ValueError
    rate = gpu.passes_per_unit("multiply")
    began, done = time.monotonic(), 0
    for index in range(times):
        time.sleep(max(0.0, began + index * apart - time.monotonic()))
        left = work
        while left > 0:
            piece = min(left, LONGEST_UNITS)
            gpu.launch("multiply", round(piece * rate), share)
            done += round(piece * rate)
            left -= piece
    return {"began": began, "ended": time.monotonic(), "passes": done}


def _keep(gpu: Gpu, seconds: float, passes: int, apart: float, kernel: str) -> dict[str, float]:
    if not (seconds > 0 and passes >= 1 and apart >= 0):
        raise ValueError
    began, launches = time.monotonic(), 0
    while (due := max(time.monotonic(), began + launches * apart)) < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        gpu.launch(kernel, passes)
        launches += 1
    return {"began": began, "ended": time.monotonic(), "passes": passes * launches}


def answer(fields: dict[str, float] | dict[str, str]) -> None:
    print(json.dumps(fields), flush=True)


def main() -> int:
    subreaper.prctl(subreaper.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        gpu = Gpu()
        gpu.passes_per_unit("multiply")
        answer({"ready": gpu.name})
        for line in sys.stdin:
            answer(carry_out(gpu, line))
    except (CudaError, NoLoad) as error:
        answer({"failed": str(error)})
        return 1
    except BrokenPipeError:  # nobody waits for it any more
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
