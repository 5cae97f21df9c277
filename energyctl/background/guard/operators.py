"""Operators in the loop: what they did to a live group, and what they may expect of it.

An entry of energyctl has ``autostart=false``, so that a stale one never starts by itself. Nobody
would start a live group after ``supervisorctl update`` or ``reload``: it is started here, but for
the jobs that an operator had stopped before.

What an operator did is appended to ``operators.csv`` beside the ledger: ``time,job,event``, the
job empty where it is about the whole group. Of a launcher that was killed the ledger gets its row.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.states import ProcessStates, SupervisorStates

from energyctl.background.guard.wakeup import send
from energyctl.background.protocol import JOB
from energyctl.launchers import iteration, ledger_writer
from energyctl.results.paths import LEDGER, OPERATORS
from energyctl.system import processes

HEADER = "time,job,event\n"

KILLED = -1
"""What supervisord says of a child that died of a signal (options.decode_wait_status)."""

REMOVED = object()
"""In place of the entry of a group that an operator removed."""


@dataclass
class LiveGroup:
    """A group of a run in progress. *cgroup* is a folder; texts are empty where there is none."""

    folder: Path
    clock: str
    cgroup: str
    marker: str
    """Of all its processes; its launchers get it here, and hand over another's environment."""
    config: Any = None
    """The entry, as supervisord has it now; None before the group was added."""
    ending: bool = False
    """Energyctl, or its dead-man's switch, is ending it: what happens is no operator's doing."""
    held: set[str] = field(default_factory=set)
    """Jobs that an operator stopped."""
    updated: set[str] = field(default_factory=set)
    """Jobs that were stopped to take up an edited entry."""

    def now(self) -> float:
        return iteration.now(self.clock or None)


