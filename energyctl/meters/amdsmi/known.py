"""The AMD GPUs that there are, numbered as HIP counts them, and which of them to meter."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from energyctl.errors import SettingsError
from energyctl.meters.amd_presence import is_integrated
from energyctl.meters.amdsmi.library import AmdError, Library, number
from energyctl.meters.base import HIDDEN

DUAL_DIE = ("0x7408", "0x740c")
"""PCI device ids of MI250X and MI250 (pci.ids), each of two dies that are a GPU each."""

# Of amdsmi_get_power_info; most GPUs have one of both (MI300: current, MI200: average).
CURRENT, AVERAGE = "current_socket_power", "average_socket_power"


@dataclass(frozen=True)
class KnownGpu:
    """index: as HIP counts (on a machine with NVIDIA GPUs: from 100 on). address: on the PCI bus.
    hip_uuid: by which ROCR_VISIBLE_DEVICES names it. node: of the kernel's KFD topology. partition:
    of an MI300 that is split. Empty or None: not told. primary: of the second die of an MI250, or a
    later partition: the index of the first one, whose energy and power are of the whole module.
    integrated: it is a part of a CPU, whose energy has its own.
    """

    index: int
    handle: Any
    address: str
    uuid: str = ""
    hip_uuid: str = ""
    name: str = "AMD GPU"
    device: str = ""
    hip_id: float | None = None
    node: float | None = None
    partition: float | None = None
    primary: int | None = None
    integrated: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.address, self.uuid, self.hip_uuid) if name)


def known_gpus(library: Library, pci_root: Path, first: int) -> list[KnownGpu]:
    """All of them, by index. first: that of HIP's device 0. Raises AmdError."""
    handles = library.ask("amdsmi_get_processor_handles")
    gpus = _numbered([_described(library, handle, pci_root) for handle in handles], first)
    return _in_modules(library, gpus)


def _described(library: Library, handle: Any, pci_root: Path) -> KnownGpu:
    def told(function: str) -> Any:
        with contextlib.suppress(AmdError):
            return library.ask(function, handle)
        return None

    asic = told("amdsmi_get_gpu_asic_info") or {}
    hip = told("amdsmi_get_gpu_enumeration_info") or {}  # since ROCm 6.4
    kfd = told("amdsmi_get_gpu_kfd_info") or {}
    name = asic.get("market_name")
    address = told("amdsmi_get_gpu_device_bdf") or ""
    return KnownGpu(
        index=0,
        handle=handle,
        address=address,
        uuid=told("amdsmi_get_gpu_device_uuid") or "",
        hip_uuid=hip.get("hip_uuid") or "",
        name="AMD GPU" if name in (None, "", "N/A") else name,
        device=str(asic.get("device_id", "")).lower(),
        hip_id=number(hip.get("hip_id")),
        node=number(kfd.get("node_id")),
        partition=number(kfd.get("current_partition_id")),
        integrated=bool(address) and is_integrated(pci_root / address),
    )


def _numbered(gpus: Sequence[KnownGpu], first: int) -> list[KnownGpu]:
    """By HIP's own numbers, else by the KFD's nodes, whose order HIP follows; the library lists
    them by PCI address."""
    ids = [gpu.hip_id for gpu in gpus]
    if None not in ids and len(set(ids)) == len(ids):
        numbered = [replace(gpu, index=first + int(gpu.hip_id or 0)) for gpu in gpus]
        return sorted(numbered, key=lambda gpu: gpu.index)
    in_order = sorted(gpus, key=lambda gpu: (inf if gpu.node is None else gpu.node, gpu.address))
    return [replace(gpu, index=index) for index, gpu in enumerate(in_order, first)]


def _in_modules(library: Library, gpus: Sequence[KnownGpu]) -> list[KnownGpu]:
    """*gpus*, those that share their figures of energy with another one by its index."""
    primaries = _of_partitions(gpus) | _of_second_dies(library, gpus)
    return [replace(gpu, primary=primaries.get(gpu.index)) for gpu in gpus]


def _of_partitions(gpus: Sequence[KnownGpu]) -> dict[int, int]:
    """Each is a function of one PCI device, and tells the power of all (AMD SMI documentation,
    "GPU partitioning"; seen in github.com/ROCm/legacy-rocm-build issue 4750)."""
    firsts = {_slot(gpu): gpu.index for gpu in reversed(gpus) if not gpu.partition}
    return {g.index: firsts[_slot(g)] for g in gpus if g.partition and _slot(g) in firsts}


