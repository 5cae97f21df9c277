"""The machines of a campaign, in words."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from energyctl.analysis.machines import NAMES, Machine, calibration_words, sentence, spreads
from energyctl.analysis.machines import machines as machines_of
from energyctl.campaign.journal import Journal
from energyctl.cli.output.console import LineConsole
from energyctl.results import calibrations, tables
from energyctl.results.schema import Result


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


def show_machines(console: LineConsole, journal: Journal, results: Sequence[Result]) -> None:
    """What the nodes are, where there are several, and how far they differ."""
    rows = [tables.run_row(tables.Part(dict(result), ""), "") for result in results]
    nodes = machines_of(rows, calibrations.of_campaign(journal.folder.root, journal.name))
    if len(nodes) > 1 or any(node.calibration for node in nodes):
        console.print(machines_table(nodes))
    for spread in spreads(rows):
        console.print_line(sentence(spread))
