"""The background group of one run: up, loaded, watched, down, and proof that it is gone."""

from __future__ import annotations

import contextlib
import math
import os
import select
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyctl.background.daemon import Daemon
from energyctl.background.entries import Job, RenderedRun
from energyctl.background.job_logs import JobLogs
from energyctl.background.job_view import JobView
from energyctl.background.ledger_reader import LedgerFile
from energyctl.background.load_monitor import LoadMonitor
from energyctl.background.xmlrpc import Unreachable
from energyctl.energy import Phase
from energyctl.errors import BackgroundLost, RunError
from energyctl.launchers import iteration, ledger_writer, subreaper
from energyctl.launchers.regular_files import open_regular
from energyctl.results.background_load import unknown
from energyctl.results.cycles import BETWEEN_SECONDS, Cycle, typical_seconds, whole_cycles
from energyctl.results.document import NOT_COUNTED, background_info, job_info, process_end
from energyctl.results.folder import ResultsFolder
from energyctl.results.ledger import JobLedger, Operation, parse_operations
from energyctl.results.paths import RunFiles
from energyctl.results.schema import BackgroundInfo, GroupEndJson, JobInfo, LedgerFigures
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.files import naming, write_atomic
from energyctl.system.logs import last_line
from energyctl.system.private_folder import if_full
from energyctl.system.process_trees import Tree

KEPT = ("STARTING", "RUNNING", "BACKOFF", "EXITED")
"""States of a program that supervisord starts again (BACKOFF: between two iterations)."""

PRIVATE = ("background.sh", "logs", "environment", "clock")
"""Files of a run in the private folder."""


