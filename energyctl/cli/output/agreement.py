"""How a campaign that was run again compares with its original, as a table and in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from energyctl.cli.output.console import LineConsole, make_table
from energyctl.integrations.bundle.agreement import Agreement
from energyctl.text import ENERGY_UNITS, UNKNOWN, energy_unit, number, percent

NOTE = (
    "up to: the meters' bands of both, and by Student's t (95 %) the run-to-run spread of the "
    "differences; by chance alone up to 1 row in 20 differs"
)


def show_agreement(console: LineConsole, found: Sequence[Agreement], notes: Sequence[str]) -> None:
    unit = energy_unit([value for one in found for value in (one.original, one.reproduction)])
    table = make_table("training", "condition", "runs", figures=("runs",))
    for side, name in enumerate(("original", "again")):
        estimated = "" if all(one.measured[side] for one in found) else "\nestimated"
        table.add_column(Text(f"{name}\n{unit}{estimated}"), justify="right", no_wrap=True)
    for name in ("differs", "up to", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        time = one.seconds
        table.add_row(
            one.training,
            one.condition,
            str(one.n),
            _energy(one.original, unit),
            _energy(one.reproduction, unit),
            _signed(one.difference),
            UNKNOWN if one.tolerance is None else percent(one.tolerance),
            _signed(None if time is None or not time[0] else time[1] / time[0] - 1),
        )
    console.print(table)
    console.print(NOTE)
    console.print()
    for one in found:
        console.print_line(f"{one.training}, {one.condition}: {one.words}")
    for line in notes:
        console.print_line(f"note: {line}", style="dim")


def _energy(joules: float | None, unit: str) -> str:
    return UNKNOWN if joules is None else number(joules / ENERGY_UNITS[unit])


def _signed(share: float | None) -> str:
    return UNKNOWN if share is None else f"{'-' if share < 0 else '+'}{percent(abs(share))}"
