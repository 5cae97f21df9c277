"""Results as objects and DataFrames: ``energyctl.load``. DataFrames are of polars (extra `report`).

runs = energyctl.load("results")
runs.table()                       # one row per run, the columns of docs/tables.md
run = runs["20261124_101500_examples_mnist"]
run.energy.total_joules, run.hyperparameters, run.metrics
run.power()                        # timestamp, domain, watts
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from energyctl.results import reader
from energyctl.results.api.frames import TABLES
from energyctl.results.api.parts import (
    RunDomain,
    RunEnergy,
    RunEpoch,
    RunFootprint,
    RunJob,
    RunMark,
    RunPhase,
)
from energyctl.results.api.run import Run
from energyctl.results.api.runs import Runs
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.results.tables import Part, run_row
from energyctl.results.tables.part import NoResult
from energyctl.results.wall.estimate import wall_estimate

__all__ = [
    "TABLES", "Run", "RunDomain", "RunEnergy", "RunEpoch", "RunFootprint", "RunJob", "RunMark",
    "RunPhase", "Runs", "load", "load_files", "of_results",
]  # fmt: skip


def load(*places: str | os.PathLike[str], problem: Callable[[str], None] | None = None) -> Runs:
    """The runs of result files, or folders of them; "results" without any.

    Raises SettingsError where a place is not there or holds no result. A result that cannot be
    read is left out and named in `problems`; *problem* hears of it at once.
    """
    paths = [path for place in places or ("results",) for path in reader.result_files(Path(place))]
    return load_files(paths, problem)


def load_files(
    paths: Iterable[Path],
    problem: Callable[[str], None] | None = None,
    step: reader.ProgressCallback = lambda done, total: None,
) -> Runs:
    """The runs of these result files."""
    problems: list[str] = []

    def say(line: str) -> None:
        problems.append(line)
        if problem is not None:
            problem(line)

    return Runs(reader.read(paths, _run, say, step), problems)


def of_results(results: Iterable[Result], folder: Path) -> Runs:
    """The runs of results that are in memory; *folder*: where their files are, or would be."""
    runs, problems = list[Run](), list[str]()
    for result in results:
        path = RunFiles.of(folder, str(result["experiment_id"])).result
        try:
            runs.append(_run(path, Part(dict(result))))
        except NoResult as error:
            problems.append(f"{path}: {error}")
    return Runs(runs, problems)


def _run(path: Path, result: Part) -> Run:
    row = run_row(result, path.name, wall=wall_estimate(result))
    run = Run(path, cast(Result, result.document), row)
    # What they look at is checked here, so that a file that is odd is left out with a reason.
    _ = run.energy, run.phases, run.jobs, run.hyperparameters, run.metrics, run.facts
    _ = run.epochs, run.marks
    return run
