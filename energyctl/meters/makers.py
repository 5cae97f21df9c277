"""Whose GPUs the settings name: NVIDIA's or AMD's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from energyctl.meters.nvidia_presence import evidence

BESIDE_NVIDIA = 100
"""AMD's GPUs are counted from here on where there are NVIDIA GPUs, too, so that no number is of
two GPUs."""

Names = Sequence[int | str] | None


class Asked(NamedTuple):
    """GPUs as `OpenRequest.gpus` has them: all of them, and those of each maker."""

    all: Names
    nvidia: Names
    amd: Names

    def of(self, source: str) -> Names:
        """What the source of that name is asked for."""
        return {"nvml": self.nvidia, "amdsmi": self.amd}.get(source, self.all)


def beside_nvidia() -> bool:
    """Whether there are NVIDIA GPUs in this machine."""
    return evidence() is not None


def first_amd_index() -> int:
    """Of HIP's device 0."""
    return BESIDE_NVIDIA if beside_nvidia() else 0


def shared_out(gpus: Names, *, amd: bool) -> Asked:
    """amd: whether there are AMD GPUs. Where all are of one maker, so are all names."""
    if not gpus or not amd:
        return Asked(gpus, gpus, gpus)
    of_amd = [gpu for gpu in gpus if _is_amd(str(gpu))] if beside_nvidia() else list(gpus)
    return Asked(gpus, [gpu for gpu in gpus if gpu not in of_amd], of_amd)


def _is_amd(name: str) -> bool:
    """NVIDIA's UUIDs are ``GPU-8f4c2b1e-…`` and ``MIG-…``, HIP's ``GPU-`` and 16 digits."""
    if name.isdecimal():
        return int(name) >= BESIDE_NVIDIA
    return not name.startswith(("GPU-", "MIG-")) or bool(re.fullmatch(r"GPU-[0-9a-fA-F]{16}", name))
