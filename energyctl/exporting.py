"""Edge: result files, and what lies beside them, → files of tables."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from energyctl import tables
from energyctl.errors import MachineError, SettingsError
from energyctl.ledger import Iteration, parse
from energyctl.machine import User
from energyctl.table_files import (
    CsvSheet,
    Growing,
    ParquetSheet,
    Staging,
    Summarised,
    staging,
    text_file,
)
from energyctl.tables import GpuSeries, NoResult, Part, Row

Format = Literal["csv", "parquet", "summary"]


@dataclass(frozen=True)
class Target:
    """One file to be written; `place` None: standard output."""

    table: str
    place: Path | None


@dataclass
class Exported:
    """What was read; by table (rows, columns); a line for each result that is not in it."""

    results: int = 0
    problems: list[str] = field(default_factory=list)
    written: dict[str, tuple[int, int]] = field(default_factory=dict)


def export(
    paths: Sequence[Path],
    targets: Sequence[Target],
    kind: Format,
    user: User,
    stdout: TextIO,
    say: Callable[[str], None],
) -> Exported:
    """Reads every result once, and writes all targets, or none. `say` hears of each problem.

    Raises SettingsError where no result could be read, or a place cannot be written.
    """
    done = Exported()

    def problem(line: str) -> None:
        done.problems.append(line)
        say(line)

    wanted = {target.table for target in targets}
    with staging(user) as staged, contextlib.ExitStack() as files:
        growing = {t.table: _growing(t, kind, staged, files, stdout) for t in targets}
        try:
            for rows in read(paths, wanted, problem):
                done.results += 1
                for name, more in rows.items():
                    growing[name].add(more)
            if not done.results:
                raise SettingsError("no result could be read: nothing was written")
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


def _growing(
    target: Target, kind: Format, staged: Staging, files: contextlib.ExitStack, stdout: TextIO
) -> Growing | Summarised:
    layout = tables.LAYOUTS[target.table]
    if kind == "parquet" and target.place is not None:
        return Growing(layout, files.enter_context(ParquetSheet(staged.begin(target.place))))
    file = stdout
    if target.place is not None:
        file = files.enter_context(text_file(staged.begin(target.place)))
    return Summarised(file) if kind == "summary" else Growing(layout, CsvSheet(file))


def result_files(place: Path) -> list[Path]:
    """A result, or those of a folder by name. Raises SettingsError where there is none."""
    if not place.is_dir():
        if not place.exists():
            raise SettingsError(f"{place}: no such file or folder of results")
        return [place]
    found = sorted(path for path in place.glob("*.json") if not path.name.startswith("."))
    if not found:
        raise SettingsError(f"{place}: no results in it (files that end in .json)")
    return found


def read(
    paths: Sequence[Path], wanted: set[str], problem: Callable[[str], None]
) -> Iterator[dict[str, list[Row]]]:
    """The rows of each result by table; all of them, or a line on why there are none."""
    seen: dict[str, Path] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        try:
            result = tables.checked(json.loads(path.read_text(encoding="utf-8")))
            name = str(result.text("experiment_id"))
            if name in seen:
                raise NoResult(f"{name} is in {seen[name]}, too: left out here")
            rows = _rows(result, path, wanted, problem)
        except NoResult as error:
            problem(f"{path}: {error}")
        except OSError as error:
            problem(f"{path}: cannot be read: {error.strerror}")
        except RecursionError:
            problem(f"{path}: no JSON that can be read: nested too deeply")
        except ValueError as error:
            problem(f"{path}: broken, no JSON: {error}")
        else:
            seen[name] = path
            yield rows


def _rows(
    result: Part, path: Path, wanted: set[str], problem: Callable[[str], None]
) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    if "runs" in wanted:
        rows["runs"] = [tables.run_row(result, path.name, _gpu_series(result, path))]
    if "domains" in wanted:
        rows["domains"] = tables.domain_rows(result)
    if "phases" in wanted:
        rows["phases"] = tables.phase_rows(result)
    if "jobs" in wanted:
        rows["jobs"] = tables.job_rows(result)
    if "iterations" in wanted:
        rows["iterations"] = tables.iteration_rows(result, _ledger(result, path, problem))
    return rows


def _ledger(result: Part, path: Path, problem: Callable[[str], None]) -> list[Iteration]:
    ledger = path.parent / f"background_logs_{path.stem}" / "iterations.csv"
    try:
        return parse(ledger.read_text(encoding="utf-8", errors="replace"))
    except (OSError, csv.Error) as error:
        if tables.has_ledger(result):
            reason = getattr(error, "strerror", None) or error
            problem(f"{path}: its iterations are missing: {ledger}: {reason}")
        return []


def _gpu_series(result: Part, path: Path) -> GpuSeries:
    attempt = tables.last_attempt(result)
    if attempt is None:
        return tables.NO_SERIES
    folder = path.parent / f"energy_{path.stem}_attempt{attempt}"
    watts = _together(_series(folder / "gpu_power.csv", "power_draw_w"))
    celsius = [v for _, v in _series(folder / "gpu_temperature.csv", "gpu_temp_c")]
    percent = [v for _, v in _series(folder / "gpu_utilization.csv", "gpu_util_percent")]
    return GpuSeries(
        max_watts=max(watts, default=None),
        min_watts=min(watts, default=None),
        mean_celsius=_mean(celsius),
        max_celsius=max(celsius, default=None),
        mean_percent=_mean(percent),
        max_percent=max(percent, default=None),
    )


def _series(path: Path, column: str) -> list[tuple[str, float]]:
    """(GPU, value) of each row that has one; none where the file cannot be read."""
    found: list[tuple[str, float]] = []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            gpu, place = header.index("gpu"), header.index(column)
            for row in rows:
                try:
                    found.append((row[gpu], float(row[place])))
                except (ValueError, IndexError):  # no reading, or a torn row
                    continue
    except (OSError, ValueError, csv.Error):
        return []
    return found


def _together(watts: Sequence[tuple[str, float]]) -> list[float]:
    """Power of all GPUs, whenever one of them has a new sample."""
    gpus = {gpu for gpu, _ in watts}
    latest: dict[str, float] = {}
    sums = []
    for gpu, value in watts:
        latest[gpu] = value
        if len(latest) == len(gpus):
            sums.append(sum(latest.values()))
    return sums


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
