"""``energyctl bundle --reproduce``: a campaign from an archive, and how it compares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from energyctl.campaign.campaign import CampaignOutcome
from energyctl.campaign.journal import Journal
from energyctl.cli.conduct import agreed_beside_unended, close, conduct
from energyctl.cli.output import campaign as output
from energyctl.cli.output.agreement import show_agreement
from energyctl.cli.output.console import can_draw, make_console
from energyctl.cli.output.lines import say, show
from energyctl.cli.output.live import Progress
from energyctl.cli.progress import ProgressBar
from energyctl.cli.result_arguments import results_folder
from energyctl.errors import SettingsError
from energyctl.integrations.bundle import crate
from energyctl.integrations.bundle import reproduce as bundles
from energyctl.integrations.bundle.agreement import agreements, changed_versions, other_machine
from energyctl.integrations.bundle.check import Checked, check
from energyctl.integrations.bundle.reproduce import Reproduction
from energyctl.results import api
from energyctl.results.api import Run
from energyctl.system.lock import refuse_if_held
from energyctl.system.workspace import Workspace


def reproduce(
    workspace: Workspace, path: Path, folder: str | None, agreed: bool, plain: bool
) -> int:
    """0 where every training and condition agrees with its original, else 1."""
    crate.library()
    with ProgressBar("checking files") as steps:
        checked = check(path, steps)
    progress = Progress(make_console(), 0, 0, live=can_draw() and not plain)
    found = bundles.plan(workspace, path, checked, results_folder(workspace, folder), progress)
    campaign = found.campaign
    for line in found.notes:
        say(f"note: {line}")
    if not campaign.runs:
        assert found.earlier is not None
        name = found.earlier.name
        say(f"its runs are finished here, as {name}: compared only (--results DIR for anew)")
        return _compare(checked, found.earlier)
    refuse_if_held()
    bundles.refuse_other_clones(campaign, checked.lock)
    _agree(bundles.commands(campaign), agreed)
    campaign.beside_unended = agreed_beside_unended()
    outcome, code = _run(found, progress)
    if outcome.interrupted is not None or outcome.paused:
        say("once it is finished, the same command compares it with the original")
        return code
    return max(code, _compare(checked, outcome.journal))


def _run(found: Reproduction, progress: Progress) -> tuple[CampaignOutcome, int]:
    """Does the campaign, shows how it ended; with its exit code."""
    campaign, console = found.campaign, make_console()
    runs, settings = campaign.runs, campaign.settings
    estimates = output.show_plan(console, campaign.folder, settings, campaign.registry, runs)
    progress.last, progress.planned = found.planned[-1].index, len(runs)
    progress.ends = output.show_expected_end(console, settings, estimates)
    with progress:
        output.show_meters(console, campaign)
        outcome = conduct(campaign, progress)
    return outcome, close(console, outcome, False)


def _agree(commands: Sequence[str], agreed: bool) -> None:
    """Shows what will be run as the user. Raises SettingsError without their consent."""
    show("this archive runs these commands on this machine, as you:", err=True)
    show(*(f"  {line}" for line in commands), err=True)
    if agreed:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsError("nothing was run: agree to these commands with --yes")
    click.confirm("run them?", default=False, abort=True, err=True)


def _compare(checked: Checked, journal: Journal) -> int:
    done = list(api.of_results(journal.results(), journal.folder.root))
    pairs = bundles.paired(list(checked.runs), done)
    originals: list[Run] = [one for one, _ in pairs]
    again: list[Run] = [one for _, one in pairs]
    elsewhere = other_machine(originals, again)
    found = agreements(pairs, elsewhere)
    notes = changed_versions(originals, again)
    if lacking := len(checked.runs) - len(pairs):
        notes.append(f"{lacking} of the original's runs were not done again")
    show_agreement(make_console(), found, notes)
    return int(not found or any(one.verdict != "agrees" for one in found))
