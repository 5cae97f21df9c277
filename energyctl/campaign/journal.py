"""The journal of a campaign, append-only, one JSON object a line, fsynced.

The first line holds all that is needed to go on after any crash: the settings, the registry and
every run with its drawn values; the later trials of a search have lines of their own. A torn last
line is passed over.

The tasks of a cluster write files of their own, since several machines cannot append to one file
of a shared file system (open(2), O_APPEND on NFS); read, they are one journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from energyctl.config.plan import Run
from energyctl.errors import SettingsError
from energyctl.results import journal_schema, shape
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import SCHEMA, JournalHead, JournalLine
from energyctl.results.paths import RunFiles
from energyctl.results.schema import FINISHED, Result
from energyctl.system.files import naming, read_regular, regular
from energyctl.text import safe_name

LARGEST_BYTES = 256 * 2**20
"""Of a journal, and of its first line."""


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
        descriptor = os.open(path, flags, 0o644)
        try:
            with naming(path):
                size = os.fstat(descriptor).st_size
                torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
                os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def events(self) -> Iterator[JournalLine]:
        """All lines of all parts, in the order of their times."""
        parts = sorted(self.parts.glob("*.jsonl"))
        lines = list(self._lines(self.path))
        for part in parts:
            try:
                lines += self._lines(part)
            except OSError as error:
                self.folder.problem(f"{part}: cannot be read: {error.strerror}; it is left out")
        return iter(sorted(lines, key=lambda data: data["time"]) if parts else lines)

    def _lines(self, path: Path) -> Iterator[JournalLine]:
        """The lines of a file; the first one that is JSON, and no line of ours, is named."""
        return lines_of(
            read_regular(path, LARGEST_BYTES),
            lambda why: self.folder.problem(f"{path}: {why}; it is left out"),
        )

    def _of(self, *kinds: str) -> Iterator[JournalLine]:
        return (event for event in self.events() if event.get("event") in kinds)

    def head(self) -> JournalHead:
        """The first line. Raises SettingsError where the file is no journal."""
        return read_head(self.path)

    def runs(self) -> list[Run]:
        """All that are planned so far; those of a search's trials come as they are proposed."""
        return [Run.from_json(data) for data in self.whole_head()["runs"]]

    def whole_head(self) -> JournalHead:
        """The head with all runs that are planned so far. Raises SettingsError as :meth:`head`."""
        head = self.head()
        return with_trials(head, self.events()) if "search" in head else head

    def plan(self, trial: int, runs: Sequence[Run]) -> None:
        """Those of the next trial of a search."""
        self.append("planned", trial=trial, planned=[run.to_json() for run in runs])

    def finished(self) -> dict[int, str]:
        """Index of each finished run → its experiment id; a result on disk counts by itself.

        A crash between the result and its line in the journal loses neither.
        """
        experiments: dict[int, str] = {}
        for event in self._of("started", "finished"):
            result = self.folder.load(event["experiment_id"])
            if result is not None and result.get("status") in FINISHED:
                experiments[event["run"]] = event["experiment_id"]
        return experiments

    def results(self) -> list[Result]:
        """The results of the finished runs, in the order of the plan."""
        names = self.finished()
        loaded = (self.folder.load(names[index]) for index in sorted(names))
        return [result for result in loaded if result is not None]

    def succeeded(self) -> bool:
        """Whether every run succeeded, and no experiment was left out as invalid."""
        results = self.results()
        failed = any(result.get("status") != "succeeded" for result in results)
        return not failed and len(results) >= len(self.runs()) and not self.head().get("invalid")

    def started(self) -> list[tuple[int, str]]:
        """Runs that were started, each time that they were: (index, experiment id)."""
        return [(event["run"], event["experiment_id"]) for event in self._of("started")]

    def prepared(self) -> set[str]:
        """Repositories whose `prepare` has ended well, on this node where there are several."""
        events, node = self._of("prepared"), self.facts.get("node")
        return {event["repo"] for event in events if event.get("node") == node}

    def last_finished(self, node: str | None = None) -> float | None:
        """Unix time of the last run's end, on that node; None where none has finished."""
        times = [event["time"] for event in self._of("finished") if event.get("node") == node]
        return times[-1] if times else None

    def unfinished(self) -> list[tuple[int, str]]:
        """Runs that were started and have no result at all: (index, experiment id)."""
        return [
            (run, name)
            for run, name in self.started()
            if not os.path.lexists(RunFiles.of(self.folder.root, name).result)
        ]

    @property
    def cluster(self) -> dict[str, Any] | None:
        """How the campaign runs on a cluster; None where it runs on one machine."""
        return self.head().get("cluster")

    @property
    def resume_command(self) -> str:
        """What to type, from any folder, to go on with this campaign."""
        workspace = self.head().get("workspace", ".")
        return shlex.join(["energyctl", "-C", workspace, "resume", str(self.path)])

    @property
    def name(self) -> str:
        return self.path.stem


