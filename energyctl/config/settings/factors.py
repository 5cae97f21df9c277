"""What an experiment varies on purpose: its conditions and the levels of its grid.

Here they are held against the rest of the experiment; the registry comes later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from energyctl.config.jsonfile.validation import nearest, shown
from energyctl.config.settings.machine import MACHINE_SETTINGS, level_problem
from energyctl.config.settings.misspelled import Level
from energyctl.config.settings.model import ALONE, Experiment
from energyctl.config.settings.problems import Path, ProblemCollector, Severity
from energyctl.config.settings.schema import MOST_RUNS


def check_conditions(path: Path, entry: Mapping[str, Any], problems: ProblemCollector) -> None:
    """Two at least, with labels that can be told apart, and no other background beside them."""
    conditions = entry.get("conditions")
    if entry.get("background") is not None:
        hint = 'move it into "conditions", under a label of its own'
        problems.add((*path, "background"), 'cannot stand beside "conditions"', hint)
    if not isinstance(conditions, dict):
        return
    inside = (*path, "conditions")
    if len(conditions) < 2:
        what = "holds one condition only" if conditions else "holds no condition"
        problems.add(inside, what, 'write two at least, as "alone": null and a background')
    labels: dict[str, str] = {}
    for label in conditions:
        bare = label.strip()
        if bare and not bare.isprintable():
            message = "is no label: it holds characters that cannot be printed"
            problems.add((*inside, label), message, "take them out")
        if bare == ALONE and conditions[label] is not None:
            message = "is the label of the training alone, and has a background here"
            problems.add((*inside, label), message, "give the condition another label")
        if bare and labels.setdefault(bare, label) != label:
            message = f"differs from {shown(labels[bare])} by spaces alone"
            problems.add((*inside, label), message, "give each condition a label of its own")


def backgrounds(path: Path, entry: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """What stands for a background job in the entry, each with its place; of any type."""
    conditions = entry.get("conditions")
    given = [((*path, "background"), entry.get("background"))]
    if isinstance(conditions, dict):
        given += [((*path, "conditions", label), one) for label, one in conditions.items()]
    for where, one in given:
        if isinstance(one, list):
            yield from (((*where, number), job) for number, job in enumerate(one))
        else:
            yield where, one


def has_background(entry: Any) -> bool:
    """Whether something stands beside the training, in one condition at least; of any type."""
    return isinstance(entry, dict) and any(job is not None for _, job in backgrounds((), entry))


def check_references(
    path: Path, entry: Mapping[str, Any], within: Sequence[Any], problems: ProblemCollector
) -> None:
    """References go with a background.

    *entry*: an experiment, or the file; *within*: the experiments that they are for.
    """
    problems.names(Level.REFERENCES, (*path, "references"), entry.get("references"))
    with_background = [one for one in within if has_background(one)]
    if entry.get("references") not in (None, False) and not with_background:
        whose = "the experiment" if path else "no experiment of the file"
        message = f"{whose} has {'no' if path else 'a'} background to compare them with"
        severity: Severity = "invalid" if path else "error"
        hint = 'add a background, or remove "references"'
        problems.add((*path, "references"), message, hint, severity)
    wanted = entry.get("references")
    if not isinstance(wanted, dict) or wanted.get("earlier") is not True:
        return
    own = [one for one in with_background if path or one.get("references") is None]
    if wanted.get("foreground_alone") is False and not all(map(_lists_alone, own)):
        severity = "invalid" if path else "error"
        message = 'stands for the run alone, which "foreground_alone": false leaves out'
        hint = 'remove "foreground_alone", or list "alone": null among the conditions'
        problems.add((*path, "references", "earlier"), message, hint, severity)


def _lists_alone(entry: Any) -> bool:
    conditions = entry.get("conditions") if isinstance(entry, dict) else None
    return isinstance(conditions, dict) and None in conditions.values()


def check_grid(
    path: Path, training: Mapping[str, Any], mode: Any, problems: ProblemCollector
) -> None:
    """The levels of a training, and what is left out of their combinations.

    *path*: of the training; *training*: completed by what its experiment says.
    """
    grid, exclude = training.get("grid"), training.get("exclude")
    if grid is None:
        if mode == "grid":
            hint = 'add "grid": {"name": [levels]}'
            problems.add(path, 'mode "grid" needs "grid"', hint)
        if exclude:
            problems.add((*path, "exclude"), 'goes with "grid", which is missing', "remove it")
        return
    if mode in ("mutation", "default"):
        message = f'has no place in mode "{mode}"'
        problems.add((*path, "grid"), message, 'write "mode": "grid"')
    if not isinstance(grid, dict) or not all(isinstance(one, list) for one in grid.values()):
        return
    for name, levels in grid.items():
        inside = (*path, "grid", name)
        for number, level in enumerate(levels):
            if not isinstance(level, bool | int | float | str):
                continue  # it is no level of anything, which the types say
            if name in MACHINE_SETTINGS and (fault := level_problem(name, level)):
                problems.add((*inside, number), *fault)
            elif any(_same(level, other) for other in levels[:number]):
                problems.add((*inside, number), f"{shown(level)} is there twice", "remove one")
    _check_exclude(path, grid, exclude, problems)


def check_machine(path: Path, entry: Mapping[str, Any], problems: ProblemCollector) -> None:
    """What of the machine has a value for the whole experiment has no levels beside it."""
    for training in (entry, entry.get("foreground")):
        grid = training.get("grid") if isinstance(training, dict) else None
        levels = grid if isinstance(grid, dict) else {}
        for name in MACHINE_SETTINGS:
            if name in levels and entry.get(name) is not None:
                message = 'has levels, too: "grid" names it'
                problems.add((*path, name), message, "remove one of them")


def _check_exclude(
    path: Path, grid: Mapping[str, Any], exclude: Any, problems: ProblemCollector
) -> None:
    if not isinstance(exclude, list) or not all(isinstance(one, dict) for one in exclude):
        return
    for number, entry in enumerate(exclude):
        for name, level in entry.items():
            inside = (*path, "exclude", number, name)
            if name not in grid:
                meant = nearest(name, grid)
                known = f"there are {', '.join(map(shown, grid))}"
                hint = f"did you mean {shown(meant)}?" if meant else known
                problems.add(inside, 'is not in "grid"', hint)
            elif not any(_same(level, one) for one in grid[name]):
                levels = ", ".join(map(shown, grid[name]))
                message = f"excludes nothing: {shown(level)} is no level of it"
                problems.add(inside, message, f"its levels are {levels}", "warning")
    if not exclude:
        problems.add((*path, "exclude"), "excludes nothing", "remove it", "warning")


def check_size(path: Path, experiment: Experiment, most: int, problems: ProblemCollector) -> None:
    """No more runs than *most*, told before any is made; and some that are not excluded.

    *path*: of the training.
    """
    grid, exclude = experiment.measured.grid, experiment.measured.exclude
    runs = math.prod(map(len, grid.values())) * experiment.runs_per_config
    runs *= max(1, len(experiment.conditions))
    if runs > most:
        before = ", before any is excluded" if exclude else ""
        message = f"would be {runs} runs{before}, and {most} is the most of one experiment"
        hint = "leave levels or repetitions out"
        if runs <= MOST_RUNS:
            hint += f', or write "most_runs": {runs} at the top'
        problems.add((*path, "grid") if grid else path, message, hint)
    elif exclude and not cells(grid, exclude):
        message = "leaves nothing of the grid"
        problems.add((*path, "exclude"), message, "take entries out, or add levels")


def cells(
    grid: Mapping[str, Sequence[Any]], exclude: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Every combination of levels but the excluded ones; the last name changes first."""
    combinations = (dict(zip(grid, levels, strict=True)) for levels in product(*grid.values()))
    return [cell for cell in combinations if not any(_holds(cell, one) for one in exclude)]


def _holds(cell: Mapping[str, Any], levels: Mapping[str, Any]) -> bool:
    return all(_same(cell[name], level) for name, level in levels.items())


def _same(one: Any, other: Any) -> bool:
    """Equal, and not only since true is 1 in Python."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
