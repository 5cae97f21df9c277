"""The GPUs and CPUs that trainings are placed on: found on this machine, refused, metered."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from energyctl.config.places import VISIBLE, PlacedGpu
from energyctl.config.plan import Run
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.launchers.cpu_list import cpus_of, written
from energyctl.meters.base import HIDDEN
from energyctl.meters.placing import find_gpus

Gpus = Mapping[int | str, PlacedGpu]


def find(runs: Sequence[Run]) -> Gpus:
    """The GPUs of all places, by their names. Raises SettingsError for a GPU or CPU that is not
    there, and MachineError where nobody can tell."""
    if lines := _cpus_missing(runs):
        raise SettingsError(*lines)
    return find_gpus(_names(runs))


def as_named(runs: Sequence[Run]) -> Gpus:
    """The same where the runs are done on other machines."""
    return {name: PlacedGpu(0, str(name)) for name in _names(runs)}


def problems(runs: Sequence[Run]) -> list[str]:
    """A line for each place that this machine does not have."""
    try:
        find(runs)
    except EnergyctlError as error:
        return str(error).splitlines()
    return []


def _names(runs: Sequence[Run]) -> list[int | str]:
    """Each GPU that is named by a place, once."""
    places = [place for run in runs for place in run.places]
    return list(dict.fromkeys(gpu for place in places for gpu in place.gpus or ()))


def _cpus_missing(runs: Sequence[Run]) -> list[str]:
    """A line for each list with CPUs that are offline, or that taskset, a cgroup or Slurm keeps
    from this process."""
    lists = dict.fromkeys(place.cpus for run in runs for place in run.places if place.cpus)
    allowed, lines = os.sched_getaffinity(0), []
    for text in lists:
        if lost := set(cpus_of(text)) - allowed:
            lines.append(
                f'"place": CPU {written(lost)} of {text} is not there, or may not be used here; '
                f"this process may use {written(allowed)}"
            )
    return lines


def metered(
    runs: Sequence[Run], gpus: Sequence[int | str] | None, environ: Mapping[str, str]
) -> Sequence[int | str] | None:
    """The GPUs to meter, by name; None: those that *environ* shows, without it all.

    gpus: of the settings, which win. Else those of all places together; a training without a place
    sees what *environ* shows.
    """
    if gpus is not None:
        return gpus
    places = [place for run in runs for place in run.places]
    shown = environ.get(VISIBLE)
    if all(place.gpus is None for place in places):
        return None
    if all(place.gpus is not None for place in places):
        return _names(runs)
    return None if shown is None else [*_names(runs), *entries(shown)]


def entries(shown: str) -> list[str]:
    """Those of CUDA_VISIBLE_DEVICES, up to the first that hides the rest."""
    found = []
    for entry in map(str.strip, shown.split(",")):
        if not entry or entry in HIDDEN:
            break
        found.append(entry)
    return found
