"""Whether an archive is whole, readable by others' tools, and says the same everywhere."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from energyctl.campaign.journal import head_of, lines_of, with_trials
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.integrations.bundle import boamps, crate, methods, spdx
from energyctl.integrations.bundle.archive import MANIFEST
from energyctl.integrations.bundle.contents import LONGEST_NAME, RESULTS
from energyctl.integrations.bundle.description import DESCRIPTION, SCHEMA, BundleJson, Description
from energyctl.integrations.bundle.lock import LOCK
from energyctl.integrations.bundle.reading import ArchiveReader, Unreadable
from energyctl.integrations.bundle.texts import README
from energyctl.integrations.bundle.write import REGISTRY
from energyctl.results import api, shape
from energyctl.results.api import Run, Runs
from energyctl.results.journal_schema import JournalHead
from energyctl.results.schema import Result
from energyctl.results.tables import accessors
from energyctl.results.tables.part import NoResult
from energyctl.text import first_of

ALWAYS = (
    README, DESCRIPTION, LOCK, MANIFEST, REGISTRY, crate.METADATA, methods.METHODS, spdx.SPDX,
)  # fmt: skip
LINE = re.compile(r"([0-9a-f]{64})  (.+)")
RESULT = re.compile(rf"{RESULTS}/([^/]+)\.json")
SHOWN = 20
MOST_FAULTS = 1000
"""Of each kind of check."""

LONGEST_ENTRY = 64 + 2 + LONGEST_NAME + 1
"""Bytes of a line of the checksums."""


@dataclass
class Checked:
    """faults: in words; without any, what is in the archive may be taken for what it says."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    description: Description | None = None
    head: JournalHead | None = None
    """With the runs of all trials of a search."""

    runs: Runs = field(default_factory=lambda: Runs(()))
    lock: dict[str, Any] = field(default_factory=dict)

    def add(self, faults: Iterator[str]) -> None:
        """The first of them: in an archive of whoever there may be more than memory holds."""
        try:
            self.faults += islice(faults, MOST_FAULTS)
        except Unreadable as error:
            self.faults.append(str(error))


def check(path: Path, step: Callable[[int, int], None] = lambda done, total: None) -> Checked:
    """All faults of the archive at *path*. Raises SettingsError where it is no zip file."""
    checked = Checked()
    with ArchiveReader(path) as archive:
        checked.files = len(archive.names)
        if archive.faults:
            checked.faults += archive.faults
            return checked
        checked.add(f"{name}: is missing" for name in ALWAYS if name not in archive.names)
        checked.add(_checksums(archive, step))
        checked.add(_described(archive, checked))
        checked.add(_results(archive, checked))
        checked.add(_journal(archive, checked))
        checked.add(_crate(archive))
        if checked.description is not None:
            for figures in (_boamps, _spdx, _methods):
                checked.add(figures(archive, checked.runs, checked.description))
    checked.faults = list(dict.fromkeys(checked.faults))
    return checked


def _checksums(archive: ArchiveReader, step: Callable[[int, int], None]) -> Iterator[str]:
    if MANIFEST not in archive.names:
        return
    if archive.names[MANIFEST].file_size > LONGEST_ENTRY * len(archive.names):
        yield f"{MANIFEST}: longer than a line for each file"
        return
    listed: dict[str, str] = {}
    for number, line in enumerate(archive.text(MANIFEST).splitlines(), 1):
        found = LINE.fullmatch(line)
        if found is None or found[2] in listed:
            yield f"{MANIFEST}: line {number} is no checksum of a file, or its second"
        else:
            listed[found[2]] = found[1]
    there = archive.names.keys() - {MANIFEST}
    yield from (f"{name}: is missing" for name in sorted(listed.keys() - there))
    yield from (f"{name}: was added: it has no checksum" for name in sorted(there - listed.keys()))
    for number, name in enumerate(sorted(there & listed.keys())):
        step(number, len(listed))
        digest = hashlib.sha256()
        try:
            for chunk in archive.chunks(name):
                digest.update(chunk)
        except Unreadable as error:
            yield str(error)
            continue
        if digest.hexdigest() != listed[name]:
            yield f"{name}: was changed: its checksum is another"


def _described(archive: ArchiveReader, checked: Checked) -> Iterator[str]:
    data = archive.json(DESCRIPTION)
    if (why := shape.fault(data, BundleJson)) is not None:
        yield f"{DESCRIPTION}: {why}"
        return
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"version {data['schema']} of the format, this is {SCHEMA}")
        if not all(isinstance(one, dict) for one in data["boamps"].values()):
            raise ValueError("boamps holds no objects")
        checked.description = Description.of_document(data)
    except (KeyError, ValueError, OverflowError) as error:
        yield f"{DESCRIPTION}: not what a bundle is described by: {error}"
    lock = archive.json(LOCK)
    if not isinstance(lock, dict) or not isinstance(lock.get("trainings"), dict):
        yield f"{LOCK}: does not tell the trainings' environments"
    else:
        checked.lock = lock