def _slot(gpu: KnownGpu) -> str:
    return gpu.address.rpartition(".")[0]


def _of_second_dies(library: Library, gpus: Sequence[KnownGpu]) -> dict[int, int]:
    """The driver tells energy and power of both dies of an MI250 at the first, and 0 at the second
    (Linux, aldebaran_ppt.c; AMD's rocm_smi.py says "Secondary die" where all power readings are 0).
    The two are neighbours on the bus."""
    on_bus = sorted((gpu for gpu in gpus if gpu.device in DUAL_DIE), key=lambda gpu: gpu.address)
    silent = {gpu.index for gpu in on_bus if not _draws(library, gpu)}
    primaries = dict[int, int]()
    for place, gpu in enumerate(on_bus):
        beside = [g.index for g in (*on_bus[place - 1 : place], *on_bus[place + 1 : place + 2])]
        free = [i for i in beside if i not in silent and i not in primaries.values()]
        if gpu.index in silent and free:
            primaries[gpu.index] = free[0]
    return primaries


def _draws(library: Library, gpu: KnownGpu) -> bool:
    """Whether it tells any energy or power of its own."""
    with contextlib.suppress(AmdError):
        if energy_units(library.ask("amdsmi_get_energy_count", gpu.handle)):
            return True
    with contextlib.suppress(AmdError):
        power = library.ask("amdsmi_get_power_info", gpu.handle)
        return any(number(power.get(key)) for key in (CURRENT, AVERAGE))
    return False


def energy_units(count: Mapping[str, Any]) -> int:
    """Of amdsmi_get_energy_count; the key was another one before ROCm 6.2.1."""
    units = count.get("energy_accumulator", count.get("power"))
    return 0 if units in (None, "N/A", 2**64 - 1) else int(units)


def select(
    known: Sequence[KnownGpu], gpus: Sequence[int | str] | None, environ: Mapping[str, str]
) -> list[KnownGpu]:
    """The GPUs of *gpus*; None: those that *environ* shows to HIP. All of a module where a part of
    it is meant. SettingsError for one that is not there."""
    if gpus is not None:
        wanted = {_named(known, gpu).index for gpu in gpus}
    else:
        wanted = {gpu.index for gpu in visible(known, environ)}
    apart = [gpu for gpu in known if not gpu.integrated]
    return [gpu for gpu in apart if wanted & set(module_of(known, gpu))]


def module_of(known: Sequence[KnownGpu], gpu: KnownGpu) -> list[int]:
    """Indices of the GPUs that share one figure of energy with it, itself included."""
    first = gpu.index if gpu.primary is None else gpu.primary
    return [one.index for one in known if first in (one.index, one.primary)]


def _named(known: Sequence[KnownGpu], name: int | str) -> KnownGpu:
    found = _find(known, str(name))
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{gpu.index} ({' '.join(gpu.names)})" for gpu in known)
    problem = "several GPUs begin with" if found else "there is no GPU"
    raise SettingsError(f'"gpus": {problem} {name}; this machine has {there or "none"}')


def _find(known: Sequence[KnownGpu], name: str) -> list[KnownGpu]:
    if name.isdecimal():
        return [gpu for gpu in known if gpu.index == int(name)]
    return [gpu for gpu in known if any(own.startswith(name) for own in gpu.names if name)]


def visible(known: Sequence[KnownGpu], environ: Mapping[str, str]) -> list[KnownGpu]:
    """Those that ROCR_VISIBLE_DEVICES shows, of them those of HIP_VISIBLE_DEVICES, else of
    CUDA_VISIBLE_DEVICES (ROCm documentation, "GPU isolation techniques"): numbers count what is
    left by the one before. An entry that is no GPU ends a list."""
    shown = list(known)
    hip = "HIP_VISIBLE_DEVICES" if "HIP_VISIBLE_DEVICES" in environ else "CUDA_VISIBLE_DEVICES"
    for variable in ("ROCR_VISIBLE_DEVICES", hip):
        if variable in environ:
            shown = _listed(shown, environ[variable])
    return shown


def _listed(shown: Sequence[KnownGpu], value: str) -> list[KnownGpu]:
    numbered = [replace(gpu, index=place) for place, gpu in enumerate(shown)]
    chosen = []
    for entry in map(str.strip, value.split(",")):
        found = [] if entry in ("", *HIDDEN) else _find(numbered, entry)
        if len(found) != 1:
            break
        chosen.append(shown[found[0].index])
    return chosen
