"""What a result tells of the machine that it is of."""

from __future__ import annotations

from typing import Any

from energyctl import __version__
from energyctl.meters.gpu_facts import amd_gpu_facts, gpu_facts
from energyctl.meters.twins.record import twins_of
from energyctl.system import host


def machine_facts() -> dict[str, Any]:
    """Versions, host, CPUs, governors and GPUs; None where something cannot be had."""
    return {"energyctl": __version__, **host.facts(), "gpus": _gpus()}


def _gpus() -> list[dict[str, Any]] | None:
    """With what `calibrate --twins` found of such GPUs."""
    told = [gpus for gpus in (gpu_facts(), amd_gpu_facts()) if gpus is not None]
    if not told:
        return None
    known = [(gpu, twins_of(gpu)) for gpus in told for gpu in gpus]
    return [gpu if twins is None else {**gpu, "twins": twins} for gpu, twins in known]