@dataclass
class BackgroundGroup:
    """The group of one run in *daemon*; *marker* is what its processes carry."""

    daemon: Daemon
    rendered: RenderedRun
    files: RunFiles
    folder: ResultsFolder
    environment: Mapping[str, str]
    marker: str
    cgroup: Cgroup | None = None
    """Of the campaign. While the group is up its daemon is in the part ``background``, so that
    launchers are born there: to move each into it would cost 10 ms of each gap."""

    added: bool = False
    ended: processes.EndReport | None = None
    gpu_memory_held: Sequence[str] = ()
    hung: bool = False
    """Whether its supervisord did not answer at the stop, and was killed."""
    loads: LoadMonitor | None = None
    daemon_exit: int | None = None
    """Readable once the daemon has ended; None while the group is down."""

    def __post_init__(self) -> None:
        self._ledger = LedgerFile(self.files.background_logs)
        self._said: dict[str, str] = {}
        self._others: set[int] = set()
        self.logs = JobLogs()
        self._clock_offset = time.time() - time.monotonic()
        self.kin = processes.Kin(lambda marker: marker == self.marker)

    def write(self, clock_offset: float) -> None:
        """Writes the entries, the script and the private environment; makes the log folders.

        *clock_offset*: Unix time less the monotonic clock, of the time line that the ledger is
        on.
        """
        runtime, self._clock_offset = self.daemon.runtime, clock_offset
        self.folder.write(self.files.script, self.rendered.script)
        self.folder.write(self.files.entries, self.rendered.entries)
        self.folder.make(self.files.background_logs)
        for job in self.rendered.jobs:
            self.folder.make(Path(job.logs))
            # The link of a run before may lead to where no log of this run is: supervisord, which
            # opens it at each start, would never start the job.
            Path(job.tail).unlink(missing_ok=True)
        self._write_private(runtime, clock_offset)

    def _write_private(self, runtime: Path, clock_offset: float) -> None:
        # Entries hold no path of the user's, see entries.
        targets = {"background.sh": self.files.script, "logs": self.files.background_logs}
        for name, target in targets.items():
            (runtime / name).unlink(missing_ok=True)
            (runtime / name).symlink_to(target)
        # Here, not in the script, which stays in the results: the marker is a secret.
        environment = {**self.environment, processes.MARKER: self.marker}
        private = runtime / "environment"
        private.unlink(missing_ok=True)
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with naming(private), open(descriptor, "wb") as file:
            file.write(b"\0".join(os.fsencode(f"{k}={v}") for k, v in environment.items()))
        began = time.monotonic() + clock_offset
        write_atomic(runtime / "clock", f"{clock_offset!r} {began!r}\n")

    def start(self) -> None:
        """Adds the group and starts it.

        Raises RunError with supervisord's words, BackgroundLost where the daemon has just ended.
        """
        self.added = True
        self.daemon_exit = self.daemon.exit_descriptor()
        inside = self._move_daemon("background")
        self._others = self._strangers()
        try:
            self.daemon.add(
                self.rendered.group,
                self.files.entries,
                self.files.background_logs,
                self.daemon.runtime / "clock",
                self.cgroup.part("background").folder if self.cgroup and inside else None,
                self.marker,
            )
        except RunError as error:
            if self.daemon.answers():
                raise
            raise BackgroundLost(f"the background was lost: {error}") from error

    def is_lost(self) -> bool:
        """Whether the daemon has ended under a group that is up."""
        return self.daemon_exit is not None and bool(
            select.select([self.daemon_exit], [], [], 0)[0]
        )

    def check(self) -> None:
        """Raises BackgroundLost where the daemon has ended."""
        if self.is_lost():
            why = if_full(self.daemon.runtime)
            raise BackgroundLost(
                f"the background was lost: its supervisord ended during the run{why}"
            )

    def views(self, now: float, since: float | None = None) -> list[JobView]:
        """Each job now; how present it was from *since* to *now* (Unix seconds)."""
        ledger, views = self._ledger.look(), []
        for job in self.rendered.jobs:
            own = ledger[job.name]
            span = None if since is None or now <= since else own.presence(since, now)
            running = [item for item in own.running if item.ended is None]
            last = now if own.last_end is None else own.last_end
            views.append(
                JobView(
                    name=job.name,
                    iterations=own.iterations,
                    failures=own.failures,
                    running=bool(running),
                    began=own.latest_start,
                    away_seconds=0.0 if running else max(0.0, now - last),
                    coverage=span.coverage if span else None,
                    max_gap_seconds=span.max_gap_seconds if span else None,
                    progress=self.logs.progress(job.name, running[-1].run) if running else None,
                    unit=self.logs.units.get(job.name),
                )
            )
        return views

    def look(self) -> list[processes.ProcessInfo]:
        """What is alive of it: by its marker, its cgroup, what was seen below, and orphans."""
        members = self.cgroup.part("background").members() if self.cgroup else []
        orphans = [orphan.pid for orphan in processes.orphans()]
        return self.kin.look({*members, *orphans} - self._others)

    def saw(self, trees: Sequence[Tree]) -> None:
        """Remembers what is below its launchers; any process may have written the notes by which
        these were found."""
        members = dict[int, int]()
        for tree in trees:
            carried = processes.environment_value(tree.root, processes.MARKER)
            members |= tree.members if carried == self.marker else {}
        self.kin.saw(members)

    def _move_daemon(self, part: str) -> bool:
        """Whether the daemon is in that part of the cgroup now; one of an operator never is."""
        child = self.daemon.child
        return (
            self.cgroup is not None and child is not None and self.cgroup.part(part).add(child.pid)
        )

    def _strangers(self) -> set[int]:
        """The daemon, and what else it runs; empty where it is gone."""
        return self.daemon.strangers(self.marker.partition("/")[0])

    def stop(self) -> processes.EndReport:
        """Ends the group, then whatever is left of it; returns when a look finds nothing."""
        if not self.added:
            return processes.EndReport(0.0, (), ())
        began = time.monotonic()
        self._others = self._strangers() or self._others
        self._move_daemon("daemon")
        self.look()  # while all of it has its parents
        self.look_at_logs(at_once=True)
        if not self.daemon.answers_soon() and self.daemon.process() is not None:
            self.hung = self.daemon.kill()
        # Where it is lost, its launchers have ended with it.
        with contextlib.suppress(Unreachable):
            self.daemon.remove(self.rendered.group)

        # All of the cgroup at once, unless there is someone else in it.
        alone = self.cgroup and not self._others & set(self.cgroup.part("background").members())
        kill = self.cgroup.part("background").kill if self.cgroup and alone else lambda: None
        # Launchers whose daemon is gone end their trainings by themselves, and write their rows.
        grace = subreaper.ABANDONED_GRACE_SECONDS + 1.0 if self.is_lost() else 2.0
        ended = processes.end(self.look, grace_seconds=grace, kill=kill)
        self.added = False
        self.ended = processes.EndReport(time.monotonic() - began, ended.found, ended.left)
        self._said = {job.name: _last_words(Path(job.tail)) for job in self.rendered.jobs}
        if self.daemon_exit is not None:
            os.close(self.daemon_exit)
            self.daemon_exit = None
        self._close_rows()
        self.look_at_logs(at_once=True)
        for name in PRIVATE:
            (self.daemon.runtime / name).unlink(missing_ok=True)
        return self.ended

    def _close_rows(self) -> None:
        """The rows of iterations whose launcher was killed, and the guard with it."""
        clock = str(self.daemon.runtime / "clock")
        if not self.files.background_logs.is_dir():
            return  # it vanished, and is not made anew
        for job in self.rendered.jobs:
            with contextlib.suppress(OSError):
                ledger_writer.close_cut_off(
                    str(self.files.ledger), job.name, iteration.now(clock), job.logs
                )

    def is_up(self) -> bool:
        """Whether supervisord keeps every job: nobody has stopped or removed one."""
        try:
            states = {p.name: p.state for p in self.daemon.group(self.rendered.group)}
        except Unreachable:
            return False
        return all(states.get(job.name) in KEPT for job in self.rendered.jobs)

    def coverage(self, spans: Sequence[tuple[float, float]]) -> dict[str, float]:
        """Share of *spans* (Unix seconds) in which each job was in an iteration."""
        ledger, total = self._ledger.look(), sum(end - start for start, end in spans)
        shares = {}
        for job in self.rendered.jobs:
            own = ledger[job.name]
            there = sum(own.presence(s, e).coverage * (e - s) for s, e in spans)
            shares[job.name] = there / total if total > 0 else 0.0
        return shares

    def look_at_logs(self, *, at_once: bool = False) -> None:
        """At those of the iterations that run."""
        now, wall = time.monotonic() + self._clock_offset, time.time()
        ledger = self._ledger.look() if self.logs.readers else {}
        self.logs.look(ledger, now, now - wall, at_once=at_once)

    def cycles(self, longest_seconds: float = math.inf) -> dict[str, Sequence[Cycle]]:
        """The whole cycles of each job so far: its iterations, or, of those whose iterations take
        longer than *longest_seconds*, and whose log tells of them, its epochs."""
        return {job: cycles for job, (cycles, _) in self.cycles_in_units(longest_seconds).items()}

    def cycles_in_units(self, longest_seconds: float) -> dict[str, tuple[Sequence[Cycle], str]]:
        """The same, and for each job what they are: "iteration" or "epoch"."""
        ledger, cycles = self._ledger.look(), dict[str, tuple[Sequence[Cycle], str]]()
        for job in self.rendered.jobs:
            between = BETWEEN_SECONDS + job.restart_delay_seconds
            iterations = whole_cycles(ledger[job.name], between)
            cycles[job.name] = iterations, "iteration"
            epochs = self.logs.epochs.get(job.name)
            seconds = typical_seconds(iterations) or (epochs.expected_seconds if epochs else 0.0)
            if epochs is not None and seconds > longest_seconds:
                cycles[job.name] = list(epochs.cycles), "epoch"
        return cycles

    def operations(self) -> list[Operation]:
        """What operators did to the group."""
        try:
            with open(
                self.files.operators, encoding="utf-8", errors="replace", opener=open_regular
            ) as file:
                text = file.read()
        except OSError:
            return []
        return parse_operations(text)

    def info(
        self, start: float | None, end: float | None, phases: Sequence[Phase] = ()
    ) -> BackgroundInfo:
        """``background_info`` of the result, for the foreground's span (Unix seconds), and the
        work in the run's *phases*."""
        ledger = self._ledger.look()
        jobs = [self._job_info(job, ledger[job.name], start, end) for job in self.rendered.jobs]
        for job in jobs if phases else ():
            job["work"] = self.logs.work(job["job"], ledger[job["job"]], phases)
        stop: GroupEndJson | None = None
        if self.ended is not None:
            stop = {**process_end(self.ended), "gpu_memory_held": list(self.gpu_memory_held)}
        return background_info(jobs, stop=stop)

    def _job_info(
        self, job: Job, own: JobLedger, start: float | None, end: float | None
    ) -> JobInfo:
        why = "the foreground never ran"
        figures: LedgerFigures = {
            **NOT_COUNTED,
            "iterations": own.iterations,
            "failures": own.failures,
        }
        load = unknown(why)
        if start is not None and end is not None:
            figures = own.presence(start, end).to_json()
            load = unknown("it was not looked at")
            if self.loads is not None:
                load = self.loads.between(start, end)[job.name]
        return job_info(
            job.name,
            job.training.to_json(),
            load,
            figures,
            why=why,
            logs=os.path.relpath(job.logs, self.files.folder),
            error=None if own.iterations else self._never_started(job.name),
            placed=job.placed,
        )

    def _never_started(self, job: str) -> str:
        said = self._said.get(job)
        return "no iteration ever started" + (f": {said}" if said else "")


def _last_words(tail: Path) -> str:
    """The last line of what `supervisorctl tail` reads: the daemon's own log of a job, or a link
    of the launcher's to that of the latest iteration."""
    return last_line(tail.readlink() if tail.is_symlink() else tail)
