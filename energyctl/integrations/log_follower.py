"""The process that logs the runs of a campaign while it goes on, fed by a pipe.

It reads a JSON object a line on its standard input, and writes one for each event:

    {"run": PATH}                 a result that is finished
    {"rest": SECONDS or null}     the machine rests until then (Unix; null: for as long as it likes)
    {"end": [PATH, …]}            the campaign is over: these are all of its results

    {"ready": PLACE}              its library is imported; before that {"refused": [LINE, …]}
    {"away": LINE}                the store does not answer; it tries again, ever more rarely
    {"logged": EXPERIMENT_ID}
    {"warning": LINE}
    {"done": true}

It works while the machine rests only, and at the lowest priority. Where the pipe is closed before
the end, nobody is interested any more.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyctl.errors import SettingsError
from energyctl.integrations.logging_runs import log_pages, log_runs
from energyctl.integrations.opening import open_store
from energyctl.integrations.store import Store, StoreAway, Target
from energyctl.results.api import load_files

LONGEST_WAIT_SECONDS, LONGEST_AT_END_SECONDS = 60.0, 5.0
"""Between two attempts at a store that is away."""

MARGIN_SECONDS = 2.0
"""Before the end of a rest no run is begun any more."""

Tell = Callable[[dict[str, Any]], None]


def give_way() -> None:
    """To everything else on the machine."""
    os.nice(19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@dataclass
class Follower:
    """input: the descriptor to read from; tell: writes an event."""

    target: Target
    folder: Path
    input: int
    tell: Tell

    _waiting: deque[Path] = field(default_factory=deque)
    _results: list[Path] | None = None
    """Of the whole campaign, once it is over."""

    _rests_until: float | None = 0.0
    _tries: int = 0
    _next_try: float = 0.0
    _unread: bytes = b""
    _closed: bool = False

    def follow(self) -> None:
        """To the end of the campaign."""
        try:
            store = open_store(self.target, self.folder, self._warn)
        except SettingsError as error:
            self.tell({"refused": [str(line) for line in error.args]})
            return
        try:
            self._attempt(store.look)
            give_way()  # until now the campaign waits for this process
            self.tell({"ready": store.place})
            while not self._closed:
                self._work(store)
                if self._results is not None and not self._waiting and self._end(store):
                    self.tell({"done": True})
                    return
                self._read(self._patience())
        finally:
            store.close()

    def _work(self, store: Store) -> None:
        """Logs what is waiting, for as long as the machine rests and the store answers."""
        fresh = False
        while self._waiting and self._may_begin() and not self._closed:
            if not fresh and not (fresh := self._attempt(store.look)):
                return
            path = self._waiting[0]
            if not self._attempt(lambda path=path: self._log(store, [path])):  # type: ignore[misc]
                return
            self._waiting.popleft()
            self._read(0.0)

    def _may_begin(self) -> bool:
        return self._rests() and time.monotonic() >= self._next_try

    def _rests(self) -> bool:
        """Whether the machine does, for long enough."""
        until = self._rests_until
        return until is None or time.time() < until - MARGIN_SECONDS

    def _end(self, store: Store) -> bool:
        """The page, which is of all runs; those of an earlier start of the campaign may lack."""
        assert self._results is not None
        if time.monotonic() < self._next_try:
            return False
        return self._attempt(lambda: self._log(store, self._results or [], page=True))

    def _log(self, store: Store, paths: list[Path], page: bool = False) -> None:
        runs = load_files(paths, self._warn)
        logged = log_runs(store, runs, self.target.to, self._warn, done=self._logged)
        if page:
            log_pages(store, runs, logged, self._warn)

    def _attempt(self, what: Callable[[], None]) -> bool:
        """Whether the store answered; where it did not, the next attempt is later."""
        try:
            what()
        except StoreAway as error:
            self.tell({"away": str(error)})
            most = LONGEST_WAIT_SECONDS if self._results is None else LONGEST_AT_END_SECONDS
            self._next_try = time.monotonic() + min(2.0 ** min(self._tries, 6), most)
            self._tries += 1
            return False
        self._tries = 0
        return True

    def _logged(self, experiment_id: str) -> None:
        self.tell({"logged": experiment_id})

    def _warn(self, line: str) -> None:
        self.tell({"warning": line})

    def _patience(self) -> float:
        """Seconds until something can be done without a word of the campaign."""
        if self._results is None and not (self._waiting and self._rests()):
            return LONGEST_WAIT_SECONDS
        return max(0.0, self._next_try - time.monotonic())

    def _read(self, seconds: float) -> None:
        """What the campaign says within so many seconds."""
        if not select.select([self.input], [], [], seconds)[0]:
            return
        said = os.read(self.input, 2**16)
        self._closed = not said
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "run" in message:
            self._waiting.append(Path(message["run"]))
        if "rest" in message:
            self._rests_until = message["rest"]
        if "end" in message:
            self._results = [Path(path) for path in message["end"]]
            self._waiting.clear()
            self._rests_until, self._next_try, self._tries = None, 0.0, 0
