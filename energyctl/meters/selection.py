"""Which GPUs to meter. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.errors import SettingsError

Known = Sequence[tuple[int, str]]  # (index, UUID) of each GPU that there is


def named(known: Known, gpus: Sequence[int | str]) -> list[int]:
    """Indices of the GPUs in `gpus` (indices or UUIDs). SettingsError for one that is not there."""
    return sorted({_one(known, gpu) for gpu in gpus})


def _one(known: Known, gpu: int | str) -> int:
    found = _find(known, str(gpu))
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{index} ({uuid})" if uuid else f"{index}" for index, uuid in known)
    problem = "several GPUs begin with" if found else "there is no GPU"
    raise SettingsError(f'"gpus": {problem} {gpu}; this machine has {there or "none"}')


def visible(known: Known, value: str) -> list[int]:
    """Indices of the GPUs that CUDA_VISIBLE_DEVICES=`value` shows.

    As CUDA does: an empty value shows none, and the first entry that is no GPU ends the list.
    """
    indices: list[int] = []
    for entry in filter(None, map(str.strip, value.split(","))):
        found = _find(known, entry)
        if len(found) != 1:
            break
        indices.append(found[0])
    return sorted(set(indices))


def _find(known: Known, wanted: str) -> list[int]:
    """Indices with this index or beginning of a UUID."""
    if wanted.isdecimal():
        return [index for index, _ in known if index == int(wanted)]
    exact = [index for index, uuid in known if uuid == wanted]
    prefix = [i for i, uuid in known if wanted.startswith("GPU-") and uuid.startswith(wanted)]
    return exact or prefix
