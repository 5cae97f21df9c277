"""The closing table of ``energyctl import``."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from energyctl.results.schema import Result
from energyctl.text import duration, energy, energy_unit

_PRESENT = {True: "yes", False: "no", None: "?"}


def import_table(rows: Sequence[tuple[str, Result]]) -> Table:
    """One row a run (state, result): its GPU's energy; and all of them together.

    load: whether the GPU was busy when the foreground began.

    The total is of those runs alone of which both figures are known.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("old run", overflow="fold")
    for name in ("took", "reported", "GPU, corrected", "differs", "load"):
        table.add_column(name, justify="right", no_wrap=True)
    unit = energy_unit(result["imported"]["gpu_joules_reported"] for _, result in rows)
    for state, result in rows:
        table.add_row(*(Text(cell) for cell in _cells(state, result, unit)))
    figures = [(r["imported"], r["imported"]["gpu_joules_difference"]) for _, r in rows]
    both = [(one["gpu_joules_reported"] or 0.0, d) for one, d in figures if d is not None]
    if both:
        old = sum(reported for reported, _ in both)
        difference = sum(difference for _, difference in both)
        share = f"{100 * difference / old:+.2f} %" if old else "?"
        name = f"{len(both)} of {len(rows)} runs"
        table.add_section()
        table.add_row(
            name, "", energy(old, unit=unit), energy(old + difference, unit=unit), share, ""
        )
    return table


def _cells(state: str, result: Result, unit: str) -> list[str]:
    imported, found = result["imported"], result["energy"]
    assert found is not None  # an imported run has one
    gpu = next(d for d in found["domains"] if d["kind"] == "gpu")
    percent = imported["gpu_difference_percent"]
    return [
        str(imported["experiment_id"]) + " (changed)" * (state == "changed"),
        duration(found["seconds"]),
        energy(imported["gpu_joules_reported"], unit=unit),
        energy(gpu["joules"], gpu["uncertainty_joules"], unit=unit),
        "?" if percent is None else f"{percent:+.2f} %",
        _PRESENT[imported["gpu_presence"]["present_at_start"]],
    ]
