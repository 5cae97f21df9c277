"""Does a campaign and shows it: what `run` and `resume` share."""

from __future__ import annotations

import contextlib
import sys

import click

from energyctl.campaign import campaign as campaigns
from energyctl.campaign.campaign import CampaignOutcome
from energyctl.campaign.leftovers import find_unended, refuse_unended
from energyctl.campaign.prepare import Campaign
from energyctl.campaign.status_file import StatusFile
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.ending import show_end
from energyctl.cli.output.lines import say
from energyctl.cli.output.live import Progress
from energyctl.errors import Interrupted
from energyctl.system.user import invoking_user


def agreed_beside_unended() -> bool:
    """Whether the user, asked on a terminal, wants to measure beside what could not be ended.

    False where there is nothing of the kind. Raises MachineError where there is, and no consent.
    """
    user = invoking_user()
    if sys.stdin.isatty() and sys.stderr.isatty() and (left := find_unended(user)):
        for one in left:
            say(one.sentence())
        if click.confirm("measure beside it?", default=False, err=True):
            return True
    refuse_unended(user)
    return False


def conduct(campaign: Campaign, progress: Progress) -> CampaignOutcome:
    """Does the campaign, while *progress* shows it and `status` and `watch` can see it."""
    progress.name, progress.runs = campaign.settings.experiment_name, campaign.runs
    campaign.observer = StatusFile(
        inner=progress,
        path=campaign.runtime / "state.json",
        last=progress.last,
        results=campaign.folder.root,
        ends=progress.expected_end,
    )
    return campaigns.conduct(campaign)


def close(console: LineConsole, outcome: CampaignOutcome, invalid: bool) -> int:
    """What the campaign found, all of its runs together, and the exit code, which a terminal that
    is gone does not change."""
    journal = outcome.journal
    last = [*outcome.paused, f"results: {journal.folder.root}"]
    if outcome.paused:
        last.append(f"go on with: {journal.resume_command}")
    elif outcome.interrupted is not None:
        last.append(f"interrupted; go on with: {journal.resume_command}")
    with contextlib.suppress(OSError):
        known = {one["experiment_id"]: one for one in (*journal.results(), *outcome.results)}
        show_end(console, known.values(), journal.folder.root, last)
    if outcome.interrupted is not None:
        return Interrupted.exit_code
    failed = any(result["status"] != "succeeded" for result in outcome.results)
    return int(failed or invalid or bool(outcome.paused))
