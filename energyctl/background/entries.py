"""The supervisord entries and the script of a run's background, as text.

Two files per run: the entries (``background_training_E.conf``) hold only names and paths that
energyctl chose, in its private folder; every string of the user stands in the script
(``background_training_E.sh``), which is one iteration of each training.
supervisord's own quoting cannot hold every string (``%``, `` ;``, newlines…), a shell's can.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from energyctl.background.protocol import GROUP_PREFIX, JOB, LAUNCHER, STOP_WAIT_SECONDS
from energyctl.background.templates import render_template
from energyctl.config.places import Place, Placed
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation
from energyctl.errors import SettingsError
from energyctl.results.folder import read_text
from energyctl.results.paths import LEDGER, RunFiles
from energyctl.text import safe_name

InvocationsOf = Callable[[Training, str, Place], tuple[Invocation, ...]]
"""The steps of a training in a job of that name, at that place."""

CPUS = "--cpus"
"""The launcher's option; templates of earlier versions do without it."""


@dataclass(frozen=True)
class JobStep:
    """A step of an iteration, as the script has it. *accepted*: exit codes, with blanks between.

    seconds: 0 for no limit. values: name → glob of what it hands on.
    """

    name: str
    arguments: tuple[str, ...]
    accepted: str
    seconds: float
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Job:
    """One background job of a run; each copy of a background training is a job of its own."""

    name: str
    program: str
    training: Training
    invocations: tuple[Invocation, ...]
    """Its steps, one after the other."""
    logs: str
    tail: str
    live_logs: str
    """The folder of its logs while it runs, through a link of the private folder."""
    first_delay_seconds: float
    restart_delay_seconds: float
    environment: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        return f"{self.training.repo} / {self.training.model}"

    @property
    def directory(self) -> str:
        return self.invocations[0].cwd

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of its first step, in most cases the only one."""
        return self.invocations[0].argv

    @property
    def placed(self) -> Placed:
        return self.invocations[0].placed

    @property
    def cpus(self) -> str:
        """CPUs that it may use, as ``0-7``; empty: all."""
        return self.placed.cpus or ""

    @property
    def workdir(self) -> str:
        return self.invocations[0].workdir

    @property
    def steps(self) -> tuple[JobStep, ...]:
        return tuple(
            JobStep(
                name=item.step.name,
                arguments=item.argv,
                accepted=" ".join(map(str, item.step.accepted_exit_codes)),
                seconds=item.step.timeout_seconds or 0,
                values=tuple(item.step.values.items()),
            )
            for item in self.invocations
        )

    @property
    def simple(self) -> bool:
        """Whether it is one program whose exit code says all."""
        (step, *more) = self.steps
        return not more and step.accepted == "0" and not step.seconds and not step.values


@dataclass(frozen=True)
class RenderedRun:
    """The entries and the script of one run, ready to be written."""

    group: str
    jobs: tuple[Job, ...]
    entries: str
    script: str


def job_names(run: Run) -> list[str]:
    """A name per job: ``{repo}_{model}``, numbered where several would share it."""
    wanted = [
        safe_name(f"{job.training.repo}_{job.training.model}")
        for job in run.background
        for _ in range(job.copies)
    ]
    names: list[str] = []
    for name in wanted:
        number, candidate = 1, name if wanted.count(name) == 1 else f"{name}_1"
        while candidate in names or (candidate != name and candidate in wanted):
            number += 1
            candidate = f"{name}_{number}"
        names.append(candidate)
    return names


def make_jobs(
    run: Run,
    files: RunFiles,
    runtime: Path,
    invocations_of: InvocationsOf,
) -> tuple[Job, ...]:
    """The jobs of *run*, by what *invocations_of* says of them."""
    names = job_names(run)
    jobs: list[Job] = []
    for background in run.background:
        for copy in range(background.copies):
            name = names[len(jobs)]
            folder = name if len(names) > 1 else ""
            invocations = invocations_of(background.training, name, background.place(copy))
            merged = {**invocations[0].env, JOB: name}
            jobs.append(
                Job(
                    name=name,
                    program=f"{GROUP_PREFIX}{files.experiment_id}_{name}",
                    training=background.training,
                    invocations=invocations,
                    logs=str(files.background_logs / folder),
                    tail=str(runtime / f"{name}.out"),
                    live_logs=str(runtime / "logs" / folder),
                    first_delay_seconds=copy * background.stagger_seconds,
                    restart_delay_seconds=background.restart_delay_seconds,
                    environment=tuple(merged.items()),
                )
            )
    return tuple(jobs)


def render(
    run: Run,
    files: RunFiles,
    runtime: Path,
    templates: tuple[Path, Path],
    invocations_of: InvocationsOf,
    *,
    keep_logs: str,
) -> RenderedRun:
    """The entries and the script of *run*, from the *templates* of both.

    *keep_logs* is ``FIRST,LAST,FAILED,MEBIBYTES`` or ``all``. The private folder *runtime* has a
    path of safe characters only; its ``logs`` is a link to the run's folder, which may hold any.
    Raises SettingsError where a template is wrong, or leaves out the CPUs of a place.
    """
    jobs = make_jobs(run, files, runtime, invocations_of)
    group = f"{GROUP_PREFIX}{files.experiment_id}"
    values = {
        "experiment_id": files.experiment_id,
        "group": group,
        "jobs": jobs,
        "script": str(runtime / "background.sh"),
        "runtime": str(runtime),
        "ledger": str(runtime / "logs" / LEDGER),
        "environment_file": str(runtime / "environment"),
        "clock": str(runtime / "clock"),
        "keep_logs": keep_logs,
        "python": sys.executable,
        "launcher": str(LAUNCHER),
        "stop_wait_seconds": STOP_WAIT_SECONDS,
    }
    entries = render_template(templates[0], values, script=False)
    if CPUS not in entries and any(job.cpus for job in jobs):
        raise SettingsError(
            f"{templates[0]}: hands on no CPUs, which a job has by its place; write "
            f"{{% if job.cpus %}}{CPUS} {{{{ job.cpus }}}}{{% endif %}} before the -- there"
        )
    script = render_template(templates[1], values, script=True)
    return RenderedRun(group, jobs, entries, script)


def edited(rendered: RenderedRun, folder: Path, token: str, experiment_id: str) -> RenderedRun:
    """*rendered* with the texts that the operator edited in *folder* (``render`` wrote them).

    The run's id is not known when they are written, so they hold *token* in its place.
    Raises SettingsError where one is missing or does not fit this run.
    """
    texts, files = [], RunFiles.of(folder, token)
    for path in (files.entries, files.script):
        texts.append(read_text(path, "a rendered file").replace(token, experiment_id))
    if f"[group:{rendered.group}]" not in texts[0]:
        raise SettingsError(
            f"{files.entries}: no [group:{GROUP_PREFIX}{token}];"
            " render it again, and keep that line"
        )
    return RenderedRun(rendered.group, rendered.jobs, texts[0], texts[1])
