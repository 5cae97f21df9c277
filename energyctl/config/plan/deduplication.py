"""Which values were run before: rows of the users' wide tables, and results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.config.registry import Hyperparameter


@dataclass(frozen=True)
class EarlierRun:
    """A run that has succeeded: its values by name, as written, and where it is recorded."""

    values: Mapping[str, Any]
    source: str


# (repository, model, whether in parallel mode) → the earlier runs.
History = Mapping[tuple[str, str, bool], Sequence[EarlierRun]]

_PREFIX = "hyperparam_"


def history_from_rows(rows: Iterable[Mapping[str, str | None]], table: str = "table") -> History:
    """The rows of a table with `repository`, `model`, `experiment_id`, `hyperparam_NAME`….

    A run was parallel where its `mode` says so or its `experiment_id` ends in `_parallel`. Runs
    that `training_success` calls failed do not count: their values may be drawn again; nor do those
    that `warm_up` marks.
    """
    runs = defaultdict[tuple[str, str, bool], list[EarlierRun]](list)
    for number, row in enumerate(rows, 1):
        repo, model = _cell(row, "repository") or _cell(row, "repo"), _cell(row, "model")
        values = {
            name.removeprefix(_PREFIX): value
            for name in row
            if isinstance(name, str) and name.startswith(_PREFIX) and (value := _cell(row, name))
        }
        if repo and model and values and not _failed(row) and not _says(row, "warm_up", True):
            earlier = EarlierRun(values, f"{table}, row {number}")
            runs[repo, model, _was_parallel(row)].append(earlier)
    return runs


def history_from_results(results: Iterable[tuple[str, Mapping[str, Any]]]) -> History:
    """The succeeded ones of results, each with the name of its file. Imported ones count, too,
    warm-up runs do not."""
    runs = defaultdict[tuple[str, str, bool], list[EarlierRun]](list)
    for name, result in results:
        if result["status"] == "succeeded" and not result.get("warm_up"):
            training = result["foreground_result"]
            key = (training["repo"], training["model"], result["mode"] == "parallel")
            runs[key].append(EarlierRun(training["hyperparameters"], name))
    return runs


def joined(histories: Iterable[History]) -> History:
    """All of them as one, in their order."""
    joint = defaultdict[tuple[str, str, bool], list[EarlierRun]](list)
    for history in histories:
        for key, runs in history.items():
            joint[key] += runs
    return joint


def _cell(row: Mapping[str, str | None], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _failed(row: Mapping[str, str | None]) -> bool:
    return _says(row, "training_success", False)


def _says(row: Mapping[str, str | None], name: str, truth: bool) -> bool:
    words = ("true", "1", "yes") if truth else ("false", "0", "no")
    return _cell(row, name).casefold() in words


def _was_parallel(row: Mapping[str, str | None]) -> bool:
    mode = _cell(row, "mode")
    if mode:
        return mode.casefold() == "parallel"
    return _cell(row, "experiment_id").endswith("_parallel")


def taken_combinations(
    history: History, repo: str, model: str, parallel: bool, parameters: Sequence[Hyperparameter]
) -> dict[tuple[Any, ...], str]:
    """The values that these parameters had together in earlier runs, in full precision.

    Each with the first run that had them. Runs in which one of them is missing or unreadable say
    nothing about the combination.
    """
    taken: dict[tuple[Any, ...], str] = {}
    for run in history.get((repo, model, parallel), ()):
        values = tuple(
            _typed(parameter, run.values.get(parameter.name)) for parameter in parameters
        )
        if None not in values:
            taken.setdefault(values, run.source)
    return taken


def _typed(parameter: Hyperparameter, value: Any) -> Any:
    """The value in the parameter's type, from a table's text or from JSON; None for none."""
    if parameter.type == "str":
        return value if isinstance(value, str) else None
    if parameter.type == "bool":
        truth = {"true": True, "1": True, "false": False, "0": False}
        return truth.get(str(value).casefold())
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value) if parameter.type == "float" else _whole(value)
    except (ValueError, OverflowError):
        return None


def _whole(value: float | str) -> int | None:
    """Not by way of float where it is written whole: that has 53 bits."""
    try:
        return int(value) if isinstance(value, int | str) else _whole(repr(value))
    except ValueError:
        number = float(value)
        return int(number) if number.is_integer() else None
