"""What a result tells of the machine that it is of."""

from __future__ import annotations

from typing import Any

from energyctl import __version__
from energyctl.meters.gpu_facts import gpu_facts
from energyctl.system import host


def machine_facts() -> dict[str, Any]:
    """Versions, host, CPUs, governors and GPUs; None where something cannot be had."""
    return {"energyctl": __version__, **host.facts(), "gpus": gpu_facts()}
