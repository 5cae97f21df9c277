"""Calls of the CUDA driver's own library (libcuda.so.1). Standard library only."""

from __future__ import annotations

import ctypes

LIBRARY = "libcuda.so.1"
SCHED_BLOCKING_SYNC = 4  # cuda.h: CUctx_flags


class CudaError(Exception):
    """The driver cannot do it; the text says why."""


class Driver:
    """The library, opened; it shows the GPUs that CUDA_VISIBLE_DEVICES names. Methods raise
    CudaError."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise CudaError(f"the driver's CUDA library cannot be opened: {error}") from error
        self.call("cuInit", 0)

    def call(self, function: str, *arguments: object) -> None:
        """Calls a function of the library."""
        try:
            code = getattr(self._library, function)(*arguments)
        except AttributeError as error:
            raise CudaError(f"{LIBRARY} has no {function}: the driver is too old") from error
        if code:
            name = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(name))
            raise CudaError(f"{function}: {(name.value or b'error %d' % code).decode()}")

    def count(self) -> int:
        """How many GPUs there are."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def hold(self, index: int, *, waits_idle: bool = False) -> tuple[ctypes.c_int, ctypes.c_void_p]:
        """Holds a context on a GPU, counted from 0, up to the end of the process; the device, and
        its context. waits_idle: whoever waits for the GPU shall not keep a CPU busy; a driver
        older than CUDA 11 has no such flag."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        if waits_idle:
            self.call("cuDevicePrimaryCtxSetFlags_v2", device, SCHED_BLOCKING_SYNC)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        return device, context

    def name(self, device: ctypes.c_int) -> str:
        """What the driver calls a device."""
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, len(name), device)
        return name.value.decode(errors="replace")
