"""The command ``run``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import completers, options
from energyctl.cli.output.lines import say
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.lock import refuse_if_held
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.campaign.prepare import PreparedCampaign


@click.command()
@click.argument("file", required=False, shell_complete=completers.settings_files)
@options.seed
@options.dry_run
@options.strict
@options.only
@options.results
@options.models
@options.rendered
@options.no_progress
@options.textfile
@options.metrics_port
@click.option(
    "--repo",
    metavar="NAME",
    help="Without FILE: the repository.",
    shell_complete=completers.repositories,
)
@click.option(
    "--model",
    metavar="NAME",
    help="Without FILE: the model to train.",
    shell_complete=completers.models,
)
@click.option(
    "--mutate", metavar="NAME[,NAME]", help="Without FILE: the hyper-parameters to mutate."
)
@click.option(
    "--runs", metavar="N", type=click.IntRange(min=1), help="Without FILE: how many runs to do."
)
@options.values("Without FILE")
@click.option(
    "--beside",
    metavar="REPO/MODEL",
    multiple=True,
    help="Without FILE: run it alone and beside this training, in blocks. Repeatable.",
    shell_complete=completers.trainings,
)
@click.pass_obj
def run(workspace: Workspace, /, file: str | None, **given: Any) -> int:
    """Run every experiment of a settings file.

    Without FILE, train one model: --repo and --model name it. It runs alone; with --beside, alone
    and beside other trainings.
    """
    from energyctl.campaign import prepare
    from energyctl.campaign.training import places
    from energyctl.cli.conduct import agreed_beside_unended, checked_exports, close, conduct
    from energyctl.cli.notice import Notice
    from energyctl.cli.output import campaign as output
    from energyctl.cli.output.console import can_draw, make_console
    from energyctl.cli.output.live import Progress
    from energyctl.cli.result_arguments import results_folder
    from energyctl.integrations.log_to import check_log_to

    prepared = _prepared(workspace, file, given)
    show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None or prepared.whole is None:
        return SettingsError.exit_code
    runs = prepare.runs_to_start(prepared, given["only"], given["strict"])
    exports = checked_exports(workspace, given["textfile"], given["metrics_port"])
    if prepared.settings.search is not None:
        say(f"warning: {prepared.name}: run draws the values; `energyctl search` searches")
    beside = False
    if not given["dry_run"]:
        refuse_if_held()
        beside = agreed_beside_unended()
    settings, plan, whole = prepared.settings, prepared.plan, prepared.whole
    if notice := Notice.of(settings, workspace.root):
        notice.warn()
    folder, console = results_folder(workspace, given["folder"]), make_console()
    estimates = output.show_plan(console, folder, settings, prepared.registry, runs, plan.seed)
    ends = output.show_expected_end(console, settings, estimates)
    output.show_left_out(console, plan.passed_over, runs)
    last, live = whole.runs[-1].index, can_draw() and not given["no_progress"]
    with Progress(console, last, len(runs), live=live, ends=ends) as progress:
        rendered = given["rendered"] and workspace.given(given["rendered"])
        campaign = prepare.campaign_of(prepared, runs, folder, rendered, progress)
        places.find(runs)
        output.show_meters(console, campaign)
        if given["dry_run"]:
            prepare.check(campaign)
            check_log_to(settings)
            console.print_line("dry run: nothing was started")
            return int(prepared.invalid)
        campaign.beside_unended = beside
        outcome = conduct(campaign, progress, exports)
    return close(console, outcome, prepared.invalid, notice)


def _prepared(workspace: Workspace, file: str | None, given: Mapping[str, Any]) -> PreparedCampaign:
    """The settings file, or the one that ``--repo … --model …`` stand for."""
    from energyctl.campaign import prepare
    from energyctl.campaign.training import trial
    from energyctl.config import registry, settings

    models, seed, folder = given["models"], given["seed"], given["folder"]
    inline = [f"--{n}" for n in ("repo", "model", "mutate", "runs") if given[n] is not None]
    inline += ["--set"] * bool(given["values"]) + ["--beside"] * bool(given["beside"])
    if file is not None and inline:
        raise click.UsageError(f"{inline[0]} goes without a settings file")
    if file is not None:
        return prepare.prepare_file(workspace, file, models, seed, folder)
    if not given["repo"] or not given["model"]:
        raise click.UsageError("name a settings file, or --repo R --model M")
    models, folder = (name and workspace.given(name) for name in (models, folder))
    if given["values"]:
        known = registry.read(models or workspace.registry)
        trial.values_of(known, given["repo"], given["model"], given["values"])
    conditions = _conditions(models or workspace.registry, given["beside"])
    text = _inline_settings(given, conditions)
    document = settings.parse(text, "(command line)")
    return prepare.prepare(workspace, document, text, models, seed, folder)


def _conditions(models: Path, beside: Sequence[str]) -> dict[str, Any]:
    """Alone, and beside each of these trainings; none where there are none of them."""
    from energyctl.config import registry
    from energyctl.config.plan.conditions import derived_label
    from energyctl.config.settings import ALONE

    entries = registry.read(models).repositories if beside else {}
    conditions: dict[str, Any] = {ALONE: None} if beside else {}
    for training in beside:
        named = [(repo, model) for repo in entries for model in entries[repo].models]
        found = [pair for pair in named if "/".join(pair) == training]
        if not found:
            raise SettingsError(
                f"--beside {training}: no such training; `energyctl models` lists them"
            )
        if (label := derived_label(found[:1])) in conditions:
            raise click.UsageError(f"--beside {training} is there twice")
        conditions[label] = dict(zip(("repo", "model"), found[0], strict=True))
    return conditions


def _inline_settings(given: Mapping[str, Any], conditions: Mapping[str, Any]) -> str:
    repo, model = given["repo"], given["model"]
    experiment: dict[str, Any] = {"repo": repo, "model": model, "mode": "default"}
    if given["values"]:
        experiment["hyperparameters"] = given["values"]
    if given["mutate"]:
        names = [name.strip() for name in given["mutate"].split(",")]
        experiment |= {"mode": "mutation", "mutate": names}
    if conditions:
        experiment["conditions"] = conditions
    return json.dumps(
        {
            "experiment_name": f"{repo}_{model}",
            "runs_per_config": given["runs"] or 1,
            "experiments": [experiment],
        }
    )
