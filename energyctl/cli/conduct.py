"""Does a campaign and shows it: what `run` and `resume` share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from energyctl.campaign import campaign as campaigns
from energyctl.campaign.campaign import CampaignOutcome
from energyctl.campaign.journal import Journal
from energyctl.campaign.leftovers import find_unended, refuse_unended
from energyctl.campaign.observer import Observer
from energyctl.campaign.prepare import Campaign
from energyctl.campaign.status_file import StatusFile
from energyctl.cli.notice import Notice, status_of
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.ending import show_end
from energyctl.cli.output.lines import say
from energyctl.cli.output.live import Progress
from energyctl.errors import EnergyctlError, Interrupted
from energyctl.integrations.log_to import run_logger
from energyctl.results.schema import Result
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.integrations.prometheus import Exports


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


def checked_exports(
    workspace: Workspace, textfile: str | None, metrics_port: int | None
) -> Exports | None:
    """What ``--textfile`` and ``--metrics-port`` ask for; None: nothing.

    Raises SettingsError or MachineError where that cannot be.
    """
    if textfile is None and metrics_port is None:
        return None
    from energyctl.integrations.prometheus import Exports

    exports = Exports(None if textfile is None else workspace.given(textfile), metrics_port)
    exports.check()
    return exports


@contextlib.contextmanager
def exported(
    observer: Observer, exports: Exports | None, name: str, runs: int
) -> Iterator[Observer]:
    """The observer, and beside it metrics of the campaign *name* and so many runs."""
    if exports is None:
        yield observer
        return
    from energyctl.integrations.prometheus import PrometheusExporter

    with PrometheusExporter(observer, exports, name, runs) as exporter:
        yield exporter


def conduct(
    campaign: Campaign, progress: Progress, exports: Exports | None = None
) -> CampaignOutcome:
    """Does the campaign, while *progress* shows it and `status` and `watch` can see it, *exports*
    have its metrics, and its runs are logged where the settings say `log_to`."""
    settings = campaign.settings
    progress.name, progress.runs = settings.experiment_name, campaign.runs
    with contextlib.ExitStack() as stack:
        logger = stack.enter_context(run_logger(campaign, progress)) if settings.log_to else None
        exporting = exported(logger or progress, exports, progress.name, progress.planned)
        campaign.observer = StatusFile(
            inner=stack.enter_context(exporting),
            path=campaign.runtime / "state.json",
            last=progress.last,
            results=campaign.folder.root,
            ends=progress.expected_end,
        )
        stack.enter_context(_failure_told(campaign, progress))
        outcome = campaigns.conduct(campaign)
        if logger is not None:
            journal = outcome.journal
            logger.end(lambda: journal.finished().values(), patient=outcome.interrupted is None)
        return outcome


@contextlib.contextmanager
def _failure_told(campaign: Campaign, progress: Progress) -> Iterator[None]:
    """An error that ends the campaign once it has begun, which its journal tells, is told to whom
    `notify` names."""
    begun, open_journal = list[Journal](), campaign.journal

    def journal() -> Journal:
        begun.append(open_journal())
        return begun[-1]

    campaign.journal = journal
    try:
        yield
    except BaseException as error:
        notice = Notice.of(campaign.settings, campaign.workspace.root)
        if notice is not None and begun:
            interrupted = isinstance(error, KeyboardInterrupt | Interrupted)
            code = Interrupted.exit_code if interrupted else getattr(error, "exit_code", 1)
            status = status_of(code, interrupted=interrupted)
            why = () if interrupted else (str(error) or type(error).__name__,)
            results = list[Result]()
            with contextlib.suppress(OSError, EnergyctlError):  # they may be gone
                results = begun[-1].results()
            notice.tell(status, code, begun[-1], results, why, progress.say)
        raise


def close(
    console: LineConsole, outcome: CampaignOutcome, invalid: bool, notice: Notice | None = None
) -> int:
    """What the campaign found, all of its runs together, and the exit code, which a terminal that
    is gone does not change, nor whether *notice* could be given."""
    journal, known = outcome.journal, dict[str, Result]()
    last = [*outcome.paused, f"results: {journal.folder.root}"]
    if outcome.paused:
        last.append(f"go on with: {journal.resume_command}")
    elif outcome.interrupted is not None:
        last.append(f"interrupted; go on with: {journal.resume_command}")
    with contextlib.suppress(OSError):
        known = {one["experiment_id"]: one for one in (*journal.results(), *outcome.results)}
        show_end(console, known.values(), journal.folder.root, last)
    failed = any(result["status"] != "succeeded" for result in outcome.results)
    code = int(failed or invalid or bool(outcome.paused))
    if interrupted := outcome.interrupted is not None:
        code = Interrupted.exit_code
    if notice is not None:
        status = status_of(code, interrupted=interrupted, paused=bool(outcome.paused))
        notice.tell(status, code, journal, list(known.values()), outcome.paused)
    return code
