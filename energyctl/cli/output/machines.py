"""The machines of a campaign, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from energyctl.analysis.machines import NAMES, Machine, calibration_words


def machines_table(machines: Sequence[Machine]) -> Table:
    """A row per machine: what it is, and its calibration where there is one."""
    shown = [name for name in NAMES if any(name in one.facts for one in machines)]
    calibrated = any(one.calibration is not None for one in machines)
    table = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("machine", "runs", *(NAMES[n] for n in shown), *["calibration"] * calibrated):
        table.add_column(name, overflow="fold")
    for one in machines:
        cells = [one.name, str(one.runs), *(one.facts.get(name, "") for name in shown)]
        if calibrated:
            cells.append("" if one.calibration is None else calibration_words(one.calibration))
        table.add_row(*cells)
    return table
