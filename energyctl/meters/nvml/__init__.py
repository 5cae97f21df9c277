"""NVIDIA GPUs through the driver's library (module `pynvml` of nvidia-ml-py)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import pynvml

from energyctl.energy import Domain
from energyctl.meters.acceptance.record import as_accepted
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    OpenRequest,
    ProcessUtilization,
    Reading,
    Source,
    Utilization,
    doubts,
)
from energyctl.meters.busy import Busy, DeviceLook, GpuBusy
from energyctl.meters.gpu_facts import gpu_fact
from energyctl.meters.hwmon.grace import has_modules
from energyctl.meters.hwmon.sensors import devices
from energyctl.meters.nvidia_presence import board_part, evidence
from energyctl.meters.nvml import processes as nvml_processes
from energyctl.meters.nvml.busy import BusySums
from energyctl.meters.nvml.device import Gpu, mig_devices, open_gpu, text
from energyctl.meters.nvml.retries import Patience
from energyctl.meters.nvml.selection import Selection, VisibleGpu, named, visible
from energyctl.meters.self_test import self_test


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

    modules = has_modules(devices(request.hwmon_root))
    return NvmlSource(select, wanted=not request.no_gpu, modules=modules)


class NvmlSource(Source):
    """The GPUs of `select(gpus)`; all of them by default. No driver: `unavailable` says so.

    A GPU that there is, but that does not answer, is a domain that cannot be read: no total is
    without it, unless no GPU is wanted.
    """

    name = "nvml"

    def __init__(
        self,
        select: Callable[[Sequence[VisibleGpu]], Selection] | None = None,
        *,
        wanted: bool = True,
        modules: bool = False,
    ) -> None:
        """select: from the GPUs there are to those that are wanted. modules: whether the kernel
        tells of modules that they are parts of."""
        self.unavailable: str | None = None
        self._gpus: list[Gpu] = []
        self._sums: list[BusySums] = []
        self._others: list[VisibleGpu] = []  # that are not metered
        self._unreadable: tuple[Domain, ...] = ()
        self._started = self._none_known = False
        self._modules = modules
        patience = Patience()
        try:
            patience.ask(pynvml.nvmlInit)
            self._started = True
            self._find(select, patience)
        except pynvml.NVMLError as error:
            reason = self._silence(error)
            self.unavailable = reason or f"no NVIDIA driver (libnvidia-ml.so.1): {error}"
            if wanted:
                self._unreadable = _unreadable(reason)
            if not reason and select is not None:
                select([])
        except BaseException:
            self.close()
            raise
        else:
            if self._none_known and wanted:
                self._unreadable = _unreadable(_silent("there is none"))

    def _silence(self, error: pynvml.NVMLError) -> str | None:
        """Why a GPU cannot be asked; None where nothing shows that there is one."""
        if self._started:
            return f"the NVIDIA driver does not list its GPUs: {error}"
        reason = _silent(str(error))
        if reason is None and error.value != pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return f"the NVIDIA driver does not answer: {error}"
        return reason

    def _find(
        self, select: Callable[[Sequence[VisibleGpu]], Selection] | None, patience: Patience
    ) -> None:
        count = patience.ask(pynvml.nvmlDeviceGetCount)
        known = [_card(index, patience) for index in range(count)]
        selection = Selection([card.index for card in known]) if select is None else select(known)
        self._gpus = [
            open_gpu(index, known[index].uuid, patience, in_module=self._modules)
            for index in selection.indices
        ]
        self._others = [card for card in known if card.index not in selection.indices]
        counters = [gpu for gpu in self._gpus if gpu.domain.quantity == "energy" and gpu.value]
        for gpu, check in zip(counters, self_test(counters), strict=True):
            gpu.judge_counter(check, patience)
        self._gpus = [_as_accepted(gpu) for gpu in self._gpus]
        self._sums = [BusySums(gpu) for gpu in self._gpus]
        self._none_known = not known
        if not known:
            self.unavailable = "the NVIDIA driver reports no GPU"
        elif not self._gpus:
            self.unavailable = "no GPU was asked for (gpus, CUDA_VISIBLE_DEVICES)"
        split = [gpu for gpu in self._gpus if gpu.mig and gpu.domain.missing is None]
        self.warnings = [
            *selection.warnings,
            *(gpu.lesser for gpu in self._gpus if gpu.lesser),
            *(
                line
                for gpu in self._gpus
                for line in doubts(f"GPU {gpu.index} ({gpu.name})", gpu.domain)
            ),
            *(
                f"the counter of {gpu.domain.name} ({gpu.name}) is that of the whole module:"
                " gpu_joules includes the energy of its CPU and memory"
                for gpu in self._gpus
                if gpu.is_module
            ),
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

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        asked = [gpu for gpu in self._gpus if any(d.name in names for d in gpu.domains)]
        return [reading for gpu in asked for reading in gpu.read()]

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

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        return [process for card in self._others for process in nvml_processes.seen_on(card)]

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

    def busy(self) -> Busy:
        if self._unreadable:
            raise NotReported(self.unavailable or "one of the GPUs cannot be read")
        told = list[GpuBusy]()
        missing: dict[int, str] = {}
        for gpu, sums in zip(self._gpus, self._sums, strict=True):
            try:
                told.append(sums.look())
            except NotReported as error:
                missing[gpu.index] = str(error)
        return Busy(told, missing)

    def devices(self) -> Mapping[int, DeviceLook]:
        looks = {gpu.index: gpu.device() for gpu in self._gpus}
        return {index: look for index, look in looks.items() if look is not None}

    def close(self) -> None:
        if self._started:
            self._started = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def _as_accepted(gpu: Gpu) -> Gpu:
    """With what `doctor --accept` found of its counter."""
    if gpu.domain.quantity == "energy" and gpu.domain.missing is None and gpu.uuid:
        gpu.domain = as_accepted(gpu.domain, gpu_fact(pynvml, gpu.index))
    return gpu


def _silent(answer: str) -> str | None:
    """Of a GPU that there is, but that does not answer; None where nothing shows one."""
    seen = evidence()
    return None if seen is None else f"there is a GPU ({seen}), but NVML says: {answer}"


def _unreadable(reason: str | None) -> tuple[Domain, ...]:
    """A domain for GPUs that draw power and cannot be asked, so that no total is without them."""
    if reason is None:
        return ()
    cure = 'if it does not matter, "gpus": [] in the settings leaves it out'
    return (Domain("gpu", "gpu", "nvml", part=board_part(), missing=f"{reason}; {cure}"),)


def known_gpus(names: Sequence[str]) -> Sequence[VisibleGpu]:
    """All GPUs of the driver, which has been started, with those MIG devices of *names* that it
    knows by their UUID alone. Raises NVMLError."""
    patience = Patience()
    count = patience.ask(pynvml.nvmlDeviceGetCount)
    return _with_mig([_card(index, patience) for index in range(count)], names)


def _card(index: int, patience: Patience) -> VisibleGpu:
    try:
        handle = patience.ask(pynvml.nvmlDeviceGetHandleByIndex, index)
    except pynvml.NVMLError:
        return VisibleGpu(index, "")
    mig = tuple(uuid for _, uuid in mig_devices(handle))
    uuid, name = (_said(handle, fact, patience) for fact in ("UUID", "Name"))
    return VisibleGpu(index, uuid, name, mig)


def _said(handle: Any, fact: str, patience: Patience) -> str:
    """nvmlDeviceGetUUID or nvmlDeviceGetName; empty where it is not told."""
    try:
        return text(patience.ask(getattr(pynvml, f"nvmlDeviceGet{fact}"), handle))
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
