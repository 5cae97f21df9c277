"""GPUs that trainings are placed on, found by the names that the settings give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.config.places import PlacedGpu
from energyctl.errors import MachineError
from energyctl.meters import nvml_module
from energyctl.system.timeouts import DRIVER_SECONDS, CallTimeout, call_within

if TYPE_CHECKING:
    from energyctl.meters.nvml.selection import VisibleGpu


def find_gpus(names: Sequence[int | str]) -> dict[int | str, PlacedGpu]:
    """The GPU of each name, an index or a UUID; of a MIG device: the UUID is its own.

    SettingsError for one that is not there, MachineError where the driver cannot be asked.
    """
    if not names:
        return {}
    if problem := nvml_module.problem():
        raise MachineError(problem)
    try:
        known = call_within(DRIVER_SECONDS, "nvml", lambda: _known(names))
    except CallTimeout as error:
        raise MachineError(f"the NVIDIA driver hangs: {error}") from error
    return {name: _placed(known, name) for name in names}


def _known(names: Sequence[int | str]) -> Sequence[VisibleGpu]:
    """All GPUs, with the MIG devices of *names*; none where there is no driver."""
    import pynvml

    from energyctl.meters.nvml import known_gpus

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return known_gpus([str(name) for name in names])
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _placed(known: Sequence[VisibleGpu], name: int | str) -> PlacedGpu:
    from energyctl.meters.nvml.selection import index_of

    index = index_of(known, name, "place")
    card = next(card for card in known if card.index == index)
    wanted = str(name)
    if wanted.startswith("MIG-"):
        own = [uuid for uuid in card.mig if uuid.startswith(wanted)]
        return PlacedGpu(index, own[0] if len(own) == 1 else wanted)
    return PlacedGpu(index, card.uuid or str(index))