def read_head(path: Path) -> JournalHead:
    """The first line of a journal. Raises SettingsError where the file is none."""
    try:
        with open(path, "rb", opener=regular) as file:
            return head_of(file.readline(LARGEST_BYTES), str(path))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error


def with_trials(head: JournalHead, lines: Iterable[JournalLine]) -> JournalHead:
    """The head with the runs of the trials that a search planned in *lines*, too."""
    later = (line["planned"] for line in lines if line.get("event") == "planned")
    return {**head, "runs": [*head["runs"], *(run for runs in later for run in runs)]}


def lines_of(content: bytes, problem: Callable[[str], object]) -> Iterator[JournalLine]:
    """Of a journal's file; the first one that is JSON, and no line of ours, is a *problem*."""
    named = False
    # Not splitlines: JSON leaves other line ends, as U+2028, as they are.
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        try:
            data = shape.parse(line)
        except ValueError:
            continue
        why = journal_schema.fault(data)
        if why is None:
            yield cast(JournalLine, data)
        elif not named:
            named = True
            problem(f"line {number}: {why}")


def head_of(line: bytes, path: str) -> JournalHead:
    """The same of the line itself."""
    try:
        first = shape.parse(line.decode(errors="replace"))
    except ValueError:
        first = None
    head = cast(dict[str, Any], first if isinstance(first, dict) else {})
    if head.get("event") != "campaign" or head.get("schema") != SCHEMA:
        raise SettingsError(f"{path}: not a campaign's journal of this version")
    if why := journal_schema.fault(head):
        raise SettingsError(f"{path}: no journal of a campaign: {why}")
    return cast(JournalHead, head)


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
    paths = sorted(folder.campaigns.glob("*.jsonl"), key=_written)
    if wanted is None:
        return _newest(paths, folder)
    given = Path(wanted).resolve()
    if given.suffix == ".jsonl" and given.is_file():
        # results/campaigns/NAME.jsonl: its results are where it is, whatever --results says.
        return Journal(given, replace(folder, root=given.parents[1]))
    matching = [path for path in paths if path.stem == wanted or path.stem.endswith(f"_{wanted}")]
    if not matching:
        names = ", ".join(path.stem for path in paths[-5:]) or "none"
        raise SettingsError(f"no campaign {wanted!r} in {folder.campaigns}; the newest: {names}")
    return Journal(matching[-1], folder)


def _newest(paths: Sequence[Path], folder: ResultsFolder) -> Journal:
    """The last that is one. Raises SettingsError where there is none."""
    for path in reversed(paths):
        try:
            Journal(path, folder).runs()
        except SettingsError as error:
            folder.problem(f"{error}; it is left out")
        else:
            return Journal(path, folder)
    raise SettingsError(f"no campaign in {folder.campaigns}; start one with energyctl run")


def _written(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
