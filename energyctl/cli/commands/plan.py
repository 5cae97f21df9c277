"""The command ``plan``."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import completers, options
from energyctl.cli.output.lines import show
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count, json_text

if TYPE_CHECKING:
    from energyctl.analysis.compare.power import PowerPlan
    from energyctl.campaign.prepare import PreparedCampaign


@click.command()
@options.settings_file
@options.seed
@options.models
@options.results
@click.option(
    "--power",
    "share",
    metavar="PERCENT",
    callback=options.percentage,
    help="From finished blocks: how many tell a difference in energy of this size, as 5%.",
)
@click.option(
    "--from",
    "sources",
    metavar="RESULTS",
    multiple=True,
    shell_complete=completers.runs_and_campaigns,
    help="With --power: the blocks of these results, folders or campaigns. Repeatable.",
)
@options.as_json
@click.pass_obj
def plan(
    workspace: Workspace,
    file: str,
    seed: int | None,
    models: str | None,
    folder: str | None,
    share: float | None,
    sources: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show the runs that `run` would do, with every value.

    With --power, also how many blocks tell a difference of that size between conditions in 4 of 5
    campaigns. It goes by how much finished blocks differ: those of the newest campaign of that
    name, or of --from.
    The exit code is the one that `run` would begin with.
    """
    from energyctl.campaign.prepare import prepare_file

    if sources and share is None:
        raise click.UsageError("--from goes with --power")
    gc.disable()  # nothing of a plan is garbage; looking for some takes a fifth of the time
    try:
        prepared = prepare_file(workspace, file, models, seed, folder)
        power = None
        if share is not None and prepared.plan is not None:
            from energyctl.cli.finished_blocks import power_plan

            power = power_plan(workspace, prepared, share, sources, folder)
        if as_json:
            _show_json(prepared, power)
        else:
            show_problems(prepared.name, prepared.problems)
            _show(workspace, prepared, folder, power)
    finally:
        gc.enable()
    return SettingsError.exit_code if prepared.plan is None else int(prepared.invalid)


def _show_json(prepared: PreparedCampaign, power: PowerPlan | None) -> None:
    from energyctl.cli.output.plan import json_lines

    if prepared.plan is None:
        click.echo(json_text(_no_plan(prepared)))
        return
    for line in json_lines(prepared.plan, {} if power is None else {"power": power.to_json()}):
        show(line)


def _no_plan(prepared: PreparedCampaign) -> dict[str, Any]:
    wrong = [p.to_json() for p in prepared.problems if p.severity != "warning"]
    warnings = [p.to_json() for p in prepared.problems if p.severity == "warning"]
    return {"runs": [], "problems": wrong, "warnings": warnings, "separators": 0}


def _show(
    workspace: Workspace, prepared: PreparedCampaign, folder: str | None, power: PowerPlan | None
) -> None:
    """Every run, and why trainings could not start here."""
    from energyctl.campaign.training import places, preflight
    from energyctl.campaign.training.invocations import Trainings
    from energyctl.cli.output import campaign
    from energyctl.cli.output.console import make_console
    from energyctl.cli.result_arguments import results_folder
    from energyctl.config.settings import Slurm

    settings, plan, registry = prepared.settings, prepared.plan, prepared.registry
    if settings is None or plan is None:
        return
    console = make_console()
    if settings.search is not None:
        trials = count(settings.search.trials, "trial")
        console.print_line(f"`energyctl search` does {trials} of its own; `run` draws these:")
    results, runs = results_folder(workspace, folder), plan.runs
    estimates = campaign.show_plan(console, results, settings, registry, runs, plan.seed, len(runs))
    if settings.slurm != Slurm():
        campaign.show_nodes_of_blocks(console, runs)
    campaign.show_expected_end(console, settings, estimates)
    campaign.show_left_out(console, plan.passed_over, runs, max(len(plan.passed_over), len(runs)))
    if power is not None:
        campaign.show_power(console, power)
    trainings = Trainings.here(registry, workspace.root, os.environ)
    for problem in [*preflight.check(runs, trainings), *places.problems(runs)]:
        console.print_line(f"not ready: {problem}", "yellow")
