"""AMD Instinct and Radeon GPUs through the driver's library (module `amdsmi`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path

from energyctl.energy import Domain
from energyctl.meters.amd_presence import cards
from energyctl.meters.amdsmi import processes as amd_processes
from energyctl.meters.amdsmi.device import Gpu, open_gpu
from energyctl.meters.amdsmi.known import KnownGpu, known_gpus, module_of, select
from energyctl.meters.amdsmi.library import AmdError, Library
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    OpenRequest,
    Reading,
    Source,
    Utilization,
    doubts,
)
from energyctl.meters.busy import Busy, DeviceLook
from energyctl.meters.makers import beside_nvidia, first_amd_index
from energyctl.meters.self_test import self_test


def open_source(request: OpenRequest) -> AmdSource | None:
    """None where there is no AMD GPU. SettingsError for one in `request.gpus` that is not there."""
    there = cards(request.pci_root)
    if not there:
        return None
    environ = dict(os.environ)
    if beside_nvidia():
        environ.pop("CUDA_VISIBLE_DEVICES", None)
    return AmdSource(
        there,
        lambda known: select(known, request.gpus, environ),
        wanted=request.gpus is None or bool(request.gpus),
        first=first_amd_index(),
        pci_root=request.pci_root,
    )


class AmdSource(Source):
    """The GPUs of `select(known)`.

    Where none of those that the kernel lists can be asked there is a domain that cannot be read: no
    total is without them, unless no GPU is wanted.
    """

    name = "amdsmi"

    def __init__(
        self,
        there: Sequence[str],
        select: Callable[[Sequence[KnownGpu]], Sequence[KnownGpu]],
        *,
        wanted: bool,
        first: int,
        pci_root: Path,
    ) -> None:
        """there: PCI addresses, by the kernel. first: the index of HIP's device 0."""
        self.unavailable: str | None = None
        self._gpus: list[Gpu] = []
        self._others: list[KnownGpu] = []  # that are not metered
        self._unreadable: tuple[Domain, ...] = ()
        self._library: Library | None = None
        if not wanted:
            self.unavailable = "no AMD GPU was asked for (gpus)"
            return
        try:
            self._library = Library()
            known = known_gpus(self._library, pci_root, first)
            if not any(not gpu.integrated for gpu in known):
                raise AmdError("AMD's library lists none: may /dev/kfd and /dev/dri be opened?")
            self._open(self._library, known, select(known))
        except AmdError as error:
            self.unavailable = f"there is an AMD GPU ({there[0]}), but {error}"
            cure = 'if it does not matter, "gpus" in the settings leaves it out'
            missing = f"{self.unavailable}; {cure}"
            self._unreadable = (Domain("gpu", "gpu", "amdsmi", missing=missing),)
        except BaseException:
            self.close()
            raise

    def _open(
        self, library: Library, known: Sequence[KnownGpu], chosen: Sequence[KnownGpu]
    ) -> None:
        self._others = [gpu for gpu in known if gpu not in chosen and not gpu.integrated]
        self._gpus = [open_gpu(library, gpu, module_of(known, gpu)) for gpu in chosen]
        counters = [gpu for gpu in self._gpus if gpu.domain.quantity == "energy" and gpu.value]
        for gpu, check in zip(counters, self_test(counters), strict=True):
            gpu.judge_counter(check)
        self._busy = amd_processes.BusyTimes(library, self._gpus)
        if not self._gpus:
            self.unavailable = "no AMD GPU was asked for (gpus, HIP_VISIBLE_DEVICES)"
        self.warnings = [line for gpu in self._gpus for line in _warnings(gpu)]

    def domains(self) -> Sequence[Domain]:
        return tuple(gpu.domain for gpu in self._gpus) or self._unreadable

    def read(self) -> Sequence[Reading]:
        return [reading for gpu in self._gpus for reading in gpu.read()]

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        asked = [gpu for gpu in self._gpus if gpu.domain.name in names]
        return [reading for gpu in asked for reading in gpu.read()]

    def environment(self) -> Sequence[GpuState]:
        return tuple(gpu.state() for gpu in self._gpus)

    def processes(self) -> Sequence[GpuProcess]:
        found: list[GpuProcess] = []
        reasons = [] if not self._unreadable else [self.unavailable or ""]
        for gpu in self._gpus:
            try:
                found += amd_processes.processes(gpu.library, gpu.known)
            except NotReported as error:
                reasons.append(str(error))
        if reasons:
            raise NotReported("; ".join(reasons), found)
        return found

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        found: list[GpuProcess] = []
        if self._library is None:
            return found
        for gpu in self._others:
            with contextlib.suppress(NotReported):
                found += amd_processes.processes(self._library, gpu)
        return found

    def utilization(self) -> Utilization:
        self._require_gpus()
        return self._busy.utilization() if self._gpus else Utilization()

    def busy(self) -> Busy:
        self._require_gpus()
        return self._busy.look() if self._gpus else Busy()

    def _require_gpus(self) -> None:
        if self._unreadable:
            raise NotReported(self.unavailable or "")

    def devices(self) -> Mapping[int, DeviceLook]:
        looks = {gpu.index: gpu.device() for gpu in self._gpus}
        return {index: look for index, look in looks.items() if look is not None}

    def close(self) -> None:
        library, self._library = self._library, None
        if library is not None:
            library.close()


def _warnings(gpu: Gpu) -> list[str]:
    lines = [*([gpu.lesser] if gpu.lesser else []), *doubts(gpu.label, gpu.domain)]
    if len(gpu.module) > 1 and gpu.known.primary is None:
        parts = ", ".join(map(str, gpu.module))
        lines.append(
            f"the energy of {gpu.domain.name} ({gpu.known.name}) is that of its whole module, GPUs "
            f"{parts}: no source reports that of a part, and all are metered where one is chosen"
        )
    if gpu.domain.name.startswith("module-"):
        lines.append(
            f"the energy of {gpu.domain.name} ({gpu.known.name}) includes its CPU cores and memory:"
            ' where other domains show these, leave them out ("leave_out")'
        )
    return lines
