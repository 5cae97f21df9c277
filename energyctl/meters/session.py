"""The sources, the sampler and the files of one measurement, from its begin to its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from energyctl.energy import Energy, Recording
from energyctl.errors import MachineError
from energyctl.meters import missing_kinds, open_meters, write_cpu_energy
from energyctl.meters.csv_files import CPU_ENERGY, HEADERS
from energyctl.meters.marks.listening import listening
from energyctl.meters.marks.timeline import Timeline
from energyctl.meters.sampler import Sampler
from energyctl.system.files import Created
from energyctl.system.private_folder import passing_folder
from energyctl.system.threads import start_thread

# Of the time line where no other phase was begun.
MAIN = "main"


class MeteringSession:
    """Runs from its making on, in this process alone; :meth:`close` ends it.

    started_unix: where the phase `main` begins, after the first reading, since what a slow source
    took for that is no part of what is metered.
    """

    def __init__(
        self,
        interval_seconds: float,
        gpus: Sequence[int | str] | None,
        require: Sequence[str],
        out: Path | None,
        leave_out: Sequence[str] = (),
        total: str | None = None,
        node_meters: Path | None = None,
    ) -> None:
        """MachineError where something required cannot be measured or `out` cannot be written,
        SettingsError for a GPU that is not there."""
        self.process = os.getpid()
        self._out = out
        self._created: Created | None = None
        self._listening = ExitStack()
        self.sources, self.notes = open_meters(
            gpus=gpus, leave_out=leave_out, total=total, node_meters=node_meters
        )
        try:
            missing = missing_kinds(self.sources, require)
            if missing:
                raise MachineError("; ".join(missing))
            self.sampler = Sampler(self.sources, interval_seconds=interval_seconds)
            self.started_unix = self._begin()
        except BaseException:
            self._close_sources()
            raise

    def _begin(self) -> float:
        if self._out is not None:
            self._created = Created(self._out, (*HEADERS, CPU_ENERGY))
        try:
            self.sampler.start()
            self.sampler.record_to(self._out)
            self.sampler.wait_until_located()
            return self.sampler.phase(MAIN, after_reading=True)
        except BaseException:
            self.sampler.stop()
            self.remove_files()
            raise

    def end(self) -> Recording:
        """Everything until the first call of this."""
        return self.sampler.stop()

    def listen(self, warnings: list[str]) -> tuple[Timeline, dict[str, str]]:
        """What a program tells of itself until :meth:`close`, and the variables that it needs."""
        timeline, sampler = Timeline(), self.sampler
        told = listening(timeline, passing_folder(), sampler.now, sampler.read_here, warnings)
        return timeline, self._listening.enter_context(told)

    def close(self) -> None:
        """Closes the sources; hands over what was made in `out`, where root made it."""
        self._listening.close()  # before the sources that it has read
        self._close_sources()
        if self._created is not None:
            self._created.give_to_caller()

    def _close_sources(self) -> None:
        for source in self.sources:
            source.close()

    def write_energy(self, energy: Energy) -> None:
        """MachineError where it cannot be written."""
        if self._out is not None:
            write_cpu_energy(self._out / CPU_ENERGY, energy)

    def remove_files(self) -> None:
        """What was made in `out`."""
        if self._created is not None:
            self._created.remove()

    def abandon(self) -> None:
        """Ends and closes what nobody stopped and nobody has any more, or while Python ends.

        In a thread of its own where it can be: the collector may call this in the sampler's.
        """
        if os.getpid() != self.process:
            return
        if threading.main_thread().is_alive():
            start_thread(self._finish, "energy-closing")
        else:  # Python ends, and starts no thread any more
            self._finish()

    def _finish(self) -> None:
        self.end()
        self.close()
