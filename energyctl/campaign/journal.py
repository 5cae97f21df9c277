"""The journal of a campaign, append-only, one JSON object a line, fsynced.

The first line holds all that is needed to go on after any crash: the settings, the registry and
every run with its drawn values. A torn last line is passed over.

The tasks of a cluster write files of their own, since several machines cannot append to one file
of a shared file system (open(2), O_APPEND on NFS); read, they are one journal.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from energyctl.config.plan import Run
from energyctl.errors import SettingsError
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import SCHEMA, JournalHead, JournalLine
from energyctl.results.schema import FINISHED, Result
from energyctl.text import safe_name


@dataclass(frozen=True)
class Journal:
    """The file of one campaign, in ``results/campaigns``.

    part: the file that this process adds to, where that is not ``path``; facts: in every line.
    """

    path: Path
    folder: ResultsFolder
    part: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own_folder(self) -> Path:
        """What else there is of the campaign, where it runs on a cluster."""
        return self.path.with_suffix("")

    @property
    def parts(self) -> Path:
        """Holds the tasks' own files."""
        return self.own_folder / "tasks"

    def append(self, event: str, **facts: Any) -> None:
        """Adds one line and returns once it is on disk."""
        data = {"event": event, "time": time.time(), **self.facts, **facts}
        line = json.dumps(data, ensure_ascii=False)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        path = self.part or self.path
        with self.folder.user.writing(path.parent):
            descriptor = os.open(path, flags, 0o644)
            self.folder.user.own(path)
        try:
            size = os.fstat(descriptor).st_size
            torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def events(self) -> Iterator[JournalLine]:
        """All lines of all parts, in the order of their times."""
        parts = sorted(self.parts.glob("*.jsonl"))
        if not parts:
            return _lines(self.path)
        lines = [data for path in (self.path, *parts) for data in _lines(path)]
        return iter(sorted(lines, key=lambda data: float(data.get("time") or 0)))

    def _of(self, *kinds: str) -> Iterator[JournalLine]:
        return (event for event in self.events() if event.get("event") in kinds)

    def head(self) -> JournalHead:
        """The first line. Raises SettingsError where the file is no journal."""
        first = cast(dict[str, Any], next(_lines(self.path), {}))
        if first.get("event") != "campaign" or first.get("schema") != SCHEMA:
            raise SettingsError(f"{self.path}: not a campaign's journal of this version")
        return cast(JournalHead, first)

    def runs(self) -> list[Run]:
        return [Run.from_json(data) for data in self.head()["runs"]]

    def finished(self) -> dict[int, str]:
        """Index of each finished run → its experiment id; a result on disk counts by itself.

        A crash between the result and its line in the journal loses neither.
        """
        experiments: dict[int, str] = {}
        for event in self._of("started", "finished"):
            result = self.folder.load(str(event["experiment_id"]))
            if result is not None and result["status"] in FINISHED:
                experiments[int(event["run"])] = str(event["experiment_id"])
        return experiments

    def results(self) -> list[Result]:
        """The results of the finished runs, in the order of the plan."""
        names = self.finished()
        loaded = (self.folder.load(names[index]) for index in sorted(names))
        return [result for result in loaded if result is not None]

    def succeeded(self) -> bool:
        """Whether every run succeeded, and no experiment was left out as invalid."""
        results = self.results()
        failed = any(result["status"] != "succeeded" for result in results)
        return not failed and len(results) >= len(self.runs()) and not self.head().get("invalid")

    def started(self) -> list[tuple[int, str]]:
        """Runs that were started, each time that they were: (index, experiment id)."""
        begun = self._of("started")
        return [(int(event["run"]), str(event["experiment_id"])) for event in begun]

    def last_finished(self, node: str | None = None) -> float | None:
        """Unix time of the last run's end, on that node; None where none has finished."""
        times = [event["time"] for event in self._of("finished") if event.get("node") == node]
        return float(times[-1]) if times else None

    def unfinished(self) -> list[tuple[int, str]]:
        """Runs that were started and have no result at all: (index, experiment id)."""
        return [(run, name) for run, name in self.started() if self.folder.load(name) is None]

    @property
    def cluster(self) -> dict[str, Any] | None:
        """How the campaign runs on a cluster; None where it runs on one machine."""
        cluster = self.head().get("cluster")
        return cluster if isinstance(cluster, dict) else None

    @property
    def resume_command(self) -> str:
        """What to type, from any folder, to go on with this campaign."""
        workspace = self.head().get("workspace", ".")
        return shlex.join(["energyctl", "-C", workspace, "resume", str(self.path)])

    @property
    def name(self) -> str:
        return self.path.stem


def _lines(path: Path) -> Iterator[JournalLine]:
    # Not splitlines: JSON leaves other line ends, as U+2028, as they are.
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict):
            yield cast(JournalLine, data)


def create_journal(folder: ResultsFolder, name: str, **head: Any) -> Journal:
    """A new journal with its first line: the keys of :class:`JournalHead` are in *head*.

    *name* is made safe for a file's name.
    """
    stem = f"{time.strftime('%Y%m%d_%H%M%S')}_{safe_name(name)[:80]}"
    number, path = 1, folder.campaigns / f"{stem}.jsonl"
    while path.exists():
        number += 1
        path = folder.campaigns / f"{stem}_{number}.jsonl"
    journal = Journal(path, folder)
    journal.append("campaign", schema=SCHEMA, name=name, **head)
    return journal


def find_journal(folder: ResultsFolder, wanted: str | None) -> Journal:
    """The journal that the user means: by name, by path, or the newest.

    Raises SettingsError that names those that exist.
    """
    paths = sorted(folder.campaigns.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    if wanted is None:
        if not paths:
            raise SettingsError(f"no campaign in {folder.campaigns}; start one with energyctl run")
        return Journal(paths[-1], folder)
    given = Path(wanted).resolve()
    if given.suffix == ".jsonl" and given.is_file():
        # results/campaigns/NAME.jsonl: its results are where it is, whatever --results says.
        return Journal(given, replace(folder, root=given.parents[1]))
    matching = [path for path in paths if path.stem == wanted or path.stem.endswith(f"_{wanted}")]
    if not matching:
        names = ", ".join(path.stem for path in paths[-5:]) or "none"
        raise SettingsError(f"no campaign {wanted!r} in {folder.campaigns}; the newest: {names}")
    return Journal(matching[-1], folder)
