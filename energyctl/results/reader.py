"""Results on disk, and the files beside them: found, opened, named where they cannot be."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from energyctl.errors import SettingsError
from energyctl.results import shape
from energyctl.results.ledger import Iteration, parse
from energyctl.results.paths import GPU_POWER, GPU_TEMPERATURE, GPU_UTILIZATION, RunFiles
from energyctl.results.schema import Result
from energyctl.results.tables import OF_PAIRS, Part, Row, accessors, details, run_row
from energyctl.results.tables.part import NoResult
from energyctl.results.tables.runs import NO_SERIES, GpuSeries
from energyctl.results.wall.estimate import wall_estimate
from energyctl.system.files import read_regular, regular

LARGEST_RESULT, LARGEST_TABLE = 64 * 2**20, 2**30
"""Bytes: more than that is no result, or no table of a run."""

T = TypeVar("T")
Say = Callable[[str], None]
ProgressCallback = Callable[[int, int], None]
"""How many are done, and of how many."""


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


def read_result(path: Path) -> Result:
    """What a result file holds: not always a whole result, but what is there is of its type.

    Raises NotOurs, UnknownSchema or, where it cannot be read, NoResult; the message says why.
    """
    try:
        data = shape.parse(read_regular(path, LARGEST_RESULT).decode())
    except OSError as error:
        raise NoResult(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise NoResult(f"broken, not JSON: {error}") from error
    result = accessors.of_schema(data)
    if found := shape.fault(result, Result):
        raise NoResult(str(found))
    return result


def load(path: Path, problem: Say = lambda line: None) -> Result | None:
    """A result; None where there is none, after a line on what stands in its place."""
    if not os.path.lexists(path):
        return None
    try:
        return read_result(path)
    except NoResult as error:
        problem(f"{path}: {error}; it is left out")
        return None


class Total(NamedTuple):
    """The energy of a result; None where it has none. measured: not a part is an estimate."""

    joules: float | None
    uncertainty_joules: float | None
    measured: bool | None


def total_energy(result: Result) -> Total:
    energy = result.get("energy")
    if energy is None:
        return Total(None, None, None)
    return Total(
        energy.get("total_joules"), energy.get("uncertainty_joules"), energy.get("measured")
    )


def read(
    paths: Iterable[Path],
    make: Callable[[Path, Part], T],
    problem: Say,
    step: ProgressCallback = lambda done, total: None,
) -> Iterator[T]:
    """What *make* makes of each result, each run once; a line on each that is left out.

    *make* may raise NoResult.
    """
    seen: dict[str, Path] = {}
    every = {os.path.realpath(path): path for path in paths}
    for number, (real, named) in enumerate(every.items()):
        step(number, len(every))
        path = Path(real)
        try:
            result = accessors.checked(read_result(path))
            name = str(result.text("experiment_id"))
            if name in seen:
                raise NoResult(f"{name} is in {seen[name]}, too: left out here")
            made = make(path, result)
        except NoResult as error:
            problem(f"{named}: {error}")
        else:
            seen[name] = path
            yield made


def ledger_of(path: Path, result: Part, problem: Say) -> list[Iteration]:
    """The iterations of the background of the run whose result is *path*."""
    ledger = RunFiles.of_result(path).ledger
    try:
        return parse(read_regular(ledger, LARGEST_TABLE).decode(errors="replace"))
    except OSError as error:
        if accessors.has_ledger(result):
            problem(f"{path}: its iterations are missing: {ledger}: {error.strerror}")
        return []


def rows(table: str, path: Path, result: Part, problem: Say = lambda line: None) -> list[Row]:
    """The rows of the run whose result is *path* in a table of that name; of `pairs` and `shares`,
    whose rows are of two results, none."""
    if table == "runs":
        return [run_row(result, path.name, gpu_series(path, result), wall_estimate(result))]
    if table == "iterations":
        return details.iteration_rows(result, ledger_of(path, result, problem))
    if table in OF_PAIRS:
        return []
    return details.ROWS[table](result)


def series_folder(path: Path, result: Part) -> Path:
    """Where the time series of its last attempt lie, if there are any."""
    return RunFiles.of_result(path).energy_on_disk(accessors.last_attempt(result))


def gpu_series(path: Path, result: Part) -> GpuSeries:
    """Figures of its GPU samples; none for a run that was imported, or never ran."""
    if accessors.last_attempt(result) is None:
        return NO_SERIES
    folder = series_folder(path, result)
    watts = _together(_series(folder / GPU_POWER, "power_draw_w"))
    celsius = [v for _, v in _series(folder / GPU_TEMPERATURE, "gpu_temp_c")]
    percent = [v for _, v in _series(folder / GPU_UTILIZATION, "gpu_util_percent")]
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
        with open(path, encoding="utf-8", newline="", opener=regular) as file:
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
