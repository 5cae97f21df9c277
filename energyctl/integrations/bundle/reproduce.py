"""The plan of an archive, as a campaign of its own in this workspace.

Settings, registry and every drawn value are those of the archive's journal, so its commands are
those of whoever made it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.campaign.campaign import of_head
from energyctl.campaign.journal import Journal, create_journal, read_head
from energyctl.campaign.observer import Observer
from energyctl.campaign.prepare import Campaign
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation
from energyctl.config.registry.model import Role
from energyctl.errors import SettingsError
from energyctl.integrations.bundle.check import Checked
from energyctl.integrations.bundle.settings import without_tools
from energyctl.results.api import Run as RunResult
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import JournalHead
from energyctl.system.clones import commit_of
from energyctl.system.workspace import Workspace
from energyctl.text import count, first_of


@dataclass(frozen=True)
class Reproduction:
    """campaign: what is left to run. earlier: the journal of one that was begun here before."""

    campaign: Campaign
    planned: Sequence[Run]
    original: JournalHead
    earlier: Journal | None
    notes: Sequence[str]


def plan(
    workspace: Workspace, path: Path, checked: Checked, folder: ResultsFolder, observer: Observer
) -> Reproduction:
    """The campaign that does the archive's runs again; goes on with one that was begun here.

    Raises SettingsError where the archive has faults, or its plan cannot be run so.
    """
    if checked.faults or checked.head is None or checked.description is None:
        number = count(len(checked.faults), "fault")
        raise SettingsError(
            f"{path}: {number}, nothing was run; energyctl bundle --check names them"
        )
    # Also of the journal that is made here: `resume` goes by that, and asks nobody.
    head, _ = without_tools(checked.head)
    if head.get("cluster"):
        raise SettingsError(
            f"{path}: its campaign ran on a cluster: submit its settings there (energyctl submit), "
            "and compare the results with energyctl compare"
        )
    earlier = _earlier(folder, head, checked.description.journal)
    name = checked.description.journal

    def journal() -> Journal:
        return earlier or _new_journal(workspace, folder, head, name)

    done = earlier.finished() if earlier is not None else {}
    planned = [Run.from_json(data) for data in head["runs"]]
    campaign = of_head(workspace, head, str(path), planned, folder, journal, observer, done)
    return Reproduction(campaign, planned, head, earlier, list(_notes(head)))


def _earlier(folder: ResultsFolder, head: JournalHead, name: str) -> Journal | None:
    """The newest campaign of this folder that does these runs again."""
    for path in sorted(folder.campaigns.glob("*.jsonl"), reverse=True):
        try:
            found = read_head(path)
        except SettingsError:
            continue
        if found.get("reproduces") == name and found["runs"] == head["runs"]:
            return Journal(path, folder)
    return None


def _new_journal(
    workspace: Workspace, folder: ResultsFolder, head: JournalHead, name: str
) -> Journal:
    return create_journal(
        folder,
        f"{head['name']}_reproduced",
        seed=head["seed"],
        settings_name=head["settings_name"],
        settings=head["settings"],
        registry=head["registry"],
        rendered=None,
        workspace=str(workspace.root),
        invalid=False,
        reproduces=name,
        runs=head["runs"],
    )


def _notes(head: JournalHead) -> Iterator[str]:
    if "search" in head:
        yield (
            "the original was a search: the trials that it planned are run again with their "
            "values, nothing is searched"
        )
    if head.get("rendered"):
        yield (
            "the original ran supervisord entries that were edited by hand; this workspace's "
            "templates are used"
        )
    if head.get("invalid"):
        yield "an experiment of the original was left out as invalid; so it is here"


def refuse_other_clones(campaign: Campaign, lock: Mapping[str, Any]) -> None:
    """Raises SettingsError, a line each, where a clone is missing, or at another commit than the
    original's. Starts nothing, as whoever is here has not agreed to anything yet."""
    lines = list(_other_clones(trainings_here(campaign), campaign, lock.get("trainings", {})))
    if lines:
        raise SettingsError(*lines)


