"""The command ``plan``."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import options
from energyctl.cli.output.lines import show
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import json_text

if TYPE_CHECKING:
    from energyctl.campaign.prepare import PreparedCampaign


@click.command()
@options.settings_file
@options.seed
@options.models
@options.results
@options.as_json
@click.pass_obj
def plan(
    workspace: Workspace,
    file: str,
    seed: int | None,
    models: str | None,
    folder: str | None,
    as_json: bool,
) -> int:
    """Show the runs that `run` would do, with every value.

    The exit code is the one that `run` would begin with.
    """
    from energyctl.campaign.prepare import prepare_file

    gc.disable()  # nothing of a plan is garbage; looking for some takes a fifth of the time
    try:
        prepared = prepare_file(workspace, file, models, seed, folder)
        if as_json:
            _show_json(prepared)
        else:
            show_problems(prepared.name, prepared.problems)
            _show(workspace, prepared, folder)
    finally:
        gc.enable()
    return SettingsError.exit_code if prepared.plan is None else int(prepared.invalid)


def _show_json(prepared: PreparedCampaign) -> None:
    from energyctl.cli.output.plan import json_lines

    if prepared.plan is None:
        click.echo(json_text(_no_plan(prepared)))
        return
    for line in json_lines(prepared.plan):
        show(line)


def _no_plan(prepared: PreparedCampaign) -> dict[str, Any]:
    wrong = [p.to_json() for p in prepared.problems if p.severity != "warning"]
    warnings = [p.to_json() for p in prepared.problems if p.severity == "warning"]
    return {"runs": [], "problems": wrong, "warnings": warnings, "separators": 0}


def _show(workspace: Workspace, prepared: PreparedCampaign, folder: str | None) -> None:
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
    results, runs = results_folder(workspace, folder), plan.runs
    estimates = campaign.show_plan(console, results, settings, registry, runs, plan.seed, len(runs))
    if settings.slurm != Slurm():
        campaign.show_nodes_of_blocks(console, runs)
    campaign.show_end(console, settings, estimates)
    campaign.show_passed_over(console, plan.passed_over, len(plan.passed_over))
    trainings = Trainings.here(registry, workspace.root, os.environ)
    for problem in [*preflight.check(runs, trainings), *places.problems(runs)]:
        console.print_line(f"not ready: {problem}", "yellow")
