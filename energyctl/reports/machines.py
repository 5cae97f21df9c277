"""The machines of a campaign, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from energyctl.nodes import Calibration, Machine
from energyctl.reports.words import duration, energy

NAMES = {
    "cpu": "CPU",
    "gpus": "GPUs",
    "gpu_driver": "driver",
    "gpu_power_limit_watts": "power limit (W)",
    "governors": "governor",
    "constraint": "constraint",
}


def calibration_words(one: Calibration) -> str:
    """``idle 61.2 W; 812.4 ± 1.1 J in 11.9 s; 1.043 ± 0.002 of the first …``."""
    parts = []
    if one.idle_watts is not None:
        parts.append(f"idle {one.idle_watts:.1f} W")
    if one.joules is not None:
        text = energy(one.joules, one.uncertainty_joules, measured=one.measured)
        parts.append(f"{text} in {duration(one.seconds)}")
    if one.factor is not None and one.factor_uncertainty != 0.0:
        band = "" if one.factor_uncertainty is None else f" ± {one.factor_uncertainty:.3f}"
        parts.append(f"{one.factor:.3f}{band} of the first (the band of the meters alone)")
    elif one.no_factor is not None:
        parts.append(f"no factor: {one.no_factor}")
    return "; ".join(parts) or "not known"


def machines_table(machines: Sequence[Machine]) -> Table:
    """A row per machine: what it is, and its calibration where there is one."""
    shown = [name for name in NAMES if any(name in one.facts for one in machines)]
    calibrated = any(one.calibration is not None for one in machines)
    made = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("machine", "runs", *(NAMES[n] for n in shown), *["calibration"] * calibrated):
        made.add_column(name, overflow="fold")
    for one in machines:
        cells = [one.name, str(one.runs), *(one.facts.get(name, "") for name in shown)]
        if calibrated:
            cells.append("" if one.calibration is None else calibration_words(one.calibration))
        made.add_row(*map(Text, cells))
    return made