def trainings_here(campaign: Campaign) -> Trainings:
    return Trainings.here(campaign.registry, campaign.workspace.root, os.environ)


def _other_clones(
    trainings: Trainings, campaign: Campaign, told: Mapping[str, Any]
) -> Iterator[str]:
    for name, one in _used(campaign).items():
        if trainings.repository(one).path is None:
            continue
        entry = told.get(name)
        known = entry.get("commits") or [entry.get("commit_now")] if isinstance(entry, dict) else []
        wanted = [commit for commit in known if isinstance(commit, str)]
        clone, of = trainings.clone(one), first_of(wanted, 2)
        if not clone.is_dir():
            at = f", at commit {of}" if wanted else ""
            yield f"{name}: its clone is missing; put it at {clone}{at}"
        elif wanted and (there := commit_of(clone)) not in wanted:
            cure = shlex.join(["git", "-C", str(clone), "checkout", wanted[-1]])
            yield (
                f"{name}: its clone {clone} is at commit {there or 'none'}, the original's was at "
                f"{of}: {cure}"
            )


def _used(campaign: Campaign) -> dict[str, Training]:
    """A training of each repository that runs."""
    every = [
        training
        for run in (*campaign.runs, *campaign.control)
        for training in (run.foreground, *(job.training for job in run.background))
    ]
    return {training.repo: training for training in every}


def commands(campaign: Campaign) -> list[str]:
    """What will be run as the user, a line each. Starts nothing. Raises SettingsError where an
    interpreter is not there.

    Of runs that differ in numbers alone the first: a text may be anything, also a command.
    """
    trainings = trainings_here(campaign)
    shown: dict[tuple[object, ...], list[str]] = {}
    others: dict[str, None] = {}
    for run in (*campaign.runs, *campaign.control):
        roles: list[tuple[Role, Training]] = [("foreground", run.foreground)]
        roles += [("background", job.training) for job in run.background]
        for role, training in roles:
            values = training.hyperparameters.items()
            texts = sorted((name, str(value)) for name, value in values if not _is_number(value))
            key = role, training.repo, training.model, *texts
            if key not in shown:
                steps = trainings.invocations(training, role, None, "RUN")
                name = f"{role} {training.repo} / {training.model}"
                shown[key] = [f"{name}: {_shell(one, training.repo, trainings)}" for one in steps]
                for file, keys in trainings.configured(training).items():
                    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
                    shown[key].append(f"{name}: writes {file} of its folder: {told}")
        others.update(dict.fromkeys(f"sets {n} to {value}" for n, value in run.machine.items()))
    for name, training in _used(campaign).items():
        repository = trainings.repository(training)
        if repository.prepare is not None:
            prepare = _shell(trainings.preparation(repository), name, trainings)
            others[f"prepare of {name}: {prepare}"] = None
        if repository.delete:
            others[f"deletes in the folder of {name}: {', '.join(repository.delete)}"] = None
    return [*dict.fromkeys(line for lines in shown.values() for line in lines), *others]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)  # bool is one of them


def _shell(step: Invocation, repo: str, trainings: Trainings) -> str:
    """With the variables that the registry sets, not those that its interpreter needs."""
    own = trainings.interpreter(trainings.registry.repositories[repo]).env
    known = {**os.environ, **own}
    added = [f"{name}={value}" for name, value in step.env.items() if known.get(name) != value]
    return shlex.join([*added, *step.argv])


def paired(
    originals: Sequence[RunResult], reproductions: Sequence[RunResult]
) -> list[tuple[RunResult, RunResult]]:
    """Each run that was done again, behind its original."""
    done = {run.row.get("run"): run for run in reproductions}
    return [(run, done[n]) for run in originals if (n := run.row.get("run")) in done]
