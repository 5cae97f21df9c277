"""How the values of hyper-parameters are written for a program, and become its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from energyctl.config.registry.model import Hyperparameter
from energyctl.config.registry.placeholders import filled


def flags(parameters: Iterable[Hyperparameter], values: Mapping[str, Any]) -> list[str]:
    """The arguments of those parameters that have a value: options in the order of the
    parameters, then those that have a position, in that order."""
    argv: list[str] = []
    positioned: list[tuple[int, str]] = []
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None or parameter.unsupported is not None:
            continue
        if parameter.position is not None:
            positioned.append((parameter.position, written(parameter, value)))
        else:
            argv += _option(parameter, value)
    return argv + [text for _, text in sorted(positioned, key=lambda pair: pair[0])]


def _option(parameter: Hyperparameter, value: Any) -> list[str]:
    text = written(parameter, value)
    if parameter.template:
        return [filled(item, {"value": text}) for item in parameter.template]
    if parameter.flag is None:
        return []
    if parameter.type == "bool":
        flag = parameter.flag if value else parameter.false_flag
        return [flag] if flag else []
    return [parameter.flag + text] if parameter.flag.endswith("=") else [parameter.flag, text]


def config_values(
    parameters: Iterable[Hyperparameter], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What is written into files for a run: file → key → value."""
    files: dict[str, dict[str, Any]] = {}
    for parameter in parameters:
        value = values.get(parameter.name)
        if parameter.config is not None and parameter.unsupported is None and value is not None:
            files.setdefault(parameter.config.file, {})[parameter.config.key] = value
    return files


def written(parameter: Hyperparameter, value: Any) -> str:
    """A value as a program reads it: every digit of a float, true and false as it spells them."""
    if isinstance(value, bool):
        return parameter.true_false[0 if value else 1]
    if parameter.type == "float":
        return repr(float(value))
    return str(value)
