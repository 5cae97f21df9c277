"""Edge: the background group of one run: up, loaded, watched, down, and proof that it is gone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl import processes, programs
from energyctl.errors import RunError, SettingsError
from energyctl.foreground import last_line
from energyctl.groups import GROUP_PREFIX
from energyctl.ledger import Iteration, of_job, presence
from energyctl.observer import JobView
from energyctl.plan import Run, Training
from energyctl.programs import Job, Places, Rendered
from energyctl.registry import Invocation
from energyctl.results import BACKGROUND_NOTE, LedgerFile, ResultsFolder, RunFiles, read_text
from energyctl.supervisor import Daemon, Program, Unreachable

LAUNCHER = Path(__file__).with_name("iteration.py")
GOOD_COVERAGE = 0.99


def render(
    run: Run,
    files: RunFiles,
    runtime: Path,
    templates: tuple[Path, Path],
    invocation_of: Callable[[Training], Invocation],
    marker: str,
) -> Rendered:
    """The entries and the script of *run* (pure but for reading the templates)."""
    places = Places(
        runtime=runtime,
        script=runtime / "background.sh",
        logs=files.background_logs,
        environment_file=runtime / "environment",
        python=sys.executable,
        launcher=LAUNCHER,
    )
    marks = {processes.MARKER: marker}
    jobs = programs.make_jobs(run, files.experiment_id, places, invocation_of, marks)
    return programs.render(files.experiment_id, jobs, places, templates)


def edited(rendered: Rendered, folder: Path, token: str, experiment_id: str) -> Rendered:
    """*rendered* with the texts that the operator edited in *folder* (``render`` wrote them).

    The run's id is not known when they are written, so they hold *token* in its place.
    Raises SettingsError where one is missing or does not fit this run.
    """
    texts = []
    for suffix in ("conf", "sh"):
        path = folder / f"background_training_{token}.{suffix}"
        texts.append(read_text(path, "a rendered file").replace(token, experiment_id))
    if f"[group:{rendered.group}]" not in texts[0]:
        raise SettingsError(
            f"{folder}/background_training_{token}.conf: no [group:{GROUP_PREFIX}{token}];"
            " render it again, and keep that line"
        )
    return Rendered(rendered.group, rendered.jobs, texts[0], texts[1])


@dataclass
class Background:
    """The group of one run in *daemon*; *marker* is what its processes carry."""

    daemon: Daemon
    rendered: Rendered
    files: RunFiles
    folder: ResultsFolder
    environment: Mapping[str, str]
    marker: str
    known: Callable[[], list[int]]
    added: bool = False
    ended: processes.Ended | None = None
    lost: str | None = None

    def __post_init__(self) -> None:
        self._ledger = LedgerFile(self.files.background_logs)
        self._said: dict[str, str] = {}

    def write(self) -> None:
        """Writes the entries, the script and the private environment; makes the log folders."""
        user, runtime = self.folder.user, self.daemon.runtime
        self.folder.write(self.files.script, self.rendered.script)
        self.folder.write(self.files.entries, self.rendered.entries)
        self.folder.make(self.files.background_logs)
        for job in self.rendered.jobs:
            self.folder.make(Path(job.logs))
        link = runtime / "background.sh"
        link.unlink(missing_ok=True)
        link.symlink_to(self.files.script)
        private = runtime / "environment"
        private.unlink(missing_ok=True)
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(b"\0".join(os.fsencode(f"{k}={v}") for k, v in self.environment.items()))
        user.own(private)

    def start(self) -> None:
        """Adds the group and starts it. Raises RunError with supervisord's words."""
        self.added = True
        self.daemon.add(self.rendered.group, self.files.entries)

    def programs(self) -> list[Program]:
        """The group's processes. Raises RunError where the daemon is gone."""
        try:
            return self.daemon.group(self.rendered.group)
        except Unreachable as error:
            raise RunError(f"the background is lost: {error}") from error

    def views(self) -> list[JobView]:
        iterations = self._ledger.iterations()
        views = []
        for job in self.rendered.jobs:
            own = of_job(iterations, job.name)
            views.append(
                JobView(
                    name=job.name,
                    iterations=len(own),
                    failures=sum(item.failed for item in own),
                    running=any(item.ended is None for item in own),
                )
            )
        return views

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far of each job's process tree."""
        pids = {program.name: program.pid for program in self.programs()}
        return {name: processes.cpu_seconds(pid) for name, pid in pids.items() if pid}

    def look(self) -> list[processes.Found]:
        """What is alive of the background: its marker, and the trees under its programs."""
        found = {p.pid: p for p in processes.marked(lambda marker: marker == self.marker)}
        for process in processes.orphans(self.known()):
            found[process.pid] = process
        return list(found.values())

    def stop(self) -> processes.Ended:
        """Ends the group, then whatever is left of it; returns when a look finds nothing."""
        if not self.added:
            return processes.Ended(0.0, (), ())
        began = time.monotonic()
        trees = self._trees()
        try:
            self.daemon.remove(self.rendered.group)
        except Unreachable as error:
            self.lost = f"the background's supervisord was lost during the run: {error}"
        alive = {(p.pid, p.ticks) for p in trees}

        def look() -> list[processes.Found]:
            again = [processes.identify(pid) for pid, _ in alive]
            still = [p for p in again if p is not None and (p.pid, p.ticks) in alive]
            return [*still, *self.look()]

        ended = processes.end(look, grace_seconds=2.0)
        self.added = False
        self.ended = processes.Ended(time.monotonic() - began, ended.found, ended.left)
        self._said = {job.name: last_line(Path(job.tail)) for job in self.rendered.jobs}
        for name in ("background.sh", "environment"):
            (self.daemon.runtime / name).unlink(missing_ok=True)
        return self.ended

    def _trees(self) -> list[processes.Found]:
        """Every process under the group's programs now: some hide their marker and survive."""
        try:
            pids = [program.pid for program in self.daemon.group(self.rendered.group)]
        except Unreachable:
            return []
        return processes.descendants([pid for pid in pids if pid])

    def info(self, start: float | None, end: float | None) -> dict[str, Any]:
        """``background_info`` of the result, for the foreground's span (Unix seconds)."""
        iterations = self._ledger.iterations()
        jobs = [
            self._job_info(job, of_job(iterations, job.name), start, end)
            for job in self.rendered.jobs
        ]
        only = jobs[0] if len(jobs) == 1 else {}
        return {
            "repo": only.get("repo"),
            "model": only.get("model"),
            "hyperparameters": only.get("hyperparameters"),
            "note": BACKGROUND_NOTE,
            "jobs": jobs,
            "stop": None
            if self.ended is None
            else {
                "seconds": self.ended.seconds,
                "survivors": [f"{p.pid} {p.command}" for p in self.ended.found],
                "left": [f"{p.pid} {p.command}" for p in self.ended.left],
            },
        }

    def _job_info(
        self, job: Job, own: list[Iteration], start: float | None, end: float | None
    ) -> dict[str, Any]:
        if start is None or end is None:
            span, why = None, "the foreground never ran"
            missing = {"coverage": why, "load": why, "max_gap_seconds": why}
        else:
            span = presence(own, start, end)
            missing = {"load": "not measured by this version"}
        return {
            "job": job.name,
            "repo": job.training.repo,
            "model": job.training.model,
            "hyperparameters": job.training.hyperparameters,
            "iterations": span.iterations if span else len(own),
            "failures": span.failures if span else sum(i.failed for i in own),
            "coverage": span.coverage if span else None,
            "load": None,
            "max_gap_seconds": span.max_gap_seconds if span else None,
            "missing": missing,
            "logs": os.path.relpath(job.logs, self.files.folder),
            "error": None if own else self._never_started(job.name),
        }

    def _never_started(self, job: str) -> str:
        said = self._said.get(job)
        return "no iteration ever started" + (f": {said}" if said else "")


