"""The closing table of ``energyctl import``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from energyctl.cli.output.console import make_table
from energyctl.results.schema import Result
from energyctl.text import duration, energy, energy_unit

_PRESENT = {True: "yes", False: "no", None: "?"}


def import_table(rows: Sequence[tuple[str, Result]]) -> Table:
    """One row a run (state, result): its GPU's energy; and all of them together.

    load: whether the GPU was busy when the foreground began.

    The total is of those runs alone of which both figures are known.
    """
    figures = ("took", "reported", "GPU, corrected", "differs", "load")
    table = make_table("old run", *figures, figures=figures)
    unit = energy_unit(result["imported"]["gpu_joules_reported"] for _, result in rows)
    for state, result in rows:
        table.add_row(*_cells(state, result, unit))
    runs = [result["imported"] for _, result in rows]
    both = [run for run in runs if run["gpu_joules_difference"] is not None]
    if both:
        old = sum(run["gpu_joules_reported"] or 0.0 for run in both)
        difference = sum(run["gpu_joules_difference"] or 0.0 for run in both)
        share = f"{100 * difference / old:+.2f} %" if old else "?"
        old_words, new_words = energy(old, unit=unit), energy(old + difference, unit=unit)
        table.add_section()
        table.add_row(f"{len(both)} of {len(rows)} runs", "", old_words, new_words, share)
    return table


def _cells(state: str, result: Result, unit: str) -> list[str]:
    imported, run_energy = result["imported"], result["energy"]
    assert run_energy is not None  # an imported run has one
    gpu = next(d for d in run_energy["domains"] if d["kind"] == "gpu")
    percent = imported["gpu_difference_percent"]
    return [
        str(imported["experiment_id"]) + " (changed)" * (state == "changed"),
        duration(run_energy["seconds"]),
        energy(imported["gpu_joules_reported"], unit=unit),
        energy(gpu["joules"], gpu["uncertainty_joules"], unit=unit),
        "?" if percent is None else f"{percent:+.2f} %",
        _PRESENT[imported["gpu_presence"]["present_at_start"]],
    ]
