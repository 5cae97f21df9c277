"""Between two iterations: the next one at once, a broken program not, and no stop is lost.

supervisord looks at its children once a second, and starts one again a pass after it reaped it.
A stop that comes in between finds nothing to stop (EXITED), and the job comes back. So a program
of ours waits in BACKOFF, which can be stopped, and supervisord's poll is woken. supervisord stays
the one that restarts.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from supervisor import events
from supervisor.datatypes import RestartUnconditionally
from supervisor.states import ProcessStates, SupervisorStates

from energyctl.background.guard.wakeup import BEAT_SECONDS, Wake, send
from energyctl.background.protocol import GROUP_PREFIX
from energyctl.launchers.iteration import SUPERVISORD

FAST_FAILURE_SECONDS, SHORTEST_GOOD_SECONDS = 1.0, 0.1

BRAKE_SECONDS = 1.0
"""Before a program that failed fast, or did nothing at all, is started again. The launcher has a
longer one for trainings that fail; this is for what it cannot see, itself included."""

YOUNG_SECONDS = LAST_TERM_SECONDS = 1.0


def is_ours(process: Any) -> bool:
    return process.group is not None and process.group.config.name.startswith(GROUP_PREFIX)


def _ends(process: Any) -> bool:
    """Whether supervisord is about to end, or to reload."""
    return bool(process.config.options.mood < SupervisorStates.RUNNING)


class Restarts:
    def __init__(self, wake: Wake) -> None:
        self._wake = wake

    def install(self) -> None:
        events.subscribe(events.ProcessStateStartingEvent, self.starting)
        events.subscribe(events.ProcessStateExitedEvent, self.exited)

    def starting(self, event: Any) -> None:
        """Before each fork: the launcher is told whose child it is (`supervisord_lives`)."""
        os.environ[SUPERVISORD] = str(os.getpid())

    def exited(self, event: Any) -> None:
        """Has the next iteration start at once, or after BRAKE_SECONDS."""
        process = event.process
        # Otherwise an operator edited the entry, and has supervisord decide.
        always = process.config.autorestart is RestartUnconditionally
        if not is_ours(process) or not always or _ends(process):
            return
        lived = process.laststop - process.laststart
        if lived >= (SHORTEST_GOOD_SECONDS if process.exitstatus == 0 else FAST_FAILURE_SECONDS):
            self._wait(process, 0.0, "between two iterations")
            self._wake.again()
        else:
            self._wait(process, BRAKE_SECONDS, f"ended after {lived:.2f} s; is started again")

    def _wait(self, process: Any, seconds: float, why: str) -> None:
        if seconds and process.config.startretries < 1:
            return  # then supervisord takes BACKOFF for the last try; its own second is the brake
        process.change_state(ProcessStates.BACKOFF)
        process.spawnerr = why  # what `supervisorctl status` shows
        process.backoff = 1 if seconds else 0
        process.delay = time.time() + seconds if seconds else 0.0


@dataclass(frozen=True)
class _Stopping:
    process: Any
    since: float
    young: bool


class StopRetry:
    """Sees to it that a job that is being stopped gets to know.

    A TERM between fork and exec is lost: supervisord's own handler is still there. A launcher that
    was halted (SIGSTOP) acts on it only once it is continued.
    """

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._stopping: list[_Stopping] = []

    def install(self) -> None:
        events.subscribe(events.ProcessStateStoppingEvent, self._begin)

    def _begin(self, event: Any) -> None:
        process = event.process
        if is_ours(process):
            young = time.time() - process.laststart < YOUNG_SECONDS
            self._stopping.append(_Stopping(process, time.monotonic(), young))
            self._wake.beat(True)

    def step(self) -> bool:
        """To be asked at every beat; False once nothing is being stopped."""
        self._stopping = [
            item
            for item in self._stopping
            if item.process.get_state() == ProcessStates.STOPPING and item.process.pid
        ]
        for item in self._stopping:
            age = time.monotonic() - item.since
            if age >= BEAT_SECONDS / 2:
                # Not reaped yet, so its pid is nobody else's. A launcher passes on one TERM.
                send(item.process.pid, signal.SIGCONT)
                if item.young and age < LAST_TERM_SECONDS:
                    send(item.process.pid, signal.SIGTERM)
        return bool(self._stopping)
