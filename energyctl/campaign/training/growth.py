"""When what a training writes was there: the sizes of files while they grow, and the times.

A thread looks at their sizes; nothing is read, and nothing of the training is touched.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path

from energyctl.campaign.training import workdirs
from energyctl.system.logs import OutputLog

LOOK_SECONDS = 0.05
"""Between two looks at a size, each a call of fstat(2): on a virtual machine of two cores, busy
with ten times as much, 20 a second took 0.5 % of a core, 0.8 % with a file beside the log."""

FIND_SECONDS = 0.5
"""Between two searches for the newest file of a glob, which may have to go through folders."""

FIND_SHARE = 0.01
"""Searches take no more than this share of the time."""

MOST_MARKS = 1 << 18


class Growth:
    """Sizes of one file, each with the instant at which it was first seen, and that of the look
    before; of MOST_MARKS at most, so that of a long run neighbours become one.

    stood: bytes that were there already, as of an earlier run; nobody knows when they came.
    """

    def __init__(self, stood: int = 0) -> None:
        self._stood = stood
        self._sizes, self._times, self._before = array("q"), array("d"), array("d")
        self._step = 0.0

    def note(self, size: int, now: float, before: float) -> None:
        """It has *size* at *now*, and was looked at *before*; a file that shrank was written anew,
        and what is in it again was there already."""
        if size < self._stood:  # it is written anew: nothing of what stood there is left
            self._stood = 0
        if size <= max(self._stood, self._sizes[-1] if self._sizes else 0):
            return
        if self._before and now - self._before[-1] < self._step:
            self._sizes[-1], self._times[-1] = size, now
            return
        self._sizes.append(size)
        self._times.append(now)
        self._before.append(before)
        if len(self._sizes) >= MOST_MARKS:
            self._sizes, self._times = self._sizes[1::2], self._times[1::2]
            self._before = self._before[::2]
            self._step = max(2 * self._step, 2 * LOOK_SECONDS)

    def when(self, end: int) -> tuple[float, float] | None:
        """When the byte before *end* was there (Unix seconds), and how many seconds earlier it may
        have come; None where that was not seen."""
        place = bisect_left(self._sizes, end)
        if end <= self._stood or place == len(self._sizes):
            return None
        return self._times[place], self._times[place] - self._before[place]


class GrowthWatch:
    """Looks at a log, and at the newest file of each of some globs."""

    def __init__(
        self, log: OutputLog, workdir: Path, globs: Iterable[str], now: Callable[[], float]
    ) -> None:
        self._log, self._workdir, self._globs, self._now = log, workdir, tuple(globs), now
        self._growths: dict[Path | None, Growth] = {None: Growth()}
        self._files: dict[str, Path] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="growth", daemon=True)

    def of(self, file: Path | None) -> Growth:
        """Of a file, or (None) of the log."""
        return self._growths.get(file, Growth())

    def start(self) -> None:
        self._search()
        for file in self._files.values():
            self._growths[file] = Growth(_size(file))
        self._thread.start()

    def stop(self) -> None:
        """Looks once more, and ends."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        before = searched = self._now()
        next_search, last = 0.0, False
        while True:
            last = self._done.wait(LOOK_SECONDS)
            now = self._now()
            if self._globs and (last or time.monotonic() >= next_search):
                began = time.monotonic()
                for file in self._search():
                    self._growths.setdefault(file, Growth()).note(_size(file), now, searched)
                searched = now
                took = time.monotonic() - began
                next_search = time.monotonic() + max(FIND_SECONDS, took / FIND_SHARE)
            self._growths[None].note(self._log.size_so_far(), now, before)
            for file in self._files.values():
                self._growths[file].note(_size(file), now, before)
            before = now
            if last:
                return

    def _search(self) -> list[Path]:
        """Looks for the newest file of each glob; those that were not the newest before."""
        new = []
        for pattern in self._globs:
            file: Path | None = self._workdir / pattern
            if has_magic(pattern):
                file = workdirs.newest(self._workdir, pattern)
            if file is not None and self._files.get(pattern) != file:
                self._files[pattern] = file
                new.append(file)
        return new


def _size(file: Path) -> int:
    """0 where there is none."""
    try:
        return os.stat(file).st_size
    except (OSError, ValueError):
        return 0


@contextmanager
def watching(
    log: OutputLog, workdir: Path, globs: Iterable[str] | None, now: Callable[[], float]
) -> Iterator[GrowthWatch | None]:
    """Looks at them for as long as the block runs; at nothing where *globs* is None."""
    if globs is None:
        yield None
        return
    watch = GrowthWatch(log, workdir, globs, now)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
