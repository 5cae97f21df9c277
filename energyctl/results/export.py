"""Result files, and what lies beside them, → files of tables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from energyctl.errors import MachineError, SettingsError
from energyctl.results import reader
from energyctl.results.pairs import RunFacts, facts_of, find_pairs
from energyctl.results.partners import with_earlier
from energyctl.results.table_writers import (
    CsvSheet,
    ParquetSheet,
    Staging,
    SummaryWriter,
    TableWriter,
    staging,
)
from energyctl.results.tables import LAYOUTS, OF_PAIRS, Part, Row

Format = Literal["csv", "parquet", "summary"]


@dataclass(frozen=True)
class Target:
    """One file to be written; `place` None: standard output."""

    table: str
    place: Path | None


@dataclass
class ExportSummary:
    """What was read; by table (rows, columns); a line for each result that is not in it."""

    results: int = 0
    problems: list[str] = field(default_factory=list)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)


def export(
    paths: Sequence[Path],
    targets: Sequence[Target],
    kind: Format,
    stdout: TextIO,
    say: Callable[[str], None],
    step: reader.ProgressCallback = lambda done, total: None,
) -> ExportSummary:
    """Reads every result once, and writes all targets, or none. `say` hears of each problem, and of
    how pairs were found.

    Raises SettingsError where no result could be read, or a place cannot be written.
    """
    done = ExportSummary()

    def problem(line: str) -> None:
        done.problems.append(line)
        say(line)

    chosen = {target.table for target in targets}

    facts: list[tuple[Path, RunFacts]] = []

    def rows_of(path: Path, result: Part) -> dict[str, list[Row]]:
        names = (name for name in LAYOUTS if name in chosen and name not in OF_PAIRS)
        rows = {name: reader.rows(name, path, result, problem) for name in names}
        if chosen & {*OF_PAIRS}:  # last: a result that is left out elsewhere is in no pair
            facts.append((path, facts_of(result)))
        return rows

    with staging() as staged, contextlib.ExitStack() as files:
        growing = {t.table: _growing(t, kind, staged, files, stdout) for t in targets}
        try:
            for rows in reader.read(paths, rows_of, problem, step):
                done.results += 1
                for name, more in rows.items():
                    growing[name].add(more)
            if not done.results:
                raise SettingsError("no result could be read: nothing was written")
            if chosen & {*OF_PAIRS}:
                _add_pairs(growing, facts, say)
            for name, table in growing.items():
                table.end()
                done.written[name] = (table.rows, table.columns)
            files.close()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise MachineError(f"the tables cannot be written: {error.strerror}") from error
        staged.commit()
    return done


def _add_pairs(
    growing: dict[str, TableWriter],
    facts: Sequence[tuple[Path, RunFacts]],
    say: Callable[[str], None],
) -> None:
    found = find_pairs(with_earlier(facts))
    for pair in found.pairs:
        rows = {"pairs": [pair.row()], "shares": pair.share_rows()}
        for name in growing.keys() & rows.keys():
            growing[name].add(rows[name])
    for note in found.notes if any(one.beside for _, one in facts) else ():
        say(f"pairs: {note}")


def _growing(
    target: Target, kind: Format, staged: Staging, files: contextlib.ExitStack, stdout: TextIO
) -> TableWriter:
    layout = LAYOUTS[target.table]
    if kind == "parquet" and target.place is not None:
        return TableWriter(layout, files.enter_context(ParquetSheet(staged.begin(target.place))))
    file = stdout
    if target.place is not None:
        path = staged.begin(target.place)
        file = files.enter_context(path.open("w", encoding="utf-8", newline=""))
    return SummaryWriter(file) if kind == "summary" else TableWriter(layout, CsvSheet(file))
