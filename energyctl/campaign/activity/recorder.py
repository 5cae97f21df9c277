"""Looks, through a whole run, at what keeps its GPUs and CPUs busy, in a thread of their own."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy

from energyctl.background.cpu_spent import CpuSpent
from energyctl.background.load_monitor import ALL, STRANGE_PIDS
from energyctl.campaign.activity.gpu_lines import GpuFigures, GpuLines
from energyctl.campaign.activity.growing import Stretch
from energyctl.campaign.activity.owners import Owners
from energyctl.campaign.foreign.cpu_time import busy_ticks
from energyctl.energy import Domain
from energyctl.launchers.proc_stat import read_stat
from energyctl.meters.base import Source
from energyctl.meters.busy import Busy
from energyctl.results.background_load import CpuLine
from energyctl.system.containers import ContainerTrees
from energyctl.system.process_trees import TICKS_PER_SECOND, Tree, TreeReader
from energyctl.system.threads import start_thread

DEVICE_SECONDS = 0.2
"""A GPU's own utilisation is of its last 1/6 to 1 s (nvmlUtilization_t)."""

PROCESS_LOOKS, CPU_LOOKS = 2, 5
"""Each so many looks at the device there is one at its processes, and at the trees of the CPU."""

ABSENT_LOOKS = 2
"""A process that ends just after the driver told of it is absent at one."""


class ActivityRecorder:
    """Of one run on *meters*; *now* is its time line (Unix seconds).

    gpus: by index. missing: why a GPU tells nothing, by index or ALL. foreground: CPU seconds of
    the launchers that were handed to `follow`, and of all below. machine: CPU seconds of all
    processes but energyctl itself.
    """

    def __init__(
        self,
        meters: Sequence[Source],
        owners: Owners,
        now: Callable[[], float],
        containers: ContainerTrees | None = None,
    ) -> None:
        indices = ((meter, {index_of(d) for d in meter.domains()} - {ALL}) for meter in meters)
        self._meters = [(meter, gpus) for meter, gpus in indices if gpus]
        self._owners, self._now, self._containers = owners, now, containers
        self._lock = threading.Lock()  # guards the figures; never held while a driver is asked
        self.gpus: dict[int, GpuLines] = {}
        self.missing: dict[int, str] = {}
        self._owned: set[int] = set()  # GPUs on which a process was found to be of a side
        self._foreground, self._machine = CpuSpent(), CpuLine()
        self._launchers: list[int] = []
        self._contained: Mapping[int, Sequence[Tree]] = {}
        self._trees = TreeReader()
        self._wake = threading.Event()
        self._stopping = False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Looks until the block is left."""
        self._look_at_cpus()
        start_thread(self._run, "activity")
        try:
            yield
        finally:
            self._stopping = True
            self._wake.set()

    def follow(self, launcher: int) -> None:
        """From now on all below this process is of the foreground, too."""
        with self._lock:
            self._launchers.append(launcher)

    def edge(self) -> None:
        """A look at the CPUs now, and one at the GPUs at once, beside the caller."""
        self._look_at_cpus()
        self._wake.set()

    def _run(self) -> None:
        number = 0
        while not self._stopping:
            woken = self._wake.is_set()
            self._wake.clear()
            if number % CPU_LOOKS == 0:
                self._look_at_containers()
                self._look_at_cpus()
            for meter, gpus in self._meters:
                self._look_at_devices(meter, gpus)
                if woken or number % PROCESS_LOOKS == 0:
                    self._look_at_processes(meter, gpus)
            looks = 1 if self._meters else CPU_LOOKS
            number += looks
            # Not in time with the driver's samples.
            self._wake.wait(looks * DEVICE_SECONDS * random.uniform(0.8, 1.2))

    # -- GPUs -----------------------------------------------------------------------------------

    def _look_at_devices(self, meter: Source, gpus: Collection[int]) -> None:
        """gpus: those of its domains; what it says of others is another source's to tell."""
        with contextlib.suppress(Exception):  # of a plug-in: it tells nothing at this look
            devices = meter.devices()
            with self._lock:
                for gpu, look in devices.items():
                    if gpu not in gpus:
                        continue
                    self.gpus.setdefault(gpu, GpuLines()).add_device(self._now(), look)

    def _look_at_processes(self, meter: Source, gpus: Collection[int]) -> None:
        try:
            self._add(meter.busy(), gpus)
        except Exception as error:  # of a plug-in, whose answer may be anything
            with self._lock:
                self.missing[ALL] = str(error) or type(error).__name__

    def _add(self, told: Busy, gpus: Collection[int]) -> None:
        offset = self._now() - time.monotonic()
        with self._lock:
            self.missing.update({gpu: why for gpu, why in told.missing.items() if gpu in gpus})
            for gpu in (one for one in told.gpus if one.gpu in gpus):
                lines = self.gpus.setdefault(gpu.gpu, GpuLines())
                for pid, line in lines.add(gpu.time + offset, gpu, _is_there):
                    line.owner = self._owners.of(pid)
                    if line.owner is not None:
                        self._owned.add(gpu.gpu)
                    elif line.is_busy and not _is_there(pid):
                        line.absent += 1
                        if line.absent >= ABSENT_LOOKS:
                            self.missing[gpu.gpu] = STRANGE_PIDS

    # -- CPUs -----------------------------------------------------------------------------------

    def _look_at_containers(self) -> None:
        """Beside the caller: a runtime may take its time."""
        if self._containers is None or not self._launchers or self._containers.is_looking:
            return
        with contextlib.suppress(RuntimeError):  # no thread to be had: at the next look
            start_thread(self._ask_containers, "containers")

    def _ask_containers(self) -> None:
        assert self._containers is not None
        contained = self._containers.look()
        with self._lock:
            self._contained = contained
            self._owners.saw_contained(contained)

    def _look_at_cpus(self) -> None:
        with self._lock:
            trees = self._trees.look(self._launchers)
            self._launchers = [tree.root for tree in trees]
            self._owners.saw(trees)
            inside = [tree for pid in self._launchers for tree in self._contained.get(pid, ())]
            moment = self._now()
            self._foreground.add(moment, 0.0, 0, trees, inside)
            with contextlib.suppress(OSError):
                busy = busy_ticks() / TICKS_PER_SECOND
                self._machine.add(moment, busy - time.process_time())

    # -- figures --------------------------------------------------------------------------------

    def cpu_lines(self) -> tuple[CpuLine, CpuLine]:
        """CPU seconds of the foreground so far, and of the whole machine but energyctl; copies."""
        with self._lock:
            return deepcopy(self._foreground.cpu), deepcopy(self._machine)

    def gpu_figures(self, index: int, stretches: Sequence[Stretch]) -> GpuFigures | None:
        """None: its processes were not told, or are unknown here."""
        with self._lock:
            if self.missing.get(index) == STRANGE_PIDS and index not in self._owned:
                return None
            lines = self.gpus.get(index)
            return lines.figures(stretches) if lines is not None and lines.told else None


def index_of(domain: Domain) -> int:
    """Of its GPU; ALL: it is none of a GPU with a number."""
    number = re.fullmatch(r"(?:gpu|module)-(\d+)", domain.name)
    return int(number[1]) if number and domain.kind == "gpu" else ALL


def _is_there(pid: int) -> bool:
    return read_stat(pid) is not None
