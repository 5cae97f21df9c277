"""A search in the terminal: what it will try."""

from __future__ import annotations

import math

from energyctl.analysis.trial_tables import title
from energyctl.campaign.estimates import estimate_seconds
from energyctl.cli.output import plan
from energyctl.cli.output.campaign import show_expected_end
from energyctl.cli.output.console import LineConsole
from energyctl.config.registry import Hyperparameter, Registry
from energyctl.config.settings import Settings
from energyctl.results.folder import ResultsFolder
from energyctl.search.trial_source import TrialSource
from energyctl.text import count, parameter, printable


def show_search(
    console: LineConsole,
    folder: ResultsFolder,
    settings: Settings,
    registry: Registry,
    source: TrialSource,
) -> float | None:
    """What is looked for, where, and the first trial. Returns when all trials will have ended, by
    results in *folder* (Unix seconds); None where that is not known."""
    wanted, space, runs = source.objectives.wanted, source.space, source.shown
    seed = f"seed {space.seed}" + ("" if settings.seed is not None else f" (--seed {space.seed})")
    console.print_line(
        f"{settings.experiment_name}: a search of {count(wanted.trials, 'trial')}, {seed}"
    )
    console.print_line(f"looked for: {title(source.objectives)}")
    console.print_line(f"among: {', '.join(map(_range, space.parameters))}")
    estimates = estimate_seconds(runs, settings, registry, folder)
    console.print_line("the first trial:")
    plan.show_table(console, runs, estimates, len(runs))
    known = [seconds for seconds in estimates if seconds is not None]
    of_trial = estimates[space.warm_up_runs :] * wanted.trials
    ends = show_expected_end(console, settings, [*estimates[: space.warm_up_runs], *of_trial])
    if wanted.budget_hours is not None and len(known) == len(estimates):
        seconds = (
            sum(known[space.warm_up_runs :]) + settings.cooldown_seconds * space.runs_of_a_trial
        )
        fit = min(wanted.trials, math.floor(wanted.budget_hours * 3600 / max(seconds, 1e-3)))
        console.print_line(f"about {count(fit, 'trial')} fit budget_hours")
    if wanted.budget_joules is not None:
        console.print_line("how many trials fit budget_joules is known once some are measured")
    return ends


def _range(one: Hyperparameter) -> str:
    """``lr 0.0001 to 0.1 (log)``, ``optimizer adam or sgd``."""
    if one.choices:
        return printable(f"{one.name} {' or '.join(map(parameter, one.choices))}")
    zero = ", or 0" if one.zero_probability else ""
    log = " (log)" if one.distribution == "log_uniform" else ""
    return f"{one.name} {parameter(one.low)} to {parameter(one.high)}{log}{zero}"