def planned_info(run: Run, why: str) -> dict[str, Any]:
    """``background_info`` of a run whose background was never started, or is not known."""
    figures = ("iterations", "failures", "coverage", "load", "max_gap_seconds")
    names = iter(programs.job_names(run))
    jobs = [
        {
            "job": next(names),
            **background.training.to_json(),
            **dict.fromkeys(figures),
            "missing": dict.fromkeys(figures, why),
            "logs": None,
            "error": why,
        }
        for background in run.background
        for _ in range(background.copies)
    ]
    only = jobs[0] if len(jobs) == 1 else {}
    return {
        **{key: only.get(key) for key in ("repo", "model", "hyperparameters")},
        "note": BACKGROUND_NOTE,
        "jobs": jobs,
        "stop": None,
        "settle": None,
    }


def coverage_warnings(info: Mapping[str, Any]) -> list[str]:
    """One line per job that was away, or failed, while the foreground ran."""
    warnings = []
    for job in info["jobs"]:
        if job["error"]:
            warnings.append(f"background {job['job']}: {job['error']}")
        elif job["coverage"] is not None and job["coverage"] < GOOD_COVERAGE:
            warnings.append(
                f"background {job['job']} ran for {job['coverage']:.1%} of the foreground's time "
                f"(longest gap {job['max_gap_seconds']:.2f} s)"
            )
        if job["failures"]:
            warnings.append(
                f"background {job['job']}: {job['failures']} of {job['iterations']} iterations "
                f"failed; see {job['logs']}"
            )
    return warnings
