"""The command ``submit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import options
from energyctl.cli.problems import show_problems
from energyctl.errors import MachineError, SettingsError
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.config.settings import Settings, Slurm


@click.command()
@options.settings_file
@options.sbatch
@click.option(
    "--runs-per-task", metavar="N", type=click.IntRange(min=1), help="Do N runs in each task."
)
@click.option(
    "--nodes", metavar="N", type=click.IntRange(min=1), help="Run at most N tasks at once."
)
@options.seed
@options.dry_run
@options.strict
@options.only
@options.results
@options.models
@options.rendered
@click.pass_obj
def submit(workspace: Workspace, /, file: str, **given: Any) -> int:
    """Run the experiments of a settings file on a Slurm cluster.

    Each run, or each block of runs under several conditions, is a task of its own, alone on its
    node. Everything is checked as `run` does;
    --dry-run prints the scripts that sbatch would be given. `status` and `watch` show how it goes,
    `collect` waits for the end, `cancel` ends it, `resume` submits what is missing.
    """
    from energyctl.campaign import earlier, prepare
    from energyctl.cli.output import submission
    from energyctl.cli.output.campaign import show_nodes_of_blocks, show_plan
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.live import Progress
    from energyctl.cli.result_arguments import results_folder
    from energyctl.integrations.log_to import check_log_to
    from energyctl.slurm import submit as slurm

    prepared = prepare.prepare_file(
        workspace, file, given["models"], given["seed"], given["folder"]
    )
    show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None:
        return SettingsError.exit_code
    if earlier.asked_for(prepared.plan.runs):
        raise SettingsError(
            f'{prepared.name}: "references" with "earlier" is for one machine: a task may run on '
            'another node than the run alone; remove "earlier"'
        )
    if prepared.settings.search is not None:
        raise SettingsError(
            f"{prepared.name}: a search runs on one machine, by `energyctl search`; remove "
            '"search" to submit what `run` would do'
        )
    settings, seed = prepared.settings, prepared.plan.seed
    runs = prepare.runs_to_start(prepared, given["only"], given["strict"])
    wanted = _wanted(settings, given)
    folder, console = results_folder(workspace, given["folder"]), make_console()
    rendered = given["rendered"] and workspace.given(given["rendered"])
    with Progress(console, runs[-1].index, len(runs), live=False) as progress:
        campaign = prepare.campaign_of(prepared, runs, folder, rendered, progress)
        prepare.check(campaign, elsewhere=True)
        check_log_to(settings)
    if given["dry_run"]:
        submission.print_scripts(workspace, settings.experiment_name, folder, runs, wanted)
        return int(prepared.invalid)
    slurm.check(workspace, settings.experiment_name, wanted)
    folder.prepare()
    estimates = show_plan(console, folder, settings, prepared.registry, runs, seed)
    show_nodes_of_blocks(console, runs)
    submission.warn_of_time_limit(runs, estimates, settings, wanted)
    submission.warn_of_shared_clones(runs, prepared.registry, wanted)
    facts = slurm.cluster_facts(wanted)
    journal = prepare.new_journal(prepared, runs, folder, rendered, cluster=facts)
    try:
        submissions = slurm.submit(workspace, journal, runs, wanted)
    except MachineError:
        slurm.forget(journal)
        raise
    submission.show_submitted(console, journal, submissions, len(runs), wanted)
    return int(prepared.invalid)


def _wanted(settings: Settings, given: Mapping[str, Any]) -> Slurm:
    """The settings' section `slurm` with the options over it."""
    from energyctl.slurm.arrays import with_options

    options = list(given["sbatch"])
    if given["runs_per_task"] is not None:
        options.append(f"runs_per_task={given['runs_per_task']}")
    if given["nodes"] is not None:
        options.append(f"nodes_at_once={given['nodes']}")
    return with_options(settings.slurm, options)
