"""GPUs that trainings are placed on, found by the names that the settings give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.config.places import VISIBLE, PlacedGpu
from energyctl.errors import MachineError, SettingsError
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


def metered(
    names: Sequence[int | str] | None,
    gpus: Sequence[Mapping[str, Any]],
    environ: Mapping[str, str],
) -> set[int] | None:
    """Indices of the GPUs that meters of *names* are for; None: that cannot be told.

    names: None for those that *environ* shows, without it all. gpus: as :func:`gpu_facts` has them,
    which tell of no MIG device.
    """
    shown = environ.get(VISIBLE)
    if any("MIG-" in name for name in (map(str, names) if names is not None else [shown or ""])):
        return None
    if not gpus:
        return None if names else set()
    from energyctl.meters.nvml.selection import VisibleGpu, named, visible

    known = [VisibleGpu(gpu["index"], gpu["uuid"] or "", gpu["name"] or "") for gpu in gpus]
    try:
        if names is not None:
            return set(named(known, names).indices)
    except SettingsError:
        return None
    every = {gpu.index for gpu in known}
    return every if shown is None else set(visible(known, shown).indices)


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
