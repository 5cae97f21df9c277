"""Tells the user's command (`notify` of the settings) how a campaign ended."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyctl.campaign.journal import Journal
from energyctl.cli.output.lines import say
from energyctl.config.settings import Settings
from energyctl.errors import SettingsError
from energyctl.integrations import notification
from energyctl.integrations.notification import Ending, Status
from energyctl.results.schema import Result
from energyctl.text import first_of, one_line


@dataclass(frozen=True)
class Notice:
    """Whom to tell of a campaign; *root*: its workspace, in which the command is run."""

    command: Sequence[str]
    campaign: str
    root: Path

    @staticmethod
    def of(settings: Settings, root: Path) -> Notice | None:
        """None where nobody is to be told."""
        if settings.notify is None:
            return None
        return Notice(settings.notify, settings.experiment_name, root)

    def warn(self) -> None:
        """Says beforehand where the command is not there."""
        if problem := notification.missing(self.command, self.root):
            say(f"warning: {problem}")

    def tell(
        self,
        status: Status,
        exit_code: int,
        journal: Journal,
        results: Sequence[Result],
        why: Sequence[str] = (),
        speak: Callable[[str], object] = say,
    ) -> None:
        """Runs the command; where it fails there is one warning. why: what ended the campaign."""
        try:
            ending = _ending(self.campaign, status, exit_code, journal, results, why)
            problem = notification.notify(self.command, ending, self.root)
        except Exception as error:  # whatever is in the results: the campaign has ended as it has
            problem = f"notify: nobody was told: {type(error).__name__}: {error}"
        if problem:
            speak(f"warning: {problem}")


def status_of(exit_code: int, *, interrupted: bool = False, paused: bool = False) -> Status:
    if interrupted:
        return "interrupted"
    if paused:
        return "paused"
    return "succeeded" if exit_code == 0 else "failed"


def _ending(
    campaign: str,
    status: Status,
    exit_code: int,
    journal: Journal,
    results: Sequence[Result],
    why: Sequence[str],
) -> Ending:
    """The facts, and a line of them that ends with where to see more."""
    from energyctl.analysis.report.summary import glance
    from energyctl.cli.output.ending import totals
    from energyctl.results.api import of_results

    folder, host = journal.folder.root.absolute(), socket.gethostname()
    seen = glance(of_results(results, folder))
    reason = one_line(first_of(why, 1), 200) if why else None
    parts = [totals(seen) if seen.runs else f"{campaign}: no run has a result"]
    if status in ("interrupted", "paused") or reason:
        parts.append(status if reason is None else f"{status}: {reason}")
    more = shlex.join(["energyctl", "report", str(folder)])
    return Ending(
        text=one_line(f"{'; '.join(parts)} ({host}; {more})", 1000),
        campaign=campaign,
        status=status,
        exit_code=exit_code,
        host=host,
        results=str(folder),
        runs=dict(seen.statuses),
        joules=seen.joules,
        uncertainty_joules=None if seen.joules is None else seen.uncertainty_joules,
        measured=seen.measured if seen.known else None,
        error=reason,
        resume=_resume(journal) if status in ("interrupted", "paused") or reason else None,
    )


def _resume(journal: Journal) -> str | None:
    """None where the journal is gone, too."""
    try:
        return journal.resume_command
    except SettingsError:
        return None
