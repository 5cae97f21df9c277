"""Which task does which runs, and what sbatch is asked for. Pure.

A task does N runs, N being ``runs_per_task``; of a campaign in blocks whole blocks, as many as N
holds, and one at least. That never changes, so a task that is submitted again does what is left of
the same runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from energyctl.config.plan import Run
from energyctl.config.settings import Slurm
from energyctl.config.settings.slurm import NAMED
from energyctl.errors import SettingsError


@dataclass(frozen=True)
class Array:
    """Tasks of one sbatch: ``offset`` plus an index of the array is the number of a task."""

    offset: int
    tasks: tuple[int, ...]

    @property
    def indices(self) -> tuple[int, ...]:
        return tuple(task - self.offset for task in self.tasks)

    def spec(self, at_once: int | None = None) -> str:
        """As ``--array`` takes it: ``1-3,7%2``."""
        return ranges(self.indices) + (f"%{at_once}" if at_once else "")


def task_numbers(runs: Sequence[Run], runs_per_task: int) -> dict[int, int]:
    """Index of each run of a campaign → the task that does it; both count from 1.

    *runs*: all of the campaign's. The runs of a block are done by one task, so on one node, and
    warm-up runs by that of the run that they are like. Without either task T does the runs
    (T - 1) · N + 1 to T · N.
    """
    if all(run.block is None and not run.warm_up for run in runs):
        return {run.index: (run.index - 1) // runs_per_task + 1 for run in runs}
    first = next((run for run in runs if not run.warm_up), runs[0])
    groups: dict[tuple[int | None, int], list[int]] = {}
    for run in runs:
        like = first if run.warm_up else run
        key = (None, like.index) if like.block is None else (like.block, 0)
        groups.setdefault(key, []).append(run.index)
    tasks, task, size = dict[int, int](), 1, 0
    for indices in groups.values():
        if size and size + len(indices) > runs_per_task:
            task, size = task + 1, 0
        tasks |= dict.fromkeys(indices, task)
        size += len(indices)
    return tasks


def arrays(tasks: Collection[int], largest_index: int) -> list[Array]:
    """As few arrays as the cluster's largest index allows."""
    size = max(1, largest_index)
    return [
        Array(offset=number * size, tasks=tuple(group))
        for number, group in groupby(sorted(tasks), lambda task: (task - 1) // size)
    ]


def ranges(numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 → ``1-3,7``."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


def with_options(section: Slurm, given: Sequence[str]) -> Slurm:
    """The section ``slurm`` with ``--sbatch KEY=VALUE`` over it. Raises SettingsError.

    KEY is a field of the section, or any long option of sbatch.
    """
    fields: dict[str, Any] = {}
    options: dict[str, Any] = dict(section.options)
    for text in given:
        key, sign, value = text.partition("=")
        name = key.strip().removeprefix("--").replace("-", "_")
        if not sign or not value.strip():
            raise SettingsError(f"--sbatch {text}: write KEY=VALUE, as --sbatch partition=gpu")
        if name == "modules":
            fields[name] = (*fields.get(name, ()), *value.split(","))
        elif name in ("nodes_at_once", "runs_per_task", "warning_seconds"):
            if not (value.isascii() and value.isdecimal()):
                raise SettingsError(f"--sbatch {text}: must be a whole number")
            fields[name] = int(value)
        elif name in Slurm.model_fields and name != "options":
            fields[name] = value
        else:
            options[name.replace("_", "-")] = value
    merged = section.model_dump() | fields | {"options": options}
    try:
        return Slurm.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        words = first.get("ctx", {}).get("error") or first["msg"]  # ours; else pydantic's own
        raise SettingsError(f"--sbatch {place}: {words}") from error


def sbatch_options(section: Slurm) -> list[tuple[str, str]]:
    """Long options with their values: those of the section, then the others."""
    named = [(name, getattr(section, name)) for name in NAMED]
    chosen = [(name, str(value)) for name, value in named if value is not None]
    return chosen + [(name, str(value)) for name, value in section.options.items()]
