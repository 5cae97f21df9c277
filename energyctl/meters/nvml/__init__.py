"""NVIDIA GPUs through the driver's library (module `pynvml` of nvidia-ml-py)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pynvml

from energyctl.energy import Domain
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    OpenRequest,
    ProcessUtilization,
    Reading,
    Source,
    Utilization,
)
from energyctl.meters.nvml import processes as nvml_processes
from energyctl.meters.nvml.device import Gpu, mig_devices, open_gpu, text
from energyctl.meters.nvml.selection import Selection, VisibleGpu, named, visible


def open_source(request: OpenRequest) -> NvmlSource:
    """SettingsError for a GPU in `request.gpus` that is not there."""
    seen = None if request.gpus is not None else os.environ.get("CUDA_VISIBLE_DEVICES")
    asked = list(request.gpus) if request.gpus is not None else (seen or "").split(",")

    def select(known: Sequence[VisibleGpu]) -> Selection:
        known = _with_mig(known, [str(gpu).strip() for gpu in asked])
        if request.gpus is not None:
            return named(known, request.gpus)
        if seen is not None:
            return visible(known, seen, os.environ.get("CUDA_DEVICE_ORDER"))
        return Selection([card.index for card in known])

    return NvmlSource(select)


class NvmlSource(Source):
    """The GPUs of `select(gpus)`; all of them by default. No driver: `unavailable` says so."""

    name = "nvml"

    def __init__(self, select: Callable[[Sequence[VisibleGpu]], Selection] | None = None) -> None:
        """select: from the GPUs there are to those that are wanted."""
        self.unavailable: str | None = None
        self._gpus: list[Gpu] = []
        self._unreadable: tuple[Domain, ...] = ()
        self._started = False
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.unavailable = f"no NVIDIA driver (libnvidia-ml.so.1): {error}"
            if gpus_evident():
                self._unreadable = _unreadable(f"there is a GPU, but NVML says: {error}")
            if select is not None:
                select([])
            return
        self._started = True
        try:
            self._find(select)
        except pynvml.NVMLError as error:
            self.unavailable = f"the NVIDIA driver does not list its GPUs: {error}"
            self._unreadable = _unreadable(self.unavailable)
        except BaseException:
            self.close()
            raise

    def _find(self, select: Callable[[Sequence[VisibleGpu]], Selection] | None) -> None:
        known = [_card(index) for index in range(pynvml.nvmlDeviceGetCount())]
        selection = Selection([card.index for card in known]) if select is None else select(known)
        self._gpus = [open_gpu(index, known[index].uuid) for index in selection.indices]
        if not known:
            self.unavailable = "the NVIDIA driver reports no GPU"
        elif not self._gpus:
            self.unavailable = "no GPU was asked for (gpus, CUDA_VISIBLE_DEVICES)"
        split = [gpu for gpu in self._gpus if gpu.mig and gpu.domain.missing is None]
        self.warnings = [
            *selection.warnings,
            *(
                f"GPU {gpu.index} ({gpu.name}) is split by MIG: its energy is that of the whole"
                " GPU, all instances together; no source reports that of one instance"
                for gpu in split
            ),
        ]

    def domains(self) -> Sequence[Domain]:
        return tuple(d for gpu in self._gpus for d in gpu.domains) or self._unreadable

    def read(self) -> Sequence[Reading]:
        return [reading for gpu in self._gpus for reading in gpu.read()]

    def environment(self) -> Sequence[GpuState]:
        return tuple(gpu.state() for gpu in self._gpus)

    def processes(self) -> Sequence[GpuProcess]:
        if self._unreadable:
            raise NotReported(self.unavailable or "one of the GPUs cannot be read")
        processes: list[GpuProcess] = []
        reasons = []
        for gpu in self._gpus:
            try:
                processes += nvml_processes.processes(gpu)
            except NotReported as error:
                reasons.append(str(error))
        if reasons:
            raise NotReported("; ".join(reasons), processes)
        return processes

    def utilization(self) -> Utilization:
        if self._unreadable:
            raise NotReported(self.unavailable or "one of the GPUs cannot be read")
        processes: list[ProcessUtilization] = []
        missing: dict[int, str] = {}
        for gpu in self._gpus:
            try:
                processes += nvml_processes.utilization(gpu)
            except NotReported as error:
                missing[gpu.index] = str(error)
        gpus = [gpu.index for gpu in self._gpus if gpu.index not in missing]
        return Utilization(processes, gpus, missing)

    def close(self) -> None:
        if self._started:
            self._started = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def gpus_evident() -> bool:
    """Whether the kernel's NVIDIA driver has a GPU, whatever NVML says.

    Each GPU has a folder below /proc/driver/nvidia/gpus (README of the NVIDIA Linux driver).
    """
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _unreadable(reason: str) -> tuple[Domain, ...]:
    """A domain for GPUs that draw power and cannot be asked, so that no total is without them."""
    return (Domain("gpu", "gpu", "nvml", missing=reason),)


def _card(index: int) -> VisibleGpu:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        return VisibleGpu(index, "")
    mig = tuple(uuid for _, uuid in mig_devices(handle))
    return VisibleGpu(index, _said(handle, "UUID"), _said(handle, "Name"), mig)


def _said(handle: Any, fact: str) -> str:
    """nvmlDeviceGetUUID or nvmlDeviceGetName; empty where it is not told."""
    try:
        return text(getattr(pynvml, f"nvmlDeviceGet{fact}")(handle))
    except pynvml.NVMLError:
        return ""


def _with_mig(known: Sequence[VisibleGpu], asked: Sequence[str]) -> list[VisibleGpu]:
    """*known* with those MIG devices of *asked* that the driver knows by their UUID alone.

    In a container a MIG device may be told without the list of all that its GPU has.
    """
    cards = {card.index: card for card in known}
    for uuid in asked:
        if uuid.startswith("MIG-") and not any(uuid in card.mig for card in cards.values()):
            with contextlib.suppress(pynvml.NVMLError):
                device = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device)
                card = cards.get(pynvml.nvmlDeviceGetIndex(parent))
                if card is not None:
                    cards[card.index] = replace(card, mig=(*card.mig, uuid))
    return list(cards.values())
