"""One run and the templates → supervisord entries and their script, as text. Pure.

Two files per run: the entries (``background_training_E.conf``) hold only names and paths that
energyctl chose, in its private folder; every string of the user stands in the script
(``background_training_E.sh``), which is one iteration of each training.
supervisord's own quoting cannot hold every string (``%``, `` ;``, newlines…), a shell's can.

The quoting is not left to the templates, which operators edit: in a script every ``{{ value }}``
is quoted for the shell as it is printed, and in the entries a value that supervisord could
misread is an error unless it went through the filter ``entry``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import sandbox

from energyctl.background.protocol import GROUP_PREFIX, JOB, STOP_WAIT_SECONDS
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation, parts
from energyctl.errors import SettingsError
from energyctl.results.paths import LEDGER
from energyctl.text import safe_name

_SAFE_IN_ENTRY = re.compile(r"[A-Za-z0-9_./:,@+=-]*")


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
class EntryPaths:
    """Where the files of one run are, and how its launchers treat them.

    ``runtime`` is short and made of safe characters only. ``clock`` holds the run's time line;
    ``keep_logs`` is ``FIRST,LAST,FAILED`` or ``all``.
    """

    runtime: Path
    script: Path
    logs: Path
    environment_file: Path
    clock: Path
    python: str
    launcher: Path
    keep_logs: str

    @property
    def live_logs(self) -> Path:
        """A link to `logs`, which may hold any character."""
        return self.runtime / "logs"

    @property
    def ledger(self) -> Path:
        return self.live_logs / LEDGER


@dataclass(frozen=True)
class RenderedRun:
    """The entries and the script of one run, ready to be written."""

    group: str
    jobs: tuple[Job, ...]
    entries: str
    script: str


class _Quoted(str):
    """Text that is already safe where it stands."""

    __slots__ = ()


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
    experiment_id: str,
    places: EntryPaths,
    invocations_of: Callable[[Training, str], tuple[Invocation, ...]],
    environment: Mapping[str, str],
) -> tuple[Job, ...]:
    """The jobs of *run*, by what *invocations_of* says of a training and a job's name;
    *environment* is added to what that sets."""
    names = job_names(run)
    jobs: list[Job] = []
    for background in run.background:
        for copy in range(background.copies):
            name = names[len(jobs)]
            logs = places.logs / name if len(names) > 1 else places.logs
            invocations = invocations_of(background.training, name)
            merged = {**invocations[0].env, **environment, JOB: name}
            jobs.append(
                Job(
                    name=name,
                    program=f"{GROUP_PREFIX}{experiment_id}_{name}",
                    training=background.training,
                    invocations=invocations,
                    logs=str(logs),
                    tail=str(places.runtime / f"{name}.out"),
                    live_logs=str(places.live_logs / name if len(names) > 1 else places.live_logs),
                    first_delay_seconds=copy * background.stagger_seconds,
                    restart_delay_seconds=background.restart_delay_seconds,
                    environment=tuple(merged.items()),
                )
            )
    return tuple(jobs)


def for_entry(value: object) -> str:
    """Quotes a value for ``command=`` and its like, where supervisord expands and splits.

    Raises SettingsError for NUL and line breaks, which no quoting can hold there.
    """
    text = str(value)
    if _SAFE_IN_ENTRY.fullmatch(text):
        return _Quoted(text)
    if any(character in text for character in "\0\r\n"):
        raise SettingsError(f"{text!r} cannot stand in a supervisord entry: it has a line break")
    text = text.replace("'", "'\"'\"'")
    text = re.sub(r"[;#%]", lambda match: "''" + match.group().replace("%", "%%''"), text)
    return _Quoted(f"'{text}'")


def for_sbatch(value: object) -> str:
    """A value as a line ``#SBATCH --name=value`` holds it. Raises SettingsError for line breaks.

    sbatch takes quotes and backslashes there as a shell does, and ``#`` as the begin of a comment.
    """
    text = str(value)
    if not text.isprintable():
        raise SettingsError(f"{text!r} cannot stand in a line of sbatch: it is not printable")
    if re.fullmatch(r"[A-Za-z0-9_./:,@+=%*-]+", text):
        return _Quoted(text)
    return _Quoted('"' + re.sub(r'(["\\])', r"\\\1", text) + '"')


def _finish_entry(value: Any) -> Any:
    if isinstance(value, _Quoted | int | float) or _SAFE_IN_ENTRY.fullmatch(str(value)):
        return value
    raise SettingsError(f"{str(value)!r} in a supervisord entry needs the filter `| entry`")


def _finish_script(value: Any) -> Any:
    if isinstance(value, _Quoted):
        return value
    if isinstance(value, str | int | float):
        return _Quoted(shlex.quote(_in_shell(str(value))))
    if isinstance(value, jinja2.Undefined):
        str(value)  # raises the error that names the variable
    raise SettingsError(f"{value!r} in a script is neither text nor a number")


def _in_shell(text: str) -> str:
    if "\0" in text:
        raise SettingsError(f"{text!r} cannot be an argument: it has a NUL character")
    return text


def _comment(value: object) -> str:
    """One line of printable text, for a comment or a message inside double quotes."""
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return _Quoted(re.sub(r'[`$"\\]', "_", text))


def _lines(arguments: Sequence[str]) -> str:
    """Shell words, one a line, joined by continuations."""
    return _Quoted(" \\\n        ".join(_word(item) for item in arguments))


def _word(argument: str) -> str:
    """A shell word; what an earlier step hands on is a variable of the script."""
    words = [
        shlex.quote(_in_shell(text)) * bool(text or name is None)
        + (f'"${{handed_{name}}}"' if name else "")
        for text, name in parts(argument)
    ]
    return "".join(words[:-1]) + ("" if len(words) > 1 and words[-1] == "''" else words[-1])


@lru_cache
def _environment(folder: Path, script: bool) -> jinja2.Environment:
    # A template is the user's; energyctl may run as root.
    environment = sandbox.SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        finalize=_finish_script if script else _finish_entry,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    environment.filters.update(entry=for_entry, comment=_comment, lines=_lines, sbatch=for_sbatch)
    return environment


def render_template(path: Path, values: Mapping[str, Any], *, script: bool) -> str:
    """Renders one template; *script* chooses the quoting of shells, else that of supervisord.

    Raises SettingsError naming the file and, for an error in the template, the line.
    """
    environment = _environment(path.parent, script)
    try:
        return environment.get_template(path.name).render(values)
    except jinja2.TemplateNotFound as error:
        raise SettingsError(f"{path.parent / str(error.name)}: no such template") from error
    except jinja2.TemplateSyntaxError as error:
        raise SettingsError(f"{path}, line {error.lineno}: {error.message}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}{_line_in(path, error)}: {error}") from error
    except Exception as error:  # a template may fail in any way that an expression can
        line = _line_in(path, error)
        raise SettingsError(f"{path}{line}: {type(error).__name__}: {error}") from error


def _line_in(path: Path, error: BaseException) -> str:
    """``, line N`` of the template in which *error* came up, from its rewritten traceback."""
    number = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return f", line {number}" if number else ""


def render(
    experiment_id: str,
    jobs: tuple[Job, ...],
    places: EntryPaths,
    templates: tuple[Path, Path],
) -> RenderedRun:
    """The entries and the script of one run, from the templates (entries, script)."""
    group = f"{GROUP_PREFIX}{experiment_id}"
    values = {
        "experiment_id": experiment_id,
        "group": group,
        "jobs": jobs,
        "script": str(places.script),
        "runtime": str(places.runtime),
        "ledger": str(places.ledger),
        "environment_file": str(places.environment_file),
        "clock": str(places.clock),
        "keep_logs": places.keep_logs,
        "python": places.python,
        "launcher": str(places.launcher),
        "stop_wait_seconds": STOP_WAIT_SECONDS,
    }
    return RenderedRun(
        group=group,
        jobs=jobs,
        entries=render_template(templates[0], values, script=False),
        script=render_template(templates[1], values, script=True),
    )
