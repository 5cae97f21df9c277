"""What can be known wrong on this machine before a campaign starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from energyctl.campaign.training import config_files, containers, workdirs
from energyctl.campaign.training.interpreters import imports_missing
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation, Repository
from energyctl.config.registry.model import Role
from energyctl.errors import SettingsError


def check(runs: Iterable[Run], trainings: Trainings, *, prepared: bool = False) -> list[str]:
    """One line for each thing by which a training of *runs* cannot be started here.

    prepared: whether data, shared folders and files must be there that a `prepare` may bring.
    """
    uses: list[tuple[Role, Training]] = []
    for run in runs:
        uses.append(("foreground", run.foreground))
        uses += [("background", job.training) for job in run.background]
    kinds: dict[tuple[str, str], tuple[Training, set[Role]]] = {}
    for role, training in uses:  # one of each repository and model stands for all
        _, roles = kinds.setdefault((training.repo, training.model), (training, set()))
        roles.add(role)
    lines = [
        f"{training.repo}: {line}"
        for training, roles in kinds.values()
        for role in sorted(roles, reverse=True)
        for line in _check(training, role, trainings, prepared)
    ]
    return list(dict.fromkeys(lines)) or list(dict.fromkeys(_values_problems(uses, trainings)))


def _check(training: Training, role: Role, trainings: Trainings, prepared: bool) -> Iterator[str]:
    repository, clone = trainings.repository(training), trainings.clone(training)
    if repository.path is not None and not clone.is_dir():
        yield f"its clone is missing; put it at {clone}"
        return
    fetched = prepared or repository.prepare is None
    if fetched:
        yield from _missing_folders(repository, clone, trainings)
    try:
        interpreter = trainings.interpreter(repository)
        invoked = trainings.invocations(training, role, None, "RUN")
        needed = trainings.resolved_in(training, role, None, "RUN").needed_files
        if repository.prepare is not None:
            invoked = (*invoked, trainings.preparation(repository))
    except SettingsError as error:
        yield str(error).removeprefix(f"{repository.name}: ")
        return
    yield from containers.problems(repository, trainings.root, trainings.environ)
    for item in invoked:
        path = item.env.get("PATH") or trainings.environ.get("PATH", os.defpath)
        if repository.workspace == "empty":
            item = replace(item, cwd=str(clone))
        if problem := cannot_start(item, path):
            yield problem
    for name in needed if fetched else ():
        if not (file := clone / name).exists():
            yield f"{file} is missing (preflight)"
    if repository.needed_imports:
        env = tuple(sorted({**trainings.environ, **invoked[0].env}.items()))
        if problem := imports_missing(interpreter.python, repository.needed_imports, clone, env):
            yield f"{problem} (preflight)"


def _missing_folders(repository: Repository, clone: Path, trainings: Trainings) -> Iterator[str]:
    if repository.data is not None and not (data := trainings.root / repository.data).exists():
        yield f"its data is missing; put it at {data}"
    for source in workdirs.shared_folders(repository, clone):
        if not source.exists():
            yield workdirs.missing_share(source)


def _values_problems(uses: Iterable[tuple[Role, Training]], trainings: Trainings) -> Iterator[str]:
    """What single values of trainings do not fit; each place of a file is tried once.

    Of trainings that differ in numbers alone, one stands for all.
    """
    kinds = {
        (role, training.repo, training.model, _texts(training)): (role, training)
        for role, training in uses
    }
    places: dict[tuple[Path, str], tuple[str, Any]] = {}
    for role, training in kinds.values():
        try:
            trainings.resolved_in(training, role, None, "RUN")
        except SettingsError as error:
            yield str(error)
        for name, values in trainings.configured(training).items():
            for key, value in values.items():
                file = trainings.clone(training) / name
                places.setdefault((file, key), (training.repo, value))
    for (file, key), (repo, value) in places.items():
        try:
            config_files.edited(file, {key: value})
        except config_files.ConfigFileError as error:
            yield f"{repo}: {error}"


def _texts(training: Training) -> tuple[tuple[str, str | None], ...]:
    """Which values it has, and those of them that are texts."""
    values = training.hyperparameters.items()
    return tuple((name, value if isinstance(value, str) else None) for name, value in values)


def cannot_start(invoked: Invocation, path: str) -> str | None:
    """Why the program of *invoked* cannot be started; None where it can."""
    program = invoked.argv[0]
    if not os.path.isdir(invoked.cwd):
        return f"its folder {invoked.cwd} is missing"
    if "/" not in program:
        found = shutil.which(program, path=path)
        return None if found else f"the program {program!r} is not on PATH"
    file = Path(invoked.cwd, program)
    if not file.is_file():
        return f"{file} is missing"
    if not os.access(file, os.X_OK):
        return f"{file} is not executable; run `chmod +x {file}`"
    return _script_problem(file, path) or _argument_problem(invoked)


def _script_problem(file: Path, path: str) -> str | None:
    """A script without ``#!`` cannot be started (ENOEXEC); nor one whose interpreter is missing."""
    with open(file, "rb") as opened:
        head = opened.read(256)
    if head.startswith(b"\x7fELF"):
        return None
    if not head.startswith(b"#!"):
        return f"{file} has no first line like #!/bin/sh, so it cannot be started"
    words = head[2:].split(b"\n", 1)[0].decode(errors="replace").split()
    if not words or not os.path.exists(words[0]):
        return f"{file}: the interpreter of its first line is missing: {' '.join(words)}"
    if os.path.basename(words[0]) == "env" and len(words) > 1 and not words[1].startswith("-"):
        found = shutil.which(words[1], path=path)
        return None if found else f"{file}: {words[1]!r} of its first line is not on PATH"
    return None


def _argument_problem(invoked: Invocation) -> str | None:
    """``python train.py``: the script that an interpreter is given must be there."""
    if os.path.basename(invoked.argv[0]).startswith("python") and len(invoked.argv) > 1:
        script = invoked.argv[1]
        if script.endswith(".py") and not Path(invoked.cwd, script).is_file():
            return f"{Path(invoked.cwd, script)} is missing"
    return None


def check_script(script: str, origin: Path) -> None:
    """Has bash read the rendered *script* without running it. Raises SettingsError."""
    done = subprocess.run(
        ["/bin/bash", "-n"],
        input=script,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise SettingsError(f"{origin}: bash refuses the background's script: {said}")
