"""Trainings in containers: their command lines, and what can be known wrong before they start."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import energyctl
from energyctl.background.protocol import JOB
from energyctl.campaign.training import workdirs
from energyctl.config.plan import Run
from energyctl.config.registry import Invocation, Registry, Repository
from energyctl.launchers import container as launcher
from energyctl.system import processes, programs
from energyctl.text import safe_name

PROGRAM = Path(launcher.__file__)
CALL_SECONDS = 20.0
"""A daemon that sleeps is woken by the first call."""


def contained(invoked: Invocation, repository: Repository, root: Path, run_id: str) -> Invocation:
    """*invoked* as the command that runs it in its repository's container; else as it is.

    Its folders are there at the same paths. Values of the environment are not on the command line,
    where every user could read them.
    """
    own = repository.container
    if own is None:
        return invoked
    options = ["--workdir", invoked.cwd]
    for name in (processes.MARKER, JOB, *invoked.env):
        options += ["--env", name]
    for mount in _mounts(invoked, repository, root):
        options += ["--mount", mount]
    name = f"energyctl-{safe_name(run_id)}"
    command = [sys.executable, "-I", "-S", str(PROGRAM), own.runtime, name]
    argv = (*command, *options, *own.args, "--", own.image, *invoked.argv)
    return replace(invoked, argv=argv)


def _mounts(invoked: Invocation, repository: Repository, root: Path) -> list[str]:
    """The clone, the run's folder, data and shared folders, and what the registry adds."""
    assert repository.container is not None
    clone = root / (repository.path or "")
    folders = [clone, clone.resolve(), Path(invoked.workdir)]
    folders += workdirs.shared_folders(repository, clone)
    if repository.data is not None:
        folders.append(root / repository.data)
    package = Path(energyctl.__file__).resolve().parent  # {notebook} and {demo} are in it
    if any(item.startswith(str(package)) for item in invoked.argv):
        folders.append(package)
    mounts = [f"type=bind,source={folder},target={folder}" for folder in dict.fromkeys(folders)]
    for text in repository.container.mounts:
        source, _, rest = text.partition(":")
        target, _, mode = rest.partition(":")
        source = str(root / os.path.expanduser(source))
        only = ",readonly" if mode == "ro" else ""
        mounts.append(f"type=bind,source={source},target={target or source}{only}")
    return mounts


def runtimes(runs: Iterable[Run], registry: Registry) -> set[str]:
    """Those that the trainings of *runs* need."""
    names = {job.training.repo for run in runs for job in run.background}
    names |= {run.foreground.repo for run in runs}
    own = [registry.repositories[name].container for name in names]
    return {container.runtime for container in own if container is not None}


def problems(repository: Repository, root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Why its container cannot be started here."""
    own = repository.container
    if own is None:
        return
    for text in own.mounts:
        source = root / os.path.expanduser(text.partition(":")[0])
        if not source.exists():
            yield f"{source} of its mounts is missing"
    if problem := _runtime_problem(own.runtime, own.image, tuple(sorted(environ.items()))):
        yield problem


@functools.cache
def _runtime_problem(runtime: str, image: str, environ: tuple[tuple[str, str], ...]) -> str | None:
    """Asked once for all models and roles."""
    path = dict(environ).get("PATH", os.defpath)
    if shutil.which(runtime, path=path) is None:
        return f"{runtime}, which runs its container, is not on PATH"
    failed, said = _fails([runtime, "ps", "--quiet"], environ)
    if failed:
        return f"{runtime} does not answer: {said}"
    failed, said = _fails([runtime, "image", "inspect", image], environ)
    if failed:
        return f"its image {image} is not here ({said}); get it with: {runtime} pull {image}"
    return None


def _fails(words: list[str], environ: Iterable[tuple[str, str]]) -> tuple[bool, str]:
    """Whether a command fails, and its last word."""
    try:
        done = programs.answer(words, CALL_SECONDS, env=dict(environ))
    except subprocess.TimeoutExpired:
        return True, f"nothing within {CALL_SECONDS:g} s"
    except OSError as error:
        return True, str(error.strerror)
    return done.returncode != 0, programs.last_line(done.stderr)
