"""Which campaign a bundle is of, and which files of it belong in."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyctl.campaign.journal import Journal
from energyctl.errors import MachineError, SettingsError
from energyctl.integrations.bundle.settings import without_tools
from energyctl.results.api import Runs
from energyctl.results.controls import FOLDER as CONTROLS
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import JournalHead
from energyctl.results.paths import LEDGER, OPERATORS, RunFiles
from energyctl.results.schema import Result
from energyctl.system.files import regular
from energyctl.system.lock import lock_holder
from energyctl.text import count, first_of, is_file_name, safe_name

BACKGROUND_LOGS, OUTPUTS = "background-logs", "outputs"
OPTIONAL = (BACKGROUND_LOGS, OUTPUTS)
"""What is left out unless asked for: it may be large, and may be private."""

RESULTS, SETTINGS = "results", "settings"
"""Folders of the archive; they are those of a workspace."""

LONGEST_NAME = 999
"""Bytes of a name in an archive."""


@dataclass(frozen=True)
class Member:
    """A file of the archive: its name there, and where it is."""

    name: str
    path: Path


@dataclass(frozen=True)
class CampaignFiles:
    """head: of the journal, with the runs of all trials of a search; its settings are without what
    is left out of them, and journal_text: all of it then; None: as it is. runs: in the order of the
    plan. members: by name. left_out: in words."""

    journal: str
    head: JournalHead
    journal_text: str | None
    runs: Runs
    members: Sequence[Member]
    left_out: Sequence[str]

    @property
    def settings_name(self) -> str:
        name = safe_name(Path(self.head["settings_name"]).name)
        return f"{SETTINGS}/{name if name.endswith('.json') else 'settings.json'}"

    @property
    def journal_name(self) -> str:
        return f"{RESULTS}/campaigns/{self.journal}.jsonl"

    @property
    def missing(self) -> int:
        return missing_runs(self.head, self.runs)


def missing_runs(head: JournalHead, runs: Runs) -> int:
    """So many planned runs have no result among *runs*; one may have several, as after a crash."""
    return len({run["index"] for run in head["runs"]} - {run.row.get("run") for run in runs})


def campaign_files(runs: Runs, included: Collection[str]) -> CampaignFiles:
    """The campaign of *runs*, and its files. *included*: of :data:`OPTIONAL`.

    Raises SettingsError where they are of no campaign, of several, or of one that is running.
    """
    folder, journal = _journal_of(runs)
    path = folder / "campaigns" / f"{journal}.jsonl"
    head = Journal(path, ResultsFolder(folder)).whole_head()
    _refuse_running(head)
    ordered = Runs(sorted(runs, key=lambda run: (run.row.get("run") or 0, run.experiment_id)))
    members: dict[str, Member] = {}
    skipped: dict[str, list[int]] = {BACKGROUND_LOGS: [], OUTPUTS: []}
    odd = 0
    for found, kind in _files(folder, path, ordered):
        if kind in skipped and kind not in included:
            skipped[kind].append(found.lstat().st_size)
            continue
        name = f"{RESULTS}/{found.relative_to(folder).as_posix()}"
        if not is_member_name(name):
            odd += 1
            continue
        members[name] = Member(name, found)
    left_out = [
        f"{kind.replace('-', ' ')}: {count(len(sizes), 'file')}, {sum(sizes) / 1e6:.1f} MB"
        f" (--with {kind})"
        for kind, sizes in skipped.items()
        if sizes
    ]
    if odd:
        left_out.append(f"{count(odd, 'file')} with characters in its name that no list can hold")
    head, taken = without_tools(head)
    if taken:
        left_out.append(f"{' and '.join(taken)} of the settings, which may hold keys")
    text = _journal_text(path, head["settings"]) if taken else None
    return CampaignFiles(
        journal, head, text, ordered, [members[name] for name in sorted(members)], left_out
    )


def _journal_text(path: Path, settings: str) -> str:
    """The journal with other settings. Raises MachineError where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace", opener=regular) as file:
            head, _, rest = file.read().partition("\n")
    except OSError as error:
        raise MachineError(f"{path}: cannot be read: {error.strerror}") from error
    return json.dumps({**json.loads(head), "settings": settings}, ensure_ascii=False) + "\n" + rest


def is_member_name(name: str) -> bool:
    """Whether a file of an archive may be called so: a path within it, whatever reads it."""
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and ":" not in name
    return plain and len(name.encode()) <= LONGEST_NAME and not {"", ".", ".."} & set(parts)


def _journal_of(runs: Runs) -> tuple[Path, str]:
    """Results folder and name of the one campaign. Raises SettingsError."""
    named = [(run, run.environment.get("journal")) for run in runs]
    lacking = [run.experiment_id for run, name in named if not isinstance(name, str)]
    if lacking:
        raise SettingsError(
            f"{first_of(lacking, 3)}: of no campaign of energyctl (imported, or cut off early), so "
            "there is no journal to put in; name the campaign"
        )
    places = sorted({(run.path.parent, str(name)) for run, name in named})
    if len(places) > 1:
        names = first_of([name for _, name in places], 5)
        raise SettingsError(
            f"results of {len(places)} campaigns: {names}; a bundle is of one: energyctl bundle "
            "CAMPAIGN"
        )
    if not is_file_name(places[0][1]):
        raise SettingsError(f"{runs[0].path}: names no journal")
    return places[0]


def _refuse_running(head: JournalHead) -> None:
    holder = lock_holder() or {}
    if (holder.get("campaign"), holder.get("workspace")) == (head["name"], head["workspace"]):
        raise SettingsError(
            f"the campaign {head['name']} is running, pid {holder.get('pid')}: bundle it once it "
            "has ended"
        )


def _files(folder: Path, journal: Path, runs: Runs) -> Iterator[tuple[Path, str]]:
    """Each file with what it is; regular files alone, whoever put links there."""
    yield journal, "journal"
    for part in ("tasks", CONTROLS, "calibration"):
        yield from ((path, "journal") for path in _below(journal.with_suffix("") / part))
    for run in runs:
        yield from _of_run(RunFiles.of_result(folder / run.path.name), run.result)
        alone = run.result.get("alone_of")
        if alone is not None and is_file_name(earlier := alone["experiment_id"]):
            yield from _regular(RunFiles.of(folder, earlier).result, "earlier")


def _of_run(files: RunFiles, result: Result) -> Iterator[tuple[Path, str]]:
    for path in (files.result, files.power_around, files.entries, files.script):
        yield from _regular(path, "result")
    for folder in sorted(files.folder.glob(f"{files.energy_prefix}*")):
        yield from ((path, "series") for path in _below(folder))
    foreground = result["foreground_result"]
    logs = [foreground.get("log"), *(one.get("log") for one in foreground.get("attempts", ()))]
    for name in sorted({name for name in logs if name and is_file_name(name)}):
        yield from _regular(files.folder / name, "log")
    for path in _below(files.background_logs):
        yield path, "ledger" if path.name in (LEDGER, OPERATORS) else BACKGROUND_LOGS
    yield from ((path, OUTPUTS) for path in _below(files.outputs))


def _regular(path: Path, kind: str) -> Iterator[tuple[Path, str]]:
    if path.is_file() and not path.is_symlink():
        yield path, kind


def _below(folder: Path) -> Iterator[Path]:
    """Regular files, no link followed, by name."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield from (path for path, _ in _regular(Path(root) / name, ""))
