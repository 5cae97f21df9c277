"""The command ``resume``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.errors import SettingsError
from energyctl.system.lock import refuse_if_held
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.campaign.journal import Journal
    from energyctl.config.settings import Slurm
    from energyctl.integrations.prometheus import Exports


@click.command()
@options.campaign
@options.results
@options.no_progress
@options.textfile
@options.metrics_port
@options.sbatch
@click.pass_obj
def resume(
    workspace: Workspace,
    campaign: str | None,
    folder: str | None,
    no_progress: bool,
    textfile: str | None,
    metrics_port: int | None,
    sbatch: tuple[str, ...],
) -> int:
    """Go on with a campaign that was interrupted or crashed.

    Without CAMPAIGN, it takes the newest. On a cluster, it submits what is neither finished nor in
    the queue.
    """
    from energyctl.campaign.journal import find_journal
    from energyctl.cli.conduct import checked_exports
    from energyctl.cli.result_arguments import results_folder

    journal = find_journal(results_folder(workspace, folder), campaign)
    if journal.cluster is not None:
        if textfile is not None or metrics_port is not None:
            raise click.UsageError(
                "metrics of a campaign on a cluster are asked for in templates/sbatch.j2"
            )
        return _submit_missing(workspace, journal, sbatch)
    if sbatch:
        raise click.UsageError(f"--sbatch: {journal.name} runs on one machine, not on a cluster")
    exports = checked_exports(workspace, textfile, metrics_port)
    return _go_on(workspace, journal, no_progress, exports)


def _go_on(workspace: Workspace, journal: Journal, plain: bool, exports: Exports | None) -> int:
    from energyctl.campaign.campaign import of_journal, tidy
    from energyctl.cli.conduct import agreed_beside_unended, close, conduct
    from energyctl.cli.notice import Notice
    from energyctl.cli.output import campaign as output
    from energyctl.cli.output.console import can_draw, make_console
    from energyctl.cli.output.live import Progress
    from energyctl.search.trial_source import go_on

    refuse_if_held()
    beside = agreed_beside_unended()
    console, outcome, notice = make_console(), None, None
    with Progress(console, 0, 0, live=can_draw() and not plain) as progress:
        campaign, runs = of_journal(workspace, journal, progress)
        total, done = len(runs), len(runs) - len(campaign.runs)
        if search := go_on(campaign, journal):
            total = search.total
        left, settings = campaign.runs, campaign.settings
        console.print_line(f"{journal.name}: {done} of {total} runs are finished")
        if left:
            progress.last, progress.planned = runs[-1].index, len(left)
            if search is not None:
                progress.last, progress.planned = total, total - done
            folder, registry = journal.folder, campaign.registry
            estimates = output.show_plan(console, folder, settings, registry, left)
            later = estimates[-1:] * (total - done - len(left))  # trials that are not planned yet
            progress.ends = output.show_expected_end(console, settings, [*estimates, *later])
            campaign.beside_unended = beside
            if notice := Notice.of(settings, workspace.root):
                notice.warn()
            outcome = conduct(campaign, progress, exports)
        else:
            tidy(workspace, progress)
    failed = not journal.succeeded()
    if outcome is not None:
        return close(console, outcome, failed, notice)
    console.print_line("nothing is left to run")
    return int(failed)


def _submit_missing(workspace: Workspace, journal: Journal, given: Sequence[str]) -> int:
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.submission import show_submitted
    from energyctl.slurm import commands, finish, submit
    from energyctl.slurm.arrays import with_options
    from energyctl.text import count

    def changed(wanted: Slurm) -> Slurm:
        options = with_options(wanted, given)
        if options.runs_per_task != wanted.runs_per_task:
            raise SettingsError(
                "--sbatch runs_per_task: tasks keep their runs from the first submit"
            )
        return options

    commands.require()
    console = make_console()
    notes, runs, queue, submissions = finish.submit_missing(workspace, journal, changed)
    for line in notes:
        console.print_line(line)
    done, total = len(journal.finished()), len(journal.runs())
    waiting = f", {count(len(queue), 'task')} in the queue" if queue else ""
    console.print_line(f"{journal.name}: {done} of {total} runs are finished{waiting}")
    if submissions:
        wanted = submit.options_of(journal)
        show_submitted(console, journal, submissions, len(runs), wanted)
        return 0
    console.print_line("nothing is left to submit")
    return 0 if queue else int(not journal.succeeded())
