"""Edge: what can be known wrong on this machine before a campaign starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from energyctl.errors import SettingsError
from energyctl.plan import Run, Training
from energyctl.registry import Invocation, Registry, invocation


def python_for(environ: Mapping[str, str], own: str) -> str:
    """The interpreter of trainings that name none.

    That of the activated virtual or conda environment, else the one that runs energyctl.
    """
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        candidate = os.path.join(environ.get(name, ""), "bin", "python")
        if environ.get(name) and os.access(candidate, os.X_OK):
            return candidate
    return own


def trainings(runs: Iterable[Run]) -> dict[tuple[str, str], Training]:
    """One training of each (repo, model) in *runs*."""
    found: dict[tuple[str, str], Training] = {}
    for run in runs:
        for training in (run.foreground, *(job.training for job in run.background)):
            found.setdefault((training.repo, training.model), training)
    return found


def check(
    runs: Iterable[Run], registry: Registry, *, root: Path, python: str, path: str
) -> list[str]:
    """One line per repository of *runs* whose training cannot be started here."""
    problems: list[str] = []
    for (repo, model), training in trainings(runs).items():
        repository = registry.repositories[repo]
        wanted = Path(root, repository.path) if repository.path is not None else None
        if wanted is not None and not wanted.is_dir():
            problems.append(f"{repo}: its clone is missing; put it at {wanted}")
            continue
        invoked = invocation(
            repository, model, training.hyperparameters, workspace=root, python=python
        )
        problem = cannot_start(invoked, path)
        if problem:
            problems.append(f"{repo}: {problem}")
    return list(dict.fromkeys(problems))


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
        ["/bin/bash", "-n"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        raise SettingsError(f"{origin}: bash refuses the background's script: {said}")
