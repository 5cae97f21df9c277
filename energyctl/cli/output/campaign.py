"""A campaign in the terminal: what it will do, with which meters, and what it did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from energyctl.campaign.estimates import estimate_seconds
from energyctl.campaign.rest import seconds_at_the_end
from energyctl.cli.output import plan, tables
from energyctl.cli.output.console import LineConsole
from energyctl.config.plan import Run, SkippedValues
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.meters import describe
from energyctl.results.folder import ResultsFolder
from energyctl.text import count, duration

if TYPE_CHECKING:
    from energyctl.analysis.compare.power import PowerPlan
    from energyctl.campaign.prepare import Campaign

SHOWN_RUNS = 30
"""Rows of a plan, where not all are asked for."""


def show_plan(
    console: LineConsole,
    folder: ResultsFolder,
    settings: Settings,
    registry: Registry,
    runs: Sequence[Run],
    seed: int | None = None,
    most: int = SHOWN_RUNS,
) -> list[float | None]:
    """The plan's table. Returns the seconds that each run will take, by results in *folder*."""
    estimates = estimate_seconds(runs, settings, registry, folder)
    title = f"{settings.experiment_name}: {count(len(runs), 'run')}"
    if blocks := {run.block for run in runs} - {None}:
        title += f" in {count(len(blocks), 'block')}"
    if seed is not None and any(run.mutated or run.training_seed is not None for run in runs):
        title += f", values drawn with seed {seed}"
        title += "" if settings.seed is not None else f" (--seed {seed} repeats them)"
    console.print_line(title)
    plan.show_table(console, runs, estimates, most)
    if len(runs) > most:
        console.print_line(f"… and {len(runs) - most} more; energyctl plan shows all")
    return estimates


def show_nodes_of_blocks(console: LineConsole, runs: Sequence[Run]) -> None:
    """Of a campaign that is for a cluster."""
    if any(run.block is not None for run in runs):
        console.print_line("on a cluster one task, on one node, does all runs of a block")


def show_expected_end(
    console: LineConsole, settings: Settings, estimates: Sequence[float | None]
) -> float | None:
    """When the runs will have ended, one after the other; None where that is not known.

    In Unix seconds.
    """
    known = [seconds for seconds in estimates if seconds is not None]
    if not known or len(known) < len(estimates):
        return None
    total = sum(known) + settings.cooldown_seconds * (len(known) - 1) + seconds_at_the_end(settings)
    ends = time.time() + total
    clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(ends))
    console.print_line(f"about {duration(total)}, until {clock}")
    return ends


def show_power(console: LineConsole, power: PowerPlan) -> None:
    """How many blocks tell a difference, a line for each contrast."""
    source = "the named results" if power.source is None else power.source
    console.print_line(f"how many blocks, by the finished ones of {source}:")
    for sentence in power.sentences():
        console.print_line(f"  {sentence}")
    if len(power.contrasts) > 1:
        number = f"each of {len(power.contrasts)} contrasts with p below {power.alpha:.2g}"
        console.print_line(f"  ({number}: comparing corrects for their number)")


def show_left_out(
    console: LineConsole,
    passed_over: Sequence[SkippedValues],
    runs: Sequence[Run],
    most: int = SHOWN_RUNS,
) -> None:
    """The values, and the runs alone, that are left out because they were run before."""
    lines = tables.passed_over_lines(passed_over, most)
    for line in [*lines, *tables.earlier_lines(runs, time.time(), most)]:
        console.print_line(line)


def show_meters(console: LineConsole, campaign: Campaign) -> None:
    """The meters of the campaign; they are opened for it, and closed."""
    meters, _ = campaign.open_meters()
    try:
        console.print(tables.meters_table(describe(meters)))
    finally:
        for meter in meters:
            meter.close()