def _results(archive: ArchiveReader, checked: Checked) -> Iterator[str]:
    """Every result by the published schema; those of its campaign are kept."""
    journal = checked.description.journal if checked.description else None
    results: list[Result] = []
    for name in sorted(archive.names):
        found = RESULT.fullmatch(name)
        if found is None:
            continue
        try:
            result = accessors.of_schema(archive.json(name))
        except (Unreadable, NoResult) as error:
            yield f"{name}: {str(error).removeprefix(f'{name}: ')}"
            continue
        if (why := shape.fault(result, Result)) is not None:
            yield f"{name}: {why}"
        elif result.get("experiment_id") != found[1]:
            yield f"{name}: is the result of another run"
        elif (result.get("environment") or {}).get("journal") == journal:
            results.append(result)
    checked.runs = api.of_results(results, Path(RESULTS))
    yield from checked.runs.problems
    if not checked.runs:
        yield "no result of its campaign is in it"


def _journal(archive: ArchiveReader, checked: Checked) -> Iterator[str]:
    """Its head, which the files of settings and registry repeat, and a run for each result."""
    if checked.description is None:
        return
    name = f"{RESULTS}/campaigns/{checked.description.journal}.jsonl"
    try:
        content = archive.content(name)
        head = head_of(content.partition(b"\n")[0], name)
    except SettingsError as error:
        yield str(error)
        return
    if "search" in head:
        unknown = list[str]()
        head = with_trials(head, lines_of(content, unknown.append))
        yield from (f"{name}: {why}" for why in unknown)
    checked.head = head
    if archive.json(REGISTRY) != head["registry"]:
        yield f"{REGISTRY}: is not the registry of the journal"
    copies = [one for one in archive.names if one.startswith("settings/") and one != REGISTRY]
    if [archive.text(one) for one in copies] != [head["settings"]]:
        yield f"{first_of(copies, 3) or 'settings'}: not the settings of the journal"
    planned = {run["index"]: run for run in head["runs"]}
    for run in checked.runs:
        number, ran = int(run.row.get("run") or 0), run.result["foreground_result"]
        wanted = planned.get(number)
        if wanted is None:
            yield f"{run.experiment_id}: run {number} is not in the journal's plan"
        elif (wanted["repo"], wanted["model"]) != (ran["repo"], ran["model"]) or not _same(
            wanted["hyperparameters"], ran["hyperparameters"]
        ):
            yield f"{run.experiment_id}: ran with other values than the journal's plan has"


def _same(wanted: Mapping[str, Any], ran: Mapping[str, Any]) -> bool:
    return all(ran.get(name) == value for name, value in wanted.items())


def _crate(archive: ArchiveReader) -> Iterator[str]:
    """The library reads it, and it names every file."""
    name, document = crate.METADATA, archive.json(crate.METADATA)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = crate.library().ROCrate(document)
        named = {unquote(one.id) for one in read.data_entities}
        profiles = [
            str(getattr(one, "id", one)) for one in _listed(read.root_dataset, "conformsTo")
        ]
    except EnergyctlError:
        raise
    except Exception as error:  # whatever a library makes of a document that is odd
        yield f"{name}: not readable as an RO-Crate: {type(error).__name__}: {error}"
        return
    if crate.PROFILE not in profiles:
        yield f"{name}: does not conform to {crate.PROFILE}"
    there = archive.names.keys() - {name}
    yield from (f"{name}: does not name {one}" for one in sorted(there - named)[:SHOWN])
    yield from (f"{name}: names {one}, which is not there" for one in sorted(named - there)[:SHOWN])


def _listed(entity: Mapping[str, Any], key: str) -> list[Any]:
    value = entity.get(key)
    return value if isinstance(value, list) else [value]


def _boamps(archive: ArchiveReader, runs: Runs, description: Description) -> Iterator[str]:
    names = {f"{boamps.FOLDER}/{run.experiment_id}.json": run for run in boamps.reported(runs)}
    there = {name for name in archive.names if name.startswith(f"{boamps.FOLDER}/")}
    yield from (f"{name}: is missing" for name in sorted(names.keys() - there))
    yield from (f"{name}: is of no run alone" for name in sorted(there - names.keys()))
    for name in sorted(there & names.keys()):
        document = archive.json(name)
        told = document.get("measures") if isinstance(document, dict) else None
        if told != boamps.report(names[name], description)["measures"]:
            yield f"{name}: its measures are not those of the result"


def _spdx(archive: ArchiveReader, runs: Runs, description: Description) -> Iterator[str]:
    told = _quantities(archive.json(spdx.SPDX))
    known = _quantities(spdx.spdx_document(runs, description))
    for name in sorted(told.keys() | known.keys()):
        if told.get(name) != known.get(name):
            yield f"{spdx.SPDX}: the energy of {name} is not that of the result"


def _quantities(document: Any) -> dict[str, Any]:
    """Experiment id → what is said of its energy."""
    graph = document.get("@graph") if isinstance(document, dict) else None
    packages = [one for one in graph or () if isinstance(one, dict)]
    return {
        str(one.get("software_packageVersion")): one.get("ai_energyConsumption")
        for one in packages
        if one.get("type") == "ai_AIPackage"
    }


def _methods(archive: ArchiveReader, runs: Runs, description: Description) -> Iterator[str]:
    rows = set(archive.text(methods.METHODS).splitlines())
    good: list[Run] = methods.analysed(runs)
    for row in methods.table(good):
        if row not in rows:
            yield f"{methods.METHODS}: its table lacks, or has otherwise: {row}"
