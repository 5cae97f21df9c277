"""What the placeholders of a repository stand for in one training, in one role, in one folder."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energyctl import launchers
from energyctl.config.registry.arguments import written
from energyctl.config.registry.model import Metric, Repository, Role, Step
from energyctl.config.registry.placeholders import filled, filled_pattern
from energyctl.errors import SettingsError

# Programs of one file, for the interpreters of repositories: energyctl is not installed there.
_NOTEBOOK = Path(launchers.__file__).resolve().with_name("notebook.py")
_DEMO = _NOTEBOOK.parents[1] / "demo" / "digits.py"


@dataclass(frozen=True)
class Interpreter:
    """What ``{python}`` is for a repository, and what its environment needs for it."""

    python: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InvocationContext:
    """Where a training runs, and as what.

    workspace: absolute. workdir: the folder that the run works in; None: the clone itself.
    run_id: unique for each training that runs at the same time. environ: what the training gets
    beside that of the registry.
    """

    workspace: Path
    interpreter: Interpreter
    role: Role = "foreground"
    workdir: Path | None = None
    run_id: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)


def root_of(repository: Repository, workspace: Path) -> Path:
    """The folder of the clone."""
    return workspace / (repository.path or "")


def texts(
    repository: Repository, model: str, values: Mapping[str, Any], where: InvocationContext
) -> dict[str, str]:
    """What each placeholder stands for, but for lists; hyper-parameters as programs read them."""
    root, parameters = root_of(repository, where.workspace), repository.parameters_of(model)
    own = {
        name: written(parameters[name], value)
        for name, value in values.items()
        if value is not None and parameters[name].unsupported is None
    }
    return own | {
        "python": where.interpreter.python,
        "repo": str(root),
        "model": model,
        "workspace": str(where.workspace),
        "workdir": str(where.workdir or root),
        "run_id": where.run_id,
        "role": where.role,
        "notebook": str(_NOTEBOOK),
        "demo": str(_DEMO),
        "data": "" if repository.data is None else str(where.workspace / repository.data),
    }


def filled_texts(
    repository: Repository, what: str, given: Iterable[str], known: Mapping[str, str]
) -> tuple[str, ...]:
    """Texts with their placeholders filled in. Raises SettingsError for one without a value."""
    try:
        return tuple(filled(text, known) for text in given)
    except KeyError as error:
        raise lacks(repository, what, error.args[0]) from None


def lacks(repository: Repository, what: str, name: str) -> SettingsError:
    """Of a placeholder without a value, or a variable that is not set."""
    if name.startswith("$"):
        return SettingsError(
            f"{repository.name}: {what} needs {name}, which is not set; "
            "set it, or write its value there"
        )
    return SettingsError(
        f"{repository.name}: {what} needs {{{name}}}, which has no value; "
        "give it one in the settings, or a default in the registry"
    )


def resolved(
    repository: Repository, model: str, values: Mapping[str, Any], where: InvocationContext
) -> Repository:
    """The repository with globs, patterns and needed files filled in for one training. Raises
    SettingsError for a placeholder that has no value, and for one that leads elsewhere."""
    known = texts(repository, model, values, where)
    parameters = repository.parameters_of(model)

    def globs(what: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_glob(repository, what, pattern, known) for pattern in patterns)

    def progress(name: str) -> str:
        """A number is the total, where it stands behind what is done."""
        numeric = name in parameters and parameters[name].type in ("int", "float")
        return f"({re.escape(known[name])})" if numeric else re.escape(known[name])

    def metrics(of: tuple[Metric, ...]) -> tuple[Metric, ...]:
        return tuple(_metric(repository, metric, known) for metric in of)

    def step(one: Step) -> Step:
        found = {name: _glob(repository, name, text, known) for name, text in one.values.items()}
        return replace(one, metrics=metrics(one.metrics), values=MappingProxyType(found))

    def count(what: str, source: str) -> str:
        return _pattern(repository, what, source, progress)

    source, work = repository.progress, repository.work
    return replace(
        repository,
        keep=globs("outputs.keep", repository.keep),
        delete=globs("outputs.delete", repository.delete),
        metrics=metrics(repository.metrics),
        steps=tuple(step(one) for one in repository.steps),
        progress=None if source is None else count("progress", source),
        work=None if work is None else replace(work, pattern=count("work.pattern", work.pattern)),
        needed_files=filled_texts(repository, "preflight.files", repository.needed_files, known),
    )


def _metric(repository: Repository, metric: Metric, known: Mapping[str, str]) -> Metric:
    what, file, pattern = f"metric {metric.name}", metric.file, metric.pattern
    if pattern is not None:
        pattern = _pattern(repository, what, pattern, lambda name: re.escape(known[name]))
    return replace(
        metric,
        pattern=pattern,
        file=None if file is None else _glob(repository, what, file, known),
    )


def _pattern(repository: Repository, what: str, pattern: str, write: Callable[[str], str]) -> str:
    try:
        return filled_pattern(pattern, write)
    except KeyError as error:
        raise lacks(repository, what, error.args[0]) from None


def _glob(repository: Repository, what: str, pattern: str, known: Mapping[str, str]) -> str:
    """What is filled in stands for itself, whatever it holds."""
    literal = {name: glob.escape(text) for name, text in known.items()}
    (result,) = filled_texts(repository, what, (pattern,), literal)
    if result.startswith("/") or ".." in result.split("/"):
        raise SettingsError(
            f"{repository.name}: {what} would be {result}, which leads out of the folder that the "
            "run works in"
        )
    return result
