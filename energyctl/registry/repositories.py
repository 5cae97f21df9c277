"""What the registry knows, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["int", "float", "str", "bool"]
Value = int | float | str | bool

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Hyperparameter:
    """One value that a training takes. Drawn from `low` to `high`, both included, or `choices`.

    `default` is None where nothing is passed unless a value is given.
    """

    name: str
    flag: str | None
    type: Kind
    default: Value | None = None
    low: int | float | None = None
    high: int | float | None = None
    distribution: Literal["uniform", "log_uniform"] = "uniform"
    zero_probability: float = 0.0
    choices: tuple[Value, ...] = ()

    @property
    def can_be_mutated(self) -> bool:
        """Whether there is anything to draw from."""
        return bool(self.choices) or self.low is not None

    def accept(self, value: Any) -> Value:
        """The value in this type. Raises ValueError, saying what it must be."""
        if self.type == "bool" and isinstance(value, bool):
            return value
        if self.type == "str" and isinstance(value, str):
            return value
        if not isinstance(value, bool):
            if self.type == "int" and isinstance(value, int):
                return value
            if self.type == "float" and isinstance(value, int | float):
                return float(value)
        raise ValueError(f"must be {_NOUNS[self.type]}")


_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
}


@dataclass(frozen=True)
class Repository:
    """A clone with trainings in it, and how to start and read them.

    `path` is relative to the workspace, `train_script`, `interpreter` and `cwd` to the path.
    `patterns` are regular expressions whose first group is the number; `typical_seconds` of a
    model serve estimates.
    """

    name: str
    path: str | None
    models: tuple[str, ...]
    train_script: str | None = None
    command: tuple[str, ...] | None = None
    interpreter: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    cwd: str | None = None
    model_flag: str | None = None
    required_args: tuple[str, ...] = ()
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=lambda: _NOTHING)
    patterns: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    required_metrics: tuple[str, ...] = ()
    typical_seconds: Mapping[str, float] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True)
class Registry:
    """All repositories by name; `raw` is the file as it was read."""

    repositories: Mapping[str, Repository]
    raw: dict[str, Any]
