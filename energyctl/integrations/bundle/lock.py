"""What a campaign ran with: machines, energyctl's packages, and those of the trainings.

The machines are told by the results. Packages are read from the metadata that pip and conda keep
on disk, when the bundle is made: nothing of a training's environment is run.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from energyctl import __version__
from energyctl.campaign.training.invocations import Trainings
from energyctl.config import registry
from energyctl.config.registry import Repository
from energyctl.errors import SettingsError
from energyctl.results.api import Runs
from energyctl.results.journal_schema import JournalHead
from energyctl.system.clones import commit_of
from energyctl.text import count

LOCK = "lock.json"
WHEN = (
    "machines: as the results tell, of the time of the runs; all else: as found when the bundle "
    "was made"
)
OF_THE_RUN = ("started", "run", "journal", "seed", "rendered", "slurm", "commits", "missing")
"""What the environment of a result tells that is of no machine."""


def lock_document(head: JournalHead, runs: Runs, workspace: Path) -> dict[str, Any]:
    """All of it; what is not known is null, with a reason in ``missing``."""
    return {
        "read": WHEN,
        "machines": machines(runs),
        "energyctl": {
            "version": __version__,
            "python": platform.python_version(),
            "packages": packages(metadata.distributions()),
        },
        "trainings": _trainings(head, runs, workspace),
    }


def machines(runs: Runs) -> list[dict[str, Any]]:
    """What the results tell of each machine, with how many runs it was told by."""
    told: dict[str, int] = {}
    for run in runs:
        facts = {k: v for k, v in run.environment.items() if k not in OF_THE_RUN}
        text = json.dumps(facts, sort_keys=True)
        told[text] = told.get(text, 0) + 1
    return [{**json.loads(text), "runs": told[text]} for text in sorted(told)]


def packages(found: Iterable[metadata.Distribution]) -> dict[str, str]:
    """Name → version, by name."""
    named = {one.metadata["Name"]: one.version for one in found if one.metadata["Name"]}
    return dict(sorted(named.items(), key=lambda item: item[0].lower()))


def _trainings(head: JournalHead, runs: Runs, workspace: Path) -> dict[str, dict[str, Any]]:
    models = registry.parse(head["registry"], "the journal's registry")
    used = {one["repo"] for run in head["runs"] for one in (run, *run["background"])}
    recorded = _commits(runs)
    here = Trainings.here(models, workspace, os.environ)
    return {
        name: _training(models.repositories[name], recorded.get(name, []), here)
        for name in sorted(used & set(models.repositories))
    }


def _commits(runs: Runs) -> dict[str, list[str]]:
    """Repository → the commits that results tell."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for name, commit in (run.environment.get("commits") or {}).items():
            found.setdefault(name, set()).update([commit] if commit else [])
    return {name: sorted(commits) for name, commits in found.items()}


def _training(repository: Repository, recorded: list[str], here: Trainings) -> dict[str, Any]:
    missing: dict[str, str] = {}
    found: dict[str, Any] = {
        "path": repository.path,
        "commits": recorded,
        "commit_now": None if repository.path is None else commit_of(here.root / repository.path),
        "interpreter": None,
        "python": None,
        "packages": None,
        "missing": missing,
    }
    if repository.path is not None and not recorded:
        missing["commits"] = "the results do not tell: older, or the clone is none of git"
    if repository.container is not None:
        found["container"] = repository.container.image
        missing["packages"] = "they are in the container's image, whose digest is not known"
        return found
    try:
        named = here.interpreter(repository)
    except SettingsError as error:
        missing["packages"] = str(error)
        return found
    python = shutil.which(named.python, path=named.env.get("PATH") or os.environ.get("PATH"))
    if python is None:
        missing["packages"] = f"{named.python} is not there any more"
        return found
    found["interpreter"] = python
    if os.path.realpath(python) == os.path.realpath(sys.executable) and _own(python):
        found["python"] = platform.python_version()
        found["packages"] = packages(metadata.distributions())
        return found
    folders = _site_packages(Path(python))
    if not folders:
        missing["packages"] = f"no site-packages beside {python}"
        return found
    found["python"] = _python_version(Path(python), folders[0])
    found["packages"] = packages(metadata.distributions(path=[str(one) for one in folders]))
    return found


def _own(python: str) -> bool:
    """Whether it is of the environment that energyctl runs in: several share one program."""
    return os.path.realpath(Path(python).parent.parent) == os.path.realpath(sys.prefix)


def _site_packages(python: Path) -> list[Path]:
    """Of the environment of *python*; where it has none, of the installation that it is a link to,
    and where the environment says so, of both."""
    prefix, real = python.parent.parent, python.resolve().parent.parent
    own = _packages_in(prefix)
    config = _config(prefix)
    if own and config.get("include-system-site-packages", "false").lower() != "true":
        return own
    return [*own, *(one for one in _packages_in(real) if one not in own)]


def _packages_in(prefix: Path) -> list[Path]:
    names = (
        "lib/python3*/site-packages",
        "lib/python3*/dist-packages",
        "lib/python3/dist-packages",
    )
    return [found for name in names for found in sorted(prefix.glob(name)) if found.is_dir()]


def _config(prefix: Path) -> Mapping[str, str]:
    """``pyvenv.cfg`` of a virtual environment (PEP 405)."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _python_version(python: Path, folder: Path) -> str:
    config = _config(python.parent.parent)
    told = config.get("version") or config.get("version_info")
    return told or folder.parent.name.removeprefix("python")


def lock_words(lock: Mapping[str, Any]) -> list[str]:
    """A line for each training whose environment or commit is not known."""
    lines = []
    for name, training in lock["trainings"].items():
        for what, why in training["missing"].items():
            lines.append(f"{what} of {name}: {why}")
        if len(training["commits"]) > 1:
            lines.append(f"{name}: its clone was at {count(len(training['commits']), 'commit')}")
    return lines
