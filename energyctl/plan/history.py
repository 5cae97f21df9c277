"""Which values were run before: rows of the users' wide tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from energyctl.registry import Hyperparameter

# (repository, model, whether in parallel mode) → the values of each earlier run, as written.
History = Mapping[tuple[str, str, bool], tuple[Mapping[str, str], ...]]

_PREFIX = "hyperparam_"


def history_from_rows(rows: Iterable[Mapping[str, str | None]]) -> History:
    """The rows of a table with `repository`, `model`, `experiment_id`, `hyperparam_NAME`….

    A run was parallel where its `mode` says so or its `experiment_id` ends in `_parallel`. Runs
    that `training_success` calls failed do not count: their values may be drawn again.
    """
    found: dict[tuple[str, str, bool], list[Mapping[str, str]]] = {}
    for row in rows:
        repo, model = _cell(row, "repository") or _cell(row, "repo"), _cell(row, "model")
        values = {
            name.removeprefix(_PREFIX): value
            for name in row
            if isinstance(name, str) and name.startswith(_PREFIX) and (value := _cell(row, name))
        }
        if repo and model and values and not _failed(row):
            found.setdefault((repo, model, _was_parallel(row)), []).append(values)
    return {key: tuple(values) for key, values in found.items()}


def _cell(row: Mapping[str, str | None], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _failed(row: Mapping[str, str | None]) -> bool:
    return _cell(row, "training_success").casefold() in ("false", "0", "no")


def _was_parallel(row: Mapping[str, str | None]) -> bool:
    mode = _cell(row, "mode")
    if mode:
        return mode.casefold() == "parallel"
    return _cell(row, "experiment_id").endswith("_parallel")


def taken_combinations(
    history: History, repo: str, model: str, parallel: bool, parameters: Sequence[Hyperparameter]
) -> set[tuple[Any, ...]]:
    """The values that these parameters had together in earlier runs, in full precision.

    Rows in which one of them is missing or unreadable say nothing about the combination.
    """
    found = set()
    for row in history.get((repo, model, parallel), ()):
        values = tuple(_typed(parameter, row.get(parameter.name)) for parameter in parameters)
        if None not in values:
            found.add(values)
    return found


def _typed(parameter: Hyperparameter, text: str | None) -> Any:
    if text is None or parameter.type == "str":
        return text
    if parameter.type == "bool":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.casefold())
    try:
        number = float(text)
    except ValueError:
        return None
    if parameter.type == "float":
        return number
    return int(number) if number.is_integer() else None
