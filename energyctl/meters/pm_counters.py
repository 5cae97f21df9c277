"""HPE Cray: the energy that the node's controller counts, as files of the kernel.

Files of /sys/cray/pm_counters (HPE, "User Access to Compute Node Power Data"), updated ten times a
second: `energy` is of the whole node, `cpu_energy` of all CPUs, `memory_energy` of all memory,
`accelN_energy` of an accelerator, each as ``1234 J 7810213855886 us``. `freshness` counts the
updates: between two looks at it that agree, all files are of one update.

The node's energy is shown beside the total, which does not have fans and losses. A part counts only
where no other source measures it, since those are finer. Where there are accelerators but no
`cpu_energy`, they are APUs (MI300A): each has its CPU and memory.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from energyctl.energy import Domain, Kind
from energyctl.meters import kernel_files
from energyctl.meters.base import OpenRequest, Reading, Source
from energyctl.meters.parts import holds

SCAN_HZ = 10.0
RESOLUTION_JOULES = 1.0
# Twice what the largest nodes and their parts draw.
NODE_MAX_WATTS, ACCELERATOR_MAX_WATTS = 12000.0, 4000.0
# Kind, file, name, part and the most that is drawn.
Collective = tuple[Kind, str, str, str, float]
CPUS: Collective = ("cpu", "cpu_energy", "cpus", "packages", 4000.0)
MEMORY: Collective = ("dram", "memory_energy", "memory", "memory", 1500.0)
ACCELERATOR = re.compile(r"accel(\d+)_energy")
ENERGY = re.compile(rb"(\d+) J\b")
# So often are the files read anew that were updated meanwhile; and for so long may no update come.
TRIES, STILL_SECONDS = 3, 1.0
FRESHNESS = "freshness"


def open_source(request: OpenRequest) -> PmCounters | None:
    """None where the node has none."""
    root = request.pm_counters_root
    return PmCounters(root, request) if (root / "energy").exists() else None


class Update(NamedTuple):
    """What all counters told in one update of theirs.

    freshness: None where it is not known. seen: when it was read (monotonic). values: joules, or
    why not, by domain.
    """

    freshness: bytes | None
    seen: float
    values: Mapping[str, tuple[float | None, str | None]]


class PmCounters(Source):
    """Descriptors of its files stay open. They are read anew where `freshness` has moved."""

    name = "pm_counters"
    quick = True

    def __init__(self, root: Path, request: OpenRequest) -> None:
        self._root = root
        self._descriptors: dict[str, int] = {}
        self._latest = Update(None, 0.0, {})
        self._domains = [self._opened(file, domain) for file, domain in _domains(root, request)]
        self._open_freshness()

    def _opened(self, file: str, domain: Domain) -> Domain:
        path = self._root / file
        try:
            self._descriptors[domain.name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            _joules(self._descriptors[domain.name])
        except PermissionError:
            return self._missing(domain, kernel_files.only_root(path))
        except (OSError, ValueError) as error:
            return self._missing(domain, f"reading {path} failed: {error}")
        return domain

    def _missing(self, domain: Domain, reason: str) -> Domain:
        descriptor = self._descriptors.pop(domain.name, None)
        if descriptor is not None:
            os.close(descriptor)
        return replace(domain, missing=reason)

    def _open_freshness(self) -> None:
        """Without it the counters are read each time."""
        try:
            descriptor = os.open(self._root / FRESHNESS, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        self._descriptors[FRESHNESS] = descriptor

    def domains(self) -> Sequence[Domain]:
        return tuple(self._domains)

    def read(self) -> Sequence[Reading]:
        return self.read_of({domain.name for domain in self._domains})

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        before = time.monotonic()
        values = self._look(before).values
        after = time.monotonic()
        middle, seconds = (before + after) / 2, after - before
        return [
            Reading(name, middle, joules, reason, seconds)
            for name, (joules, reason) in values.items()
            if name in names
        ]

    def _look(self, now: float) -> Update:
        """The latest update, read where it is a new one."""
        for _ in range(TRIES):
            fresh, latest = self._freshness(), self._latest
            if fresh is not None and fresh == latest.freshness:
                still = now - latest.seen
                return latest if still < STILL_SECONDS else self._failed(fresh, _stopped(still))
            update = Update(fresh, now, dict(self._counters()))
            if fresh == self._freshness():
                self._latest = update
                return update
        return self._failed(None, "the counters were updated during each of several reads")

    def _failed(self, fresh: bytes | None, reason: str) -> Update:
        return Update(fresh, 0.0, {d.name: (None, reason) for d in self._domains if not d.missing})

    def _freshness(self) -> bytes | None:
        """None where it cannot be read."""
        try:
            return os.pread(self._descriptors[FRESHNESS], 32, 0)
        except (KeyError, OSError):
            return None

    def _counters(self) -> Iterator[tuple[str, tuple[float | None, str | None]]]:
        """Joules, or why not, of each domain."""
        for name, descriptor in self._descriptors.items():
            if name != FRESHNESS:
                try:
                    yield name, (_joules(descriptor), None)
                except (OSError, ValueError) as error:
                    yield name, (None, f"reading {name} failed: {error}")

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


def _stopped(seconds: float) -> str:
    return f"the node's controller has updated no counter for {seconds:.1f} s"


def _joules(descriptor: int) -> float:
    text = os.pread(descriptor, 64, 0)
    match = ENERGY.match(text)
    if not match:
        raise ValueError(f"it tells no joules: {text.decode(errors='replace').strip()[:40]!r}")
    return float(match[1])


def _domains(root: Path, request: OpenRequest) -> Iterator[tuple[str, Domain]]:
    """Each file with what it tells, the node first."""
    files = sorted(os.listdir(root))
    accelerators = [match for match in map(ACCELERATOR.fullmatch, files) if match]
    apus = bool(accelerators) and "cpu_energy" not in files
    update = 1 / _scan_hz(root)

    def domain(name: str, kind: Kind, part: str, most: float, *, counts: bool) -> Domain:
        return Domain(
            name,
            kind if counts else "other",
            "pm_counters",
            in_total=counts,
            max_watts=most,
            resolution_joules=RESOLUTION_JOULES,
            update_seconds=update,
            part=part,
        )

    yield "energy", domain("node", "other", "node", NODE_MAX_WATTS, counts=False)
    for kind, file, name, part, most in (CPUS, MEMORY):
        if file in files:
            counts = not apus and not _measured(kind, request.measured)
            yield file, domain(name, kind, part, most, counts=counts)
    counts = not _measured("gpu", request.measured) and (apus or not request.no_gpu)
    # An APU is no GPU by itself: where none is asked for, it is a module that counts as a whole.
    accelerator: Kind = "other" if request.no_gpu else "gpu"
    for match in accelerators:
        name, part = f"accel-{match[1]}", f"{'module' if apus else 'gpu'}/accel-{match[1]}"
        yield match[0], domain(name, accelerator, part, ACCELERATOR_MAX_WATTS, counts=counts)


def _scan_hz(root: Path) -> float:
    try:
        return float((root / "raw_scan_hz").read_text(encoding="ascii")) or SCAN_HZ
    except (OSError, ValueError):
        return SCAN_HZ


def _measured(kind: Kind, parts: Collection[str]) -> bool:
    """Whether *parts*, which sources before can read, have what is of a kind."""
    if any(holds(part, kind) for part in parts):
        return True
    if kind == "dram":
        return any(part.endswith("/dram") for part in parts)
    prefix = "gpu/" if kind == "gpu" else "package"
    return any(part.startswith(prefix) and not part.endswith("/dram") for part in parts)
