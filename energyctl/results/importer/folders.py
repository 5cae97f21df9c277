"""Folders of old runs are found and opened, results written."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from energyctl.errors import SettingsError
from energyctl.results.folder import ResultsFolder, to_text
from energyctl.results.importer.convert import Source, make_result
from energyctl.results.importer.parse import FILES, BrokenRun, OldRun, read_run
from energyctl.results.importer.sampled_files import SOURCES, converted
from energyctl.results.paths import PARALLEL, RunFiles
from energyctl.results.schema import Result
from energyctl.system.files import regular
from energyctl.text import safe_name

State = Literal["imported", "known", "changed", "broken"]


@dataclass(frozen=True)
class ImportOutcome:
    """What became of one folder. result: as it stands in the results folder, where it does.

    problem: a line, of what is changed or broken. series: how many files of samples were written
    beside it now.
    """

    folder: Path
    state: State
    result: Result | None = None
    problem: str | None = None
    series: int = 0


def import_folders(
    folders: Sequence[Path],
    results: ResultsFolder,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[ImportOutcome]:
    """Imports each old run in *folders*, once. Raises SettingsError where there is none."""
    found: dict[Path, None] = {}
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(f"{folder}: no such folder; name one that holds old runs")
        here = sorted(_run_folders(folder.resolve()))
        if not here:
            raise SettingsError(
                f"{folder}: no old run in it: neither {FILES['experiment']} nor "
                f"{FILES['power']} anywhere below"
            )
        found |= dict.fromkeys(here)
    results.prepare()
    known = {str(old["experiment_id"]): old for old in results.all()}
    for number, folder in enumerate(found):
        step(number, len(found))
        done = import_folder(folder, results, known)
        if done.state == "imported" and done.result:
            known[done.result["experiment_id"]] = done.result
        yield done


def _run_folders(root: Path) -> Iterator[Path]:
    """Folders of runs, whole or half, at any depth; links are not followed."""
    for name, inner, files in os.walk(root):
        folder = Path(name)
        parts = [folder / part for key, part in FILES.items() if key != "experiment"]
        if FILES["experiment"] in files or any(part.is_file() for part in parts):
            yield folder
            inner.clear()


def import_folder(folder: Path, results: ResultsFolder, known: dict[str, Result]) -> ImportOutcome:
    """One old run. known: the results that there are, by experiment id."""
    try:
        texts = {key: _text(folder / name) for key, name in FILES.items()}
        run = read_run(texts)
    except BrokenRun as error:
        return _broken(folder, error)
    except (ArithmeticError, RecursionError, ValueError) as error:
        return _broken(folder, f"a figure cannot be true: {error}")
    digest = _digest(texts)
    experiment_id, before = _name(run, known, results.root)
    if before is not None and before["imported"].get("sha256") == digest:
        return ImportOutcome(
            folder, "known", before, *_write_series(folder, experiment_id, results)
        )
    if before is not None:
        line = (
            f"{folder}: it has changed since it was imported as {experiment_id}, which stays as it "
            f"is; to import it anew, delete {experiment_id}.json"
        )
        return ImportOutcome(folder, "changed", before, line)
    source = Source(folder, folder.parent.name or None, digest)
    try:
        result = make_result(run, experiment_id, source)
        text = to_text(result)
        text.encode()
    except (ArithmeticError, ValueError) as error:
        return _broken(folder, f"{FILES['experiment']} holds what no JSON can: {error}")
    problem, series = _write_series(folder, experiment_id, results)
    results.write(results.root / f"{experiment_id}.json", text)
    return ImportOutcome(folder, "imported", result, problem, series)


def _write_series(
    folder: Path, experiment_id: str, results: ResultsFolder
) -> tuple[str | None, int]:
    """The samples beside the result, as of a run of ours. What is there already stays.

    Returns a line on what could not be read, and how many files were written.
    """
    place = RunFiles.of(results.root, experiment_id).energy_on_disk(None)
    problem, written = None, 0
    for name, source in SOURCES.items():
        if (place / name).exists():
            continue
        try:
            text = converted(_text(folder / source) or "", name)
        except BrokenRun as error:
            problem = f"{folder}: no time series of it: {error}"
            continue
        if text is not None:
            results.make(place)
            results.write(place / name, text)
            written += 1
    return problem, written


def _broken(folder: Path, why: object) -> ImportOutcome:
    return ImportOutcome(folder, "broken", problem=f"{folder}: not imported: {why}")


def _name(run: OldRun, known: dict[str, Result], root: Path) -> tuple[str, Result | None]:
    """Its experiment id here, and the result that an earlier import made of it.

    The same run is what began at the same time, with the same repository and model, under the same
    old id.
    """
    stamp = f"{run.span.local:%Y%m%d_%H%M%S}"
    name = f"{stamp}_{safe_name(run.facts['repository'])}_{safe_name(run.facts['model'])}"
    parallel = PARALLEL * run.parallel
    for number in itertools.count(1):
        experiment_id = f"{name}{f'_{number}' * (number > 1)}{parallel}"
        there = known.get(experiment_id)
        imported = there.get("imported") if there else None
        if isinstance(imported, dict) and imported.get("experiment_id") == run.experiment_id:
            return experiment_id, there
        if there is None and not (root / f"{experiment_id}.json").exists():
            return experiment_id, None
    raise AssertionError("there is no end of names")


def _text(path: Path) -> str | None:
    """None where it is not there. Raises BrokenRun where it cannot be read."""
    try:
        with open(path, encoding="utf-8", newline="", opener=regular) as file:
            return file.read().replace("\r\n", "\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BrokenRun(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BrokenRun(f"{path.name} is not UTF-8 text") from error


def _digest(texts: dict[str, str | None]) -> str:
    """Of what was read, names and contents."""
    digest = hashlib.sha256()
    for key, text in sorted(texts.items()):
        if text is not None:
            digest.update(f"{key} {len(text)}\n{text}".encode())
    return digest.hexdigest()
