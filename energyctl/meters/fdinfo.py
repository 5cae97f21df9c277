"""How long processes kept the engines of GPUs busy, as the kernel's DRM drivers count it.

/proc/PID/fdinfo/FD of a file that is open in /dev/dri tells "drm-pdev", "drm-client-id" and
"drm-engine-NAME: N ns" (Documentation/gpu/drm-usage-stats.rst). What reaches a GPU by another way
is not in it: the queues of ROCm go through /dev/kfd.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
DEVICES = "/dev/dri/"
# Which processes have such files is looked for so often: that is most of what a look costs.
SEARCH_SECONDS = 5.0

Client = tuple[str, str]
"""drm-pdev and drm-client-id: several files, of several processes, may be of one."""


class ClientTime(NamedTuple):
    """Nanoseconds that a client kept the engines busy, all together."""

    client: Client
    nanoseconds: int


class DrmProcesses:
    """Of the processes whose files may be read: one's own; as root, all."""

    def __init__(
        self,
        engines: Collection[str],
        proc: Path = PROC,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """engines: whose times count, as the driver names them."""
        self._keys = {f"drm-engine-{engine}" for engine in engines}
        self._proc, self._clock = proc, clock
        self._lock = threading.Lock()
        self._files: dict[int, list[Path]] = {}  # of each process, in fdinfo
        self._searched: float | None = None
        self._last: dict[Client, int] = {}
        self._seconds: dict[tuple[int, str], float] = {}

    def seconds(self) -> dict[tuple[int, str], float]:
        """By process and PCI address, since the process was first seen, and what clients that were
        new with it had counted by then."""
        with self._lock:
            now = self._clock()
            search = self._searched is None or now - self._searched >= SEARCH_SECONDS
            if search:
                self._searched, self._files = now, dict(self._search())
            last = self._add(self._look())
            # One that nobody has may yet be found with a process that is not known before a search.
            self._last = last if search else self._last | last
            return dict(self._seconds)

    def _search(self) -> Iterator[tuple[int, list[Path]]]:
        for folder in self._proc.iterdir():
            if folder.name.isdecimal() and (files := _drm_files(folder)):
                yield int(folder.name), files

    def _look(self) -> dict[int, dict[Client, int]]:
        """Nanoseconds of the clients of each process that has some."""
        found = {}
        for pid, files in self._files.items():
            times = [one for file in files if (one := _client_time(file, self._keys))]
            if times:
                found[pid] = {one.client: one.nanoseconds for one in times}
        return found

    def _add(self, clients: Mapping[int, Mapping[Client, int]]) -> dict[Client, int]:
        """The clients' nanoseconds. What one has grown by goes to the process with the lowest
        number of those that have it, since the others inherited it, and stays with that process."""
        sums = {key: total for key, total in self._seconds.items() if key[0] in clients}
        last = dict[Client, int]()
        for pid in sorted(clients):
            for client in clients[pid].keys() - last:
                last[client] = clients[pid][client]
                key, grown = (pid, client[0]), last[client] - self._last.get(client, 0)
                sums[key] = sums.get(key, 0.0) + max(0, grown) / 1e9
        self._seconds = sums
        return last


def _drm_files(process: Path) -> list[Path]:
    """Those in fdinfo; none of a process that is gone, or another user's."""
    files = []
    try:
        for entry in os.scandir(process / "fd"):
            if os.readlink(entry.path).startswith(DEVICES):
                files.append(process / "fdinfo" / entry.name)
    except OSError:
        pass
    return files


def _client_time(file: Path, keys: Collection[str]) -> ClientTime | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    facts = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if not facts.get("drm-pdev") or "drm-client-id" not in facts:
        return None
    times = [int(facts[key].split()[0]) for key in keys if facts.get(key, "")[:1].isdecimal()]
    return ClientTime((facts["drm-pdev"], facts["drm-client-id"]), sum(times))