class Operators:
    def __init__(self) -> None:
        self.live: dict[str, LiveGroup] = {}
        self._supervisord: Any = None

    def install(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        for kind, then in (
            (events.ProcessStateStoppingEvent, self._stopping),
            (events.ProcessStateStoppedEvent, self._stopped),
            (events.ProcessStateExitedEvent, self._exited),
            (events.ProcessStateStartingEvent, self._starting),
            (events.ProcessGroupAddedEvent, self._added),
            (events.ProcessGroupRemovedEvent, self._removed),
            (events.SupervisorStoppingEvent, self._supervisord_stopping),
            (events.SupervisorRunningEvent, self._supervisord_running),
        ):
            events.subscribe(kind, then)

    def begin(self, group: str, live: LiveGroup) -> None:
        self.live[group] = live
        known = self._supervisord.process_groups.get(group)
        live.config = known.config if known else None

    def finish(self, group: str) -> None:
        """What happens to *group* from now on is energyctl's; forgotten once it is removed."""
        if group in self.live:
            self.live[group].ending = True
            if group not in self._supervisord.process_groups:
                del self.live[group]

    def note(self, group: str, event: str) -> None:
        if group in self.live:
            self._record(self.live[group], "", event)

    # -- one job -------------------------------------------------------------------------

    def _of(self, process: Any) -> LiveGroup | None:
        return self.live.get(process.group.config.name) if process.group else None

    def _touched(self, process: Any) -> LiveGroup | None:
        """The live group of *process*, where what happens to it is an operator's doing."""
        live = self._of(process)
        running = self._supervisord.options.mood == SupervisorStates.RUNNING
        return live if live and running and not live.ending else None

    def _stopping(self, event: Any) -> None:
        live = self._touched(event.process)
        if live is None:
            return
        job = event.process.config.name
        if self._entry_differs(event.process.group.config.name, live):
            live.updated.add(job)
            self._record(live, job, "stopped for update")
        else:
            live.held.add(job)
            self._record(live, job, "stopped")

    def _stopped(self, event: Any) -> None:
        if event.from_state == ProcessStates.BACKOFF:  # between two iterations
            self._stopping(event)
        self._close(event.process)

    def _exited(self, event: Any) -> None:
        live = self._touched(event.process)
        if live and event.process.exitstatus == KILLED:
            self._record(live, event.process.config.name, "killed")
        if event.process.exitstatus == KILLED:
            self._end_leftovers(event.process)
        self._close(event.process)

    def _starting(self, event: Any) -> None:
        """Before each fork."""
        known = self._of(event.process)
        if known is not None and known.marker:
            os.environ[processes.MARKER] = known.marker
        else:
            os.environ.pop(processes.MARKER, None)
        live = self._touched(event.process)
        job = event.process.config.name
        if live and job in live.held | live.updated:
            live.held.discard(job)
            live.updated.discard(job)
            self._record(live, job, "started")

    def _end_leftovers(self, process: Any) -> None:
        """Of a launcher that was killed: what it cannot end would run beside the next iteration."""
        live, job = self._of(process), process.config.name
        if live is None or not process.pid:
            return
        send(-process.pid, signal.SIGKILL)  # its process group
        for found in processes.marked(lambda mark: mark == live.marker):
            if processes.environment_value(found.pid, JOB) == job:
                found.signal(signal.SIGKILL)

    def _close(self, process: Any) -> None:
        """Writes the row of an iteration whose launcher did not: it was killed."""
        live, job = self._of(process), process.config.name
        if live is None or not process.pid:
            return
        ledger = str(live.folder / LEDGER)
        try:
            if os.path.exists(ledger_writer.note_path(ledger, job, process.pid)):
                ledger_writer.close_cut_off(ledger, job, live.now())
        except OSError as error:  # the next launcher of the job tries again
            self._complain(Path(ledger), error)

    # -- the group, the daemon -----------------------------------------------------------

    def _entry(self, group: str) -> Any:
        """The entry of *group* as it was last read, which may be newer than that in use."""
        entries = self._supervisord.options.process_group_configs
        return next((entry for entry in entries if entry.name == group), None)

    def _entry_differs(self, group: str, live: LiveGroup) -> bool:
        return live.config is not None and bool(self._entry(group) != live.config)

    def _removed(self, event: Any) -> None:
        live = self.live.get(event.group)
        if live is None:
            return
        if live.ending:
            del self.live[event.group]
        elif self._entry(event.group) is None or not self._entry_differs(event.group, live):
            self._record(live, "", "removed")
            live.config = REMOVED
            live.held.clear()  # `add` is the wish to have it all

    def _added(self, event: Any) -> None:
        live = self.live.get(event.group)
        if live is None or live.ending:
            return
        group = self._supervisord.process_groups[event.group]
        if live.config is not None:  # else it is energyctl that adds it, and starts it
            self._record(live, "", "added" if live.config is REMOVED else "updated")
            self._start(group, live)
        live.config = group.config

    def _supervisord_stopping(self, event: object) -> None:
        reload = self._supervisord.options.mood == SupervisorStates.RESTARTING
        for live in self.live.values():
            if not live.ending:
                self._record(live, "", "reloaded" if reload else "shut down")

    def _supervisord_running(self, event: object) -> None:
        for name, live in self.live.items():
            group = self._supervisord.process_groups.get(name)
            if not live.ending and group is not None:
                self._start(group, live)
                live.config = group.config

    def _start(self, group: Any, live: LiveGroup) -> None:
        live.updated.clear()
        for process in group.processes.values():
            if process.config.name not in live.held and not process.pid:
                process.spawn()

    # -- the record ----------------------------------------------------------------------

    def _record(self, live: LiveGroup, job: str, event: str) -> None:
        path = live.folder / OPERATORS
        try:
            with open(path, "a", encoding="utf-8") as file:
                header = "" if file.tell() else HEADER
                file.write(f"{header}{live.now():.6f},{job},{event}\n")
        except OSError as error:
            self._complain(path, error)

    def _complain(self, path: Path, error: OSError) -> None:
        self._supervisord.options.logger.warn(f"energyctl: cannot write {path}: {error}")
