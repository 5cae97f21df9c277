"""The summary of `energyctl meter` as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.table import Table
from rich.text import Text

from energyctl.cli.output.console import LineConsole, make_table
from energyctl.energy import DomainEnergy, Energy
from energyctl.energy.schema import EpochJson, ToldEnergiesJson
from energyctl.text import count, energy_unit, power, printable
from energyctl.text import energy as energy_words

WIDTH = 120  # of the summary where it goes to no terminal


def summary(
    energy: Energy, told: ToldEnergiesJson, warnings: Sequence[str], stderr: TextIO | None
) -> str:
    """For people: a table of the domains, a line of the epochs where there are some, and the
    warnings; coloured where *stderr* shows it."""
    terminal = stderr is not None and stderr.isatty()
    console = LineConsole(file=stderr, highlight=False, width=None if terminal else WIDTH)
    with console.capture() as captured:
        console.print()
        console.print(energy_table(energy))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    if epochs := told.get("epochs"):
        lines.append(_epochs_line(epochs, energy.measured))
    lines += [printable(f"energyctl: warning: {warning}") for warning in warnings]
    return "\n".join(lines) + "\n"


def _epochs_line(epochs: Sequence[EpochJson], measured: bool) -> str:
    """``3 epochs: 12.30 ± 0.10 J to 14.00 ± 0.10 J each``."""
    counts = [one.get("epochs", 1) for one in epochs]
    line = f" {count(sum(counts), 'epoch')}: "
    known = sorted(
        (joules / of, (one["uncertainty_joules"] or 0.0) / of)
        for one, of in zip(epochs, counts, strict=True)
        if (joules := one["joules"]) is not None
    )
    if not known:
        return f"{line}energy unknown, see the warnings"
    unit = energy_unit([known[-1][0]])
    ends = dict.fromkeys(energy_words(*end, unit=unit) for end in (known[0], known[-1]))
    return line + " to ".join(ends) + " each" * (sum(counts) > 1) + " (estimated)" * (not measured)


def energy_table(energy: Energy) -> Table:
    """One row a domain, and the total. The reasons of what is unknown are among the warnings."""
    figures = ("energy", "mean power")
    table = make_table("domain", *figures, "source", "note", figures=figures)
    table.title, table.title_style = f"energyctl: {energy.seconds:.2f} s", "bold"
    table.title_justify = "left"
    unit = energy_unit([energy.total_joules, *(entry.joules for entry in energy.domains)])
    for entry in energy.domains:
        if entry.domain.in_total or entry.domain.missing is None:
            cells = _figures(entry.joules, entry.uncertainty_joules, energy.seconds, unit)
            style = "yellow" if entry.joules is None or not entry.domain.measured else ""
            notes = Text(", ".join(_notes(entry)))
            table.add_row(
                Text(entry.domain.name), *cells, Text(entry.domain.source), notes, style=style
            )
    table.add_section()
    cells = _figures(energy.total_joules, energy.uncertainty_joules, energy.seconds, unit)
    table.add_row(Text("total"), *cells, "", _note_of_total(energy), style="bold")
    return table


def _figures(
    joules: float | None, uncertainty: float | None, seconds: float, unit: str
) -> tuple[str, str]:
    mean = "" if joules is None or seconds <= 0 else power(joules / seconds)
    return energy_words(joules, uncertainty, unit=unit), mean


def _notes(entry: DomainEnergy) -> list[str]:
    notes = [] if entry.domain.measured else ["estimated"]
    notes += [] if entry.domain.in_total else ["not in the total"]
    if acceptance := entry.domain.acceptance:
        accepted = acceptance.verdict == "accepted"
        notes.append(f"accepted {acceptance.date}" if accepted else "not accepted")
    return notes + (["see the warnings"] if entry.joules is None else [])


def _note_of_total(energy: Energy) -> str:
    if energy.total_joules is None:
        return "see the warnings"
    if energy.measured:
        return ""
    measured = any(d.domain.measured for d in energy.domains if d.domain.in_total)
    return "estimated in part" if measured else "estimated"
