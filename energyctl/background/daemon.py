"""One supervisord over XML-RPC: adds, watches, stops and removes one group of it.

Every call has a time limit. Other groups of the daemon are never touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.background import xmlrpc as rpc
from energyctl.background.protocol import GROUP_PREFIX, STOP_WAIT_SECONDS
from energyctl.background.xmlrpc import Unreachable
from energyctl.errors import RunError
from energyctl.system import processes
from energyctl.system.files import read_regular

CALL_SECONDS = 10.0
LOOK_SECONDS = 2.0
NONCE = "daemon-nonce"
"""File in the private folder: the secret that the daemon which energyctl started carries."""

RELOAD_SECONDS = STOP_WAIT_SECONDS + 5.0

# Fault codes of supervisor.xmlrpc.Faults.
_BAD_NAME, _STILL_RUNNING, _ALREADY_ADDED, _SHUTDOWN_STATE = 10, 91, 90, 6


@dataclass(frozen=True)
class Program:
    """One process of a group as supervisord sees it."""

    group: str
    name: str
    state: str
    pid: int | None

    @property
    def ours(self) -> bool:
        """Whether it is of a group that energyctl made."""
        return self.group.startswith(GROUP_PREFIX)


@dataclass
class Daemon:
    """A supervisord that answers at ``runtime/supervisor.sock``."""

    runtime: Path
    child: subprocess.Popen[bytes] | None = None
    _process: processes.ProcessInfo | None = None

    @property
    def socket(self) -> Path:
        return self.runtime / "supervisor.sock"

    def call(self, method: str, *arguments: Any) -> Any:
        """One XML-RPC call. Raises Unreachable, or xmlrpc.client.Fault as supervisord says it."""
        return rpc.call(self.socket, CALL_SECONDS, method, *arguments)

    def pid(self) -> int:
        """For looking at alone. By its socket, else (it went to the background after it had bound
        that) by its own word. Raises Unreachable."""
        told = int(self.call("supervisor.getPID"))
        bound = rpc.peer_pid(self.socket)
        return bound if processes.identify(bound) else told

    def state(self) -> str | None:
        """RUNNING, SHUTDOWN, …; None where nothing answers."""
        try:
            return str(self.call("supervisor.getState")["statename"])
        except (Unreachable, xmlrpc.client.Fault):
            return None

    def answers(self) -> bool:
        return self.state() == "RUNNING"

    def answers_soon(self) -> bool:
        """Whether it answers, or does so after a reload."""
        deadline = time.monotonic() + RELOAD_SECONDS
        while not self.answers():
            # Nothing can answer where the folder of its socket has become a link, or is gone.
            there = os.path.isdir(self.runtime) and not os.path.islink(self.runtime)
            if not there or self.process() is None or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def process(self) -> processes.ProcessInfo | None:
        """The daemon, once known; it keeps its process through a reload. None: it has ended."""
        if self._process is None:
            self._process = self.started()
        if self._process is None:
            with contextlib.suppress(Unreachable, xmlrpc.client.Fault):
                self._process = processes.identify(self.pid())
        known = self._process
        return known if known and processes.identify(known.pid) == known else None

    def exit_descriptor(self) -> int | None:
        """A pidfd of the daemon, readable once it has ended; the caller closes it.

        None where it has ended, or where the kernel has no pidfd (before Linux 5.3).
        """
        unreaped = self.child is not None and self.child.returncode is None
        process = self.process()
        pid = self.child.pid if self.child and unreaped else process.pid if process else None
        try:
            descriptor = os.pidfd_open(pid) if pid else None
        except OSError:
            return None
        if descriptor is None or unreaped or self.process() == process:
            return descriptor
        os.close(descriptor)  # of another process, that got its pid
        return None

    def programs(self) -> list[Program]:
        """All processes of all groups. Raises Unreachable."""
        return [
            Program(
                group=str(info["group"]),
                name=str(info["name"]),
                state=str(info["statename"]),
                pid=int(info["pid"]) or None,
            )
            for info in self._insist("supervisor.getAllProcessInfo")
        ]

    def group(self, name: str) -> list[Program]:
        return [program for program in self.programs() if program.group == name]

    # -- a group's life ------------------------------------------------------------------

    def add(
        self,
        group: str,
        entries: Path,
        logs: Path,
        clock: Path,
        cgroup: Path | None = None,
        marker: str = "",
    ) -> None:
        """Makes the group of *entries* known and starts it.

        The file is linked into ``conf.d``, so an operator's edit of it works with
        ``supervisorctl update``. *logs* is the folder of the ledger, *clock* the file with the
        offset of the run's time line, *cgroup* what all its processes are in, *marker* what they
        carry. Raises RunError with supervisord's own words.
        """
        link = self._entry(group)
        link.parent.mkdir(exist_ok=True)
        fresh = link.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(entries)
        fresh.rename(link)
        try:
            self._ask("energyctl.begin", group, str(logs), str(clock), str(cgroup or ""), marker)
            self._insist("supervisor.reloadConfig")
            try:
                self._insist("supervisor.addProcessGroup", group)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != _ALREADY_ADDED:
                    raise
            self._insist("supervisor.startProcessGroup", group, False)
        except xmlrpc.client.Fault as fault:
            raise RunError(f"supervisord refuses {entries}: {fault.faultString}") from fault
        except Unreachable as error:
            raise RunError(str(error)) from error

    def remove(self, group: str, limit_seconds: float = STOP_WAIT_SECONDS + 5.0) -> bool:
        """Stops *group* and forgets it; True once supervisord has nothing of it.

        Asks again until it is so: without our guard, ``stopProcessGroup`` stops nothing between
        two iterations and the job comes back, and a TERM in the instant between fork and exec is
        lost. Raises Unreachable where the daemon has ended.
        """
        began = time.monotonic()
        gone = False
        self._ask("energyctl.finish", group)
        while not gone and time.monotonic() < began + limit_seconds:
            self._ask("supervisor.stopProcessGroup", group, False)
            try:
                gone = bool(self._insist("supervisor.removeProcessGroup", group))
            except xmlrpc.client.Fault as fault:
                gone = fault.faultCode == _BAD_NAME
            if not gone:
                self._term_again(group, began + 1.0)
                # Each question takes time from those that are to end.
                time.sleep(min(max(0.005, (time.monotonic() - began) / 10), 0.05))
        self._entry(group).unlink(missing_ok=True)
        self._ask("supervisor.reloadConfig")
        return gone

    def _term_again(self, group: str, not_before: float) -> None:
        """A second TERM to a job that has been stopping for a second: the first may be lost."""
        if time.monotonic() < not_before:
            return
        for program in self.group(group):
            if program.state == "STOPPING":
                self._ask("supervisor.signalProcess", f"{group}:{program.name}", "TERM")
        time.sleep(0.2)

    def _entry(self, group: str) -> Path:
        return self.runtime / "conf.d" / f"{group}.conf"

    # -- the guard -----------------------------------------------------------------------

    def note(self, group: str, event: str) -> None:
        """Has the guard record what is done to *group*, for the result of its run."""
        self._ask("energyctl.note", group, event)

    def watch(self, pid: int) -> bool:
        """Has the daemon end our groups when the process *pid* ends; False where it cannot.

        An operator's daemon may lack the extension (``energyctl.guard``).
        """
        return bool(self._ask("energyctl.watch", pid))

    def version(self) -> str | None:
        """The version of energyctl that its guard is of; None where it has none."""
        answer = self._ask("energyctl.version")
        return None if answer is None else str(answer)

    def _ask(self, method: str, *arguments: Any) -> Any:
        """The answer, through a reload; None where it is refused, or the method is not there."""
        try:
            return self._insist(method, *arguments)
        except xmlrpc.client.Fault:
            return None

    def _insist(self, method: str, *arguments: Any) -> Any:
        """A call that survives ``supervisorctl reload``: for a moment nobody answers."""
        deadline = time.monotonic() + RELOAD_SECONDS
        while True:
            try:
                return self.call(method, *arguments)
            except Unreachable as error:
                unreachable = error
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != _SHUTDOWN_STATE:
                    raise
                unreachable = Unreachable(f"supervisord at {self.socket} is shutting down")
            if self.process() is None or time.monotonic() > deadline:
                raise unreachable
            time.sleep(0.02)

    # -- the daemon's life ---------------------------------------------------------------

    def ours(self) -> bool:
        """Whether energyctl started this daemon (and not an operator, by hand)."""
        started = self.started()
        return started is not None and started.pid == rpc.peer_pid(self.socket)

    def kill(self) -> bool:
        """KILL to a daemon that does not answer, if energyctl started it; whether it did."""
        process = self.started()
        if process is None:
            return False
        process.signal(signal.SIGKILL)
        if self.child is not None:
            self.child.wait()
        return True

    def started(self) -> processes.ProcessInfo | None:
        """The daemon that energyctl started here, while it is alive; asks it nothing."""
        if self.child is not None and self.child.returncode is None:
            return processes.identify(self.child.pid)
        try:
            nonce = read_regular(self.runtime / NONCE, 100).decode(errors="replace")
        except (OSError, ValueError):
            return None
        mark = processes.daemon_marker(nonce)
        found = processes.marked(lambda marker: marker == mark)
        # Without our guard, its programs inherit the marker; they are no leaders of a session.
        return next((one for one in found if processes.leads_session(one.pid)), None)

    def is_shared(self) -> bool:
        """Whether programs of others are in it; False also where it does not say."""
        try:
            known = rpc.call(self.socket, LOOK_SECONDS, "supervisor.getAllProcessInfo")
            return not all(str(info["group"]).startswith(GROUP_PREFIX) for info in known)
        except (Unreachable, xmlrpc.client.Fault):
            return False

    def strangers(self, nonce: str) -> set[int]:
        """It, and what it runs that is not of the campaign, with all below: none of ours."""
        daemon = self.process()
        ours = processes.trainings_of(nonce)
        return processes.strangers(daemon.pid, ours) if daemon is not None else set()

    def shut_down(self, limit_seconds: float = 15.0) -> None:
        """Ends the daemon, if energyctl started it and no group is left in it that is not ours."""
        try:
            if not self.ours() or not all(program.ours for program in self.programs()):
                # Not before: killed in between, we would leave a daemon that nobody ends.
                self._ask("energyctl.release")
                return
            found = self.started()
            self.call("supervisor.shutdown")
        except (Unreachable, xmlrpc.client.Fault):
            found = None
        deadline = time.monotonic() + limit_seconds
        while found and time.monotonic() < deadline and processes.identify(found.pid) == found:
            if self.child is not None:
                self.child.poll()
            time.sleep(0.01)
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        if self.child is not None:
            processes.forget(self.child.pid)
        for name in (NONCE, "supervisor.sock", "supervisord.pid"):
            with contextlib.suppress(OSError):
                (self.runtime / name).unlink()


def find_daemon(runtime: Path) -> Daemon | None:
    """The daemon of this workspace, if one runs."""
    daemon = Daemon(runtime)
    return daemon if daemon.answers() else None
