"""Which Python runs a repository's programs: a command, a path, a virtual environment, or
a conda environment by name."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from energyctl.config.registry import Interpreter, Repository, root_of
from energyctl.errors import SettingsError
from energyctl.system import programs

CONDA = "conda:"
CONDA_FOLDERS = ("miniconda3", "anaconda3", "miniforge3", ".conda")
"""Where their installers put them by default, below the home folder."""

IMPORT_SECONDS = 300.0
"""The first import of a framework from a cold network file system takes minutes."""


def own_python(environ: Mapping[str, str], own: str) -> str:
    """The interpreter of trainings that name none.

    That of the activated virtual or conda environment, else the one that runs energyctl.
    """
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        candidate = os.path.join(environ.get(name, ""), "bin", "python")
        if environ.get(name) and os.access(candidate, os.X_OK):
            return candidate
    return own


def interpreter_of(
    repository: Repository, workspace: Path, python: str, environ: Mapping[str, str]
) -> Interpreter:
    """What ``{python}`` is for *repository*; *python* where it names none.

    The programs of a virtual or conda environment find its other programs first on PATH, as if it
    were activated. Raises SettingsError where it is not there.
    """
    named = repository.interpreter
    if named is None:
        return _with_environment(Path(python), environ)
    if named.startswith(CONDA):
        name = named.removeprefix(CONDA)
        prefixes = _conda_candidates(name, environ)
        prefix = next((p for p in prefixes if (p / "bin" / "python").exists()), None)
        if prefix is None:
            raise SettingsError(
                f"{repository.name}: there is no conda environment {name!r}; "
                "`conda env list` shows those that there are"
            )
        return _with_environment(prefix / "bin" / "python", environ)
    if "/" not in named and not named.startswith("~"):
        folder = root_of(repository, workspace) / named
        if not (folder / "pyvenv.cfg").is_file():
            return Interpreter(named)  # looked up on PATH
    path = root_of(repository, workspace) / os.path.expanduser(named)
    if path.is_dir():
        path = path / "bin" / "python"
    if not path.exists():
        raise SettingsError(f"{repository.name}: its interpreter {path} is missing")
    return _with_environment(path, environ)


def _with_environment(python: Path, environ: Mapping[str, str]) -> Interpreter:
    """*python*, and, where it is of a virtual or conda environment, that environment's marks."""
    prefix = python.parent.parent
    if (prefix / "pyvenv.cfg").is_file():
        mark = "VIRTUAL_ENV"  # what `source bin/activate` sets
    elif (prefix / "conda-meta").is_dir():
        mark = "CONDA_PREFIX"
    else:
        return Interpreter(str(python))
    path = os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath)])
    return Interpreter(str(python), {mark: str(prefix), "PATH": path})


def _conda_candidates(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a conda environment may be, without asking conda, which takes seconds.

    conda lists every environment that it makes in ``~/.conda/environments.txt``; those of an
    installation are in its ``envs``, and ``base`` is the installation (conda documentation,
    "Managing environments", and `envs_dirs` in its configuration).
    """
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    listed: list[Path] = []
    with contextlib.suppress(OSError):
        text = (home / ".conda" / "environments.txt").read_bytes().decode(errors="replace")
        listed = [Path(line.strip()) for line in text.splitlines() if line.strip()]
    roots = [path for path in listed if (path / "condabin").is_dir()]
    if executable := environ.get("CONDA_EXE"):
        roots.insert(0, Path(executable).parent.parent)
    if name == "base":
        yield from roots
        return
    folders = [Path(entry) for entry in environ.get("CONDA_ENVS_PATH", "").split(":") if entry]
    folders += [root / "envs" for root in roots]
    folders += [home / installer / "envs" for installer in CONDA_FOLDERS]
    yield from (folder / name for folder in folders)
    yield from (path for path in listed if path.name == name)


@functools.cache
def imports_missing(
    python: str, names: tuple[str, ...], cwd: Path, env: tuple[tuple[str, str], ...]
) -> str | None:
    """Why one of the modules cannot be imported; None where all can.

    Asked once for all models and roles: the import of a framework takes seconds.
    """
    program = (
        "import importlib, json, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except BaseException as error:\n"
        "        print(json.dumps([name, type(error).__name__, str(error)]))\n"
        "        break\n"
        "else:\n"
        "    print('[]')\n"
    )
    try:
        command = [python, "-c", program, *names]
        done = programs.answer(command, IMPORT_SECONDS, cwd=cwd, env=dict(env))
    except subprocess.TimeoutExpired:
        return f"importing {', '.join(names)} took more than {IMPORT_SECONDS:g} s"
    except OSError as error:
        return f"{python} cannot be started: {error.strerror}"
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = programs.last_line(done.stderr)
        return f"{python} fails at the import of {', '.join(names)}: {last}"
    if not found:
        return None
    name, kind, message = found
    return f"{python} cannot import {name} ({kind}: {message})"
