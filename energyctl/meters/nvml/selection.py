"""Which GPUs to meter, of those there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.errors import SettingsError
from energyctl.meters.base import HIDDEN


@dataclass(frozen=True)
class VisibleGpu:
    """A GPU that there is. mig: UUIDs of the MIG devices that it is split into."""

    index: int
    uuid: str
    name: str = ""
    mig: tuple[str, ...] = ()


class Selection(NamedTuple):
    """Indices of GPUs, in NVML's order, and what a reader of their figures should know."""

    indices: list[int]
    warnings: tuple[str, ...] = ()


def named(known: Sequence[VisibleGpu], gpus: Sequence[int | str]) -> Selection:
    """The GPUs in `gpus` (indices or UUIDs; of a MIG device: the GPU that it is a part of).

    SettingsError for one that is not there.
    """
    return Selection(sorted({index_of(known, gpu) for gpu in gpus}))


def index_of(known: Sequence[VisibleGpu], gpu: int | str, field: str = "gpus") -> int:
    """The GPU of that name, which stands in a `field` of the settings. Raises SettingsError."""
    found = _find(known, str(gpu))
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{c.index} ({c.uuid})" if c.uuid else f"{c.index}" for c in known)
    problem = "several GPUs begin with" if found else "there is no GPU"
    raise SettingsError(f'"{field}": {problem} {gpu}; this machine has {there or "none"}')


def visible(known: Sequence[VisibleGpu], value: str, order: str | None = None) -> Selection:
    """The GPUs that CUDA_VISIBLE_DEVICES=`value` shows; order: CUDA_DEVICE_ORDER.

    As CUDA does: an empty value shows none, and the first entry that is no GPU ends the list.
    """
    indices, warnings = set[int](), []
    entries = [entry for entry in map(str.strip, value.split(",")) if entry]
    for entry in entries:
        found = _find(known, entry)
        if len(found) != 1:
            if known and entry not in HIDDEN:
                what = "several GPUs" if found else "no GPU of this machine"
                warnings.append(
                    f"CUDA_VISIBLE_DEVICES={value}: {entry} names {what}:"
                    " CUDA ignores it and all that follows, and so it is metered"
                )
            break
        indices.add(found[0])
    if any(entry.isdecimal() for entry in entries) and order != "PCI_BUS_ID":
        warnings += _other_order(known, value, indices)
    return Selection(sorted(indices), tuple(warnings))


def _other_order(known: Sequence[VisibleGpu], value: str, indices: set[int]) -> list[str]:
    """CUDA counts from its fastest GPU (FASTEST_FIRST, CUDA C++ Programming Guide), NVML by bus.

    It does not matter where all GPUs are of one model, or all or none are chosen.
    """
    names = sorted({card.name for card in known})
    if len(names) < 2 or len(indices) in (0, len(known)):
        return []
    return [
        f"CUDA_VISIBLE_DEVICES={value}: CUDA counts its fastest GPU as 0, the driver counts by PCI"
        f" bus, and this machine has different ones ({', '.join(names)}): the metered GPUs"
        f" ({', '.join(str(i) for i in sorted(indices))}) may not be those that trainings use;"
        " to be sure set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs there or in"
        ' "gpus" of the settings'
    ]


def _find(known: Sequence[VisibleGpu], name: str) -> list[int]:
    """Indices of those with this index or beginning of a UUID, their own or a MIG device's."""
    if name.isdecimal():
        return [card.index for card in known if card.index == int(name)]
    if name.startswith("MIG-GPU-"):  # before driver 470: MIG-<UUID of the GPU>/<gi>/<ci>
        name = name.removeprefix("MIG-").partition("/")[0]
    exact = [card.index for card in known if name in (card.uuid, *card.mig)]
    if exact or not name.startswith(("GPU-", "MIG-")):
        return exact
    return [c.index for c in known if any(u.startswith(name) for u in (c.uuid, *c.mig))]
