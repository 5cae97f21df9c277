"""The command ``search``."""

from __future__ import annotations

from functools import partial

import click

from energyctl.cli import options
from energyctl.cli.problems import show_problems
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.system.lock import refuse_if_held
from energyctl.system.workspace import Workspace


@click.command()
@options.settings_file
@options.seed
@options.dry_run
@options.strict
@options.results
@options.models
@options.rendered
@options.no_progress
@options.textfile
@options.metrics_port
@click.pass_obj
def search(
    workspace: Workspace,
    file: str,
    seed: int | None,
    dry_run: bool,
    strict: bool,
    folder: str | None,
    models: str | None,
    rendered: str | None,
    no_progress: bool,
    textfile: str | None,
    metrics_port: int | None,
) -> int:
    """Search hyper-parameters for less energy and a better metric.

    Optuna proposes the values of each trial by the trials before it. A trial is measured as a run
    is. The section "search" of FILE says what is looked for. `energyctl resume` goes on with a
    search.
    """
    from energyctl.campaign import prepare
    from energyctl.campaign.training import places
    from energyctl.cli.conduct import agreed_beside_unended, checked_exports, close, conduct
    from energyctl.cli.notice import Notice
    from energyctl.cli.output import campaign as output
    from energyctl.cli.output import search as shown
    from energyctl.cli.output.console import can_draw, make_console
    from energyctl.cli.output.live import Progress
    from energyctl.cli.result_arguments import results_folder
    from energyctl.integrations.log_to import check_log_to
    from energyctl.search.trial_source import require_optuna, source_of

    prepared = prepare.prepare_file(workspace, file, models, seed, folder)
    show_problems(prepared.name, prepared.problems)
    settings, plan = prepared.settings, prepared.plan
    if settings is None or plan is None:
        return SettingsError.exit_code
    if settings.search is None:
        raise SettingsError(f'{prepared.name}: no "search" in it says what to look for')
    if prepared.invalid and strict:
        raise SettingsError(f"{prepared.name}: nothing was started (--strict)")
    if not settings.experiments or prepared.invalid:
        raise EnergyctlError(f"{prepared.name}: its experiment is not valid, nothing was started")
    require_optuna(settings)
    exports = checked_exports(workspace, textfile, metrics_port)
    beside = False
    if not dry_run:
        refuse_if_held()
        beside = agreed_beside_unended()
    if notice := Notice.of(settings, workspace.root):
        notice.warn()
    results, console = results_folder(workspace, folder), make_console()
    with Progress(console, 0, 0, live=can_draw() and not no_progress) as progress:
        source = source_of(settings, prepared.registry, plan.seed, progress)
        runs = source.first_runs()
        progress.last = progress.planned = source.total
        progress.ends = shown.show_search(console, results, settings, prepared.registry, source)
        entries = workspace.given(rendered) if rendered else None
        campaign = prepare.campaign_of(prepared, runs, results, entries, progress)
        found = source.objectives.to_json(source.total)
        campaign.trials = source
        campaign.journal = partial(
            prepare.new_journal, prepared, [*runs], results, entries, search=found
        )
        places.find(runs)
        output.show_meters(console, campaign)
        if dry_run:
            prepare.check(campaign)
            check_log_to(settings)
            console.print_line("dry run: nothing was started")
            return 0
        campaign.beside_unended = beside
        outcome = conduct(campaign, progress, exports)
    return close(console, outcome, prepared.invalid, notice)
