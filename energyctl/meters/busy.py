"""How long kernels of each process ran on a GPU: what a source adds up, and tells at each look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

BusySource = Literal["accounting", "utilization"]


class BusyProcess(NamedTuple):
    """One process, since it began, or since it was first asked for.

    busy: how long kernels of it ran; with `samples`, in sample periods of the driver, else in
    seconds. samples: how many sample periods it has been there for. running: whether it has a
    context; None: not told. began, ended: Unix seconds; None: not told.
    """

    pid: int
    busy: float
    samples: int | None = None
    running: bool | None = None
    began: float | None = None
    ended: float | None = None


class GpuBusy(NamedTuple):
    """The processes of one GPU that are on it, or have ended since the look before.

    time: time.monotonic(). source: "accounting" loses no sample. period_seconds: between samples;
    None: not told.
    """

    gpu: int
    time: float
    source: BusySource
    processes: Sequence[BusyProcess]
    period_seconds: float | None = None


class Busy(NamedTuple):
    """A look. missing: GPUs that do not tell, with the reason of each."""

    gpus: Sequence[GpuBusy] = ()
    missing: Mapping[int, str] = {}


class DeviceLook(NamedTuple):
    """A GPU as a whole. percent: of its last sample period in which any kernel ran. sm_mhz: the
    clock of its multiprocessors now; None: not told."""

    percent: float
    sm_mhz: float | None = None
