"""Has the runs of a campaign logged while it goes on, by a process of its own.

The campaign only writes lines into a pipe, and never waits for it while a run goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import energyctl
from energyctl.campaign.observer import Observer, View
from energyctl.campaign.prepare import Campaign
from energyctl.config.settings import LogTo, Settings
from energyctl.config.settings.log_to import Tracker
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.integrations.store import URI_VARIABLES, Target, require
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.system import processes
from energyctl.system.workspace import Workspace
from energyctl.text import count, one_line

START_SECONDS = 120.0
"""For the import of a library, on a machine that does other things, too."""

END_SECONDS = 60.0
"""After the last run the campaign waits so long at most."""

GONE_SECONDS = 5.0
NAMED_RUNS = 5
"""So many results are named in a command; more are those of the folder."""

PROGRAM = Path(energyctl.__file__).with_name("__main__.py")


def target_of(wanted: LogTo | Tracker) -> Target:
    """What `log_to` of the settings means. Raises SettingsError where its library is missing."""
    if isinstance(wanted, str):
        wanted = LogTo(to=wanted)
    target = Target(wanted.to, wanted.uri, wanted.experiment)
    require(target.to)
    return target


def check_log_to(settings: Settings) -> None:
    """Raises SettingsError where the settings ask for a tracker whose library is missing."""
    if missing := missing_tracker(settings):
        raise SettingsError(*missing)


def missing_tracker(settings: Settings) -> list[str]:
    """A line where the library of `log_to` is not installed."""
    try:
        if settings.log_to is not None:
            target_of(settings.log_to)
    except SettingsError as error:
        return [f"log_to: {error}"]
    return []


def run_logger(campaign: Campaign, observer: Observer) -> RunLogger:
    """For a campaign whose settings have `log_to`. Raises SettingsError."""
    check_log_to(campaign.settings)
    assert campaign.settings.log_to is not None
    return RunLogger(
        inner=observer,
        target=target_of(campaign.settings.log_to),
        workspace=campaign.workspace,
        results=campaign.folder.root,
        always=campaign.settings.cooldown_seconds == 0,
    )


@dataclass
class RunLogger:
    """Passes everything on to *inner*, and has finished runs logged. Use as a context manager.

    always: whether runs are logged at once, as the machine never rests.
    """

    inner: Observer
    target: Target
    workspace: Workspace
    results: Path
    always: bool
    logged: set[str] = field(default_factory=set)
    place: str | None = None
    """Where the store is; None before it was opened."""

    _handed: list[str] = field(default_factory=list)
    _refused: list[str] | None = None
    _away: str | None = None
    _over: bool = False
    _phase: str = ""
    _unsent: bytes = b""
    _unread: bytes = b""
    _process: subprocess.Popen[bytes] | None = None

    # -- as an observer ----------------------------------------------------------------------------

    def view(self, view: View) -> None:
        if view.phase != self._phase:
            self._phase = view.phase
            if not self.always:
                self._send({"rest": view.until if view.phase == "cooldown" else 0})
        self.inner.view(view)

    def say(self, text: str) -> None:
        self.inner.say(text)

    def finished(self, index: int, result: Result) -> None:
        self.inner.finished(index, result)
        self._handed.append(str(result["experiment_id"]))
        path = RunFiles.of(self.results, self._handed[-1]).result
        self._send({"run": str(path)})
        self._hear()

    # -- the process -------------------------------------------------------------------------------

    def __enter__(self) -> RunLogger:
        """Starts the process, and waits until it is ready. Raises SettingsError where it never
        will be."""
        command = [sys.executable, str(PROGRAM), "-C", str(self.workspace.root), "log-follow"]
        command += ["--to", self.target.to, "--results", str(self.results)]
        command += ["--experiment", self.target.experiment] if self.target.experiment else []
        # A URI may hold a password, and anybody on the machine can read a command's words.
        uri = {URI_VARIABLES[self.target.to]: self.target.uri} if self.target.uri else {}
        process = self._process = subprocess.Popen(
            command,
            env={**os.environ, **uri},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the campaign's
            preexec_fn=processes.with_parent(signal.SIGTERM),
        )
        processes.own(process.pid)
        for stream in self._streams():
            os.set_blocking(stream, False)
        if self.always:
            self._send({"rest": None})
        try:
            self._wait(START_SECONDS, lambda: self.place is not None or self._refused is not None)
            if self._refused is not None:
                raise SettingsError(*self._refused)
        except BaseException:
            self._stop()
            raise
        if self.place is None and not self._over:
            self._lost("it is not ready")
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop()

    def end(self, earlier: Callable[[], Iterable[str]] = tuple, *, patient: bool) -> None:
        """The campaign is over. Says how many of its runs are not logged.

        earlier: experiment ids of runs that were finished before this start, as far as they can be
        read. patient: whether to wait for what is left; Ctrl-C ends that.
        """
        before: Iterable[str] = ()
        with contextlib.suppress(OSError, EnergyctlError):  # the results folder may be gone
            before = earlier()
        experiment_ids = list(dict.fromkeys([*before, *self._handed]))
        paths = [str(RunFiles.of(self.results, name).result) for name in experiment_ids]
        with contextlib.suppress(KeyboardInterrupt):
            self._send({"end": paths})
            if patient and not self._over:
                left = len(set(experiment_ids) - self.logged)
                if left:
                    self.say(f"logging {count(left, 'run')} to {self.target.title}")
                self._wait(END_SECONDS, lambda: self._over)
        missing = sorted(set(experiment_ids) - self.logged)
        if not missing:
            return
        few = len(missing) <= NAMED_RUNS
        named = [str(RunFiles.of(self.results, one).result) for one in missing]
        command = self.target.command(named if few else [str(self.results)])
        why = f" ({self._away})" if self._away else ""
        self.say(
            f"warning: {count(len(missing), 'run')} not in {self.target.title} yet{why}; "
            f"log them with: {command}"
        )

    def _streams(self) -> Iterator[int]:
        assert self._process is not None
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            yield stream.fileno()

    def _send(self, message: dict[str, Any]) -> None:
        """Never waits: what the pipe does not take now is kept for the next time."""
        if not self._over:
            self._unsent += json.dumps(message).encode() + b"\n"
            self._flush()

    def _flush(self) -> None:
        try:
            input, _ = self._streams()
            self._unsent = self._unsent[os.write(input, self._unsent) :] if self._unsent else b""
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._lost("it has ended")

    def _wait(self, seconds: float, over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        _, output = self._streams()
        while not over() and not self._over and time.monotonic() < deadline:
            select.select([output], [], [], 0.1)
            self._hear()
            if self._unsent and not self._over:
                self._flush()

    def _hear(self) -> None:
        """What the process has told since; never waits."""
        if self._over:
            return
        _, output = self._streams()
        try:
            said = os.read(output, 2**20)
        except BlockingIOError:
            return
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            self._told(json.loads(line))
        if not said and not self._over:
            self._lost("it has ended")

    def _told(self, event: dict[str, Any]) -> None:
        if "ready" in event:
            self.place = event["ready"]
        elif "refused" in event:
            self._refused = event["refused"]
        elif "logged" in event:
            self.logged.add(event["logged"])
            self._away = None
        elif "warning" in event:
            self.say(f"warning: {event['warning']}")
        elif "away" in event:
            if self._away is None:
                self.say(f"warning: {event['away']}; runs are logged once it answers")
            self._away = one_line(event["away"])
        elif "crashed" in event:
            self._lost(event["crashed"])
        elif "done" in event:
            self._over = True

    def _lost(self, why: str) -> None:
        """The campaign goes on without it."""
        self._over = True
        self.say(f"warning: runs are not logged to {self.target.title} any more: {why}")

    def _stop(self) -> None:
        process, self._over = self._process, True
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.terminate()
        try:
            process.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        processes.forget(process.pid)
