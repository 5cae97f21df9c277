"""What the registry knows, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["int", "float", "str", "bool"]
Value = int | float | str | bool
Role = Literal["foreground", "background"]
Select = Literal["last", "first", "max", "min"]
WorkspaceKind = Literal["in_place", "empty", "links", "copy"]

ROLES: tuple[Role, ...] = ("foreground", "background")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True)
class Hyperparameter:
    """One value that a training takes. Drawn from `low` to `high`, both included, or `choices`.

    `default` is None where nothing is passed unless a value is given. `least` and `greatest` are
    hard bounds. It reaches the program by one of `flag` (with `false_flag` where a bool is false),
    `template`, `env_var` and `position`, or by a placeholder in the command; `unsupported` says
    why by none.
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
    least: int | float | None = None
    greatest: int | float | None = None
    false_flag: str | None = None
    template: tuple[str, ...] = ()
    env_var: str | None = None
    position: int | None = None
    unsupported: str | None = None

    @property
    def can_be_mutated(self) -> bool:
        """Whether there is anything to draw from."""
        return self.unsupported is None and (bool(self.choices) or self.low is not None)

    def accept(self, value: Any) -> Value:
        """The value in this type. Raises ValueError, saying what it must be."""
        typed = self._typed(value)
        if isinstance(typed, int | float) and not isinstance(typed, bool):
            if self.least is not None and not typed >= self.least:
                raise ValueError(f"must be at least {self.least}")
            if self.greatest is not None and not typed <= self.greatest:
                raise ValueError(f"must be at most {self.greatest}")
        return typed

    def _typed(self, value: Any) -> Value:
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
class Metric:
    """How one number is read: the first group of `pattern` (as the user wrote it) in the output,
    or in the newest `file` (a glob relative to the run's folder); of several matches the one that
    `select` says, times `scale`.
    """

    name: str
    pattern: str
    file: str | None = None
    select: Select = "last"
    scale: float = 1.0
    required: bool = False


@dataclass(frozen=True)
class Step:
    """One program of a run, started when the one before has ended well.

    One of `command` and `train_script`. `values`: the newest match of each glob (relative to the
    run's folder) after this step is handed on to later ones as ``{NAME}``.
    """

    name: str
    command: tuple[str, ...] | None = None
    train_script: str | None = None
    metered: bool = True
    timeout_seconds: float | None = None
    accepted_exit_codes: tuple[int, ...] = (0,)
    roles: tuple[Role, ...] = ROLES
    metrics: tuple[Metric, ...] = ()
    values: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True)
class ModelOptions:
    """What one model has of its own: arguments, environment, defaults and ranges; and what it
    cannot take, with the reason."""

    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=_nothing)
    defaults: Mapping[str, Value] = field(default_factory=_nothing)
    ranges: Mapping[str, tuple[int | float, int | float]] = field(default_factory=_nothing)
    unsupported: Mapping[str, str] = field(default_factory=_nothing)


@dataclass(frozen=True)
class Repository:
    """A clone with trainings in it, and how to start and read them.

    `path` and `data` are relative to the workspace, `interpreter` to the path, scripts, `cwd`,
    `writes`, `keep` and `delete` to the folder that a run works in (the path itself where
    `workspace` is ``in_place``). There is always a step; `typical_seconds` of a model serve
    estimates. `metrics` are looked for in the output of all steps.
    """

    name: str
    path: str | None
    models: tuple[str, ...]
    steps: tuple[Step, ...]
    interpreter: str | None = None
    env: Mapping[str, str] = field(default_factory=_nothing)
    role_env: Mapping[str, Mapping[str, str]] = field(default_factory=_nothing)
    cwd: str | None = None
    data: str | None = None
    model_flag: str | None = None
    required_args: tuple[str, ...] = ()
    per_model: Mapping[str, ModelOptions] = field(default_factory=_nothing)
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=_nothing)
    metrics: tuple[Metric, ...] = ()
    workspace: WorkspaceKind = "in_place"
    writes: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    progress: str | None = None
    needed_files: tuple[str, ...] = ()
    needed_imports: tuple[str, ...] = ()
    typical_seconds: Mapping[str, float] = field(default_factory=_nothing)

    def options_of(self, model: str) -> ModelOptions:
        return self.per_model.get(model, ModelOptions())

    def parameters_of(self, model: str) -> Mapping[str, Hyperparameter]:
        """The hyper-parameters with the defaults and ranges that *model* has of its own."""
        options = self.options_of(model)
        result = {}
        for name, parameter in self.hyperparameters.items():
            low, high = options.ranges.get(name, (parameter.low, parameter.high))
            default = options.defaults.get(name, parameter.default)
            why = options.unsupported.get(name, parameter.unsupported)
            result[name] = replace(parameter, low=low, high=high, default=default, unsupported=why)
        return MappingProxyType(result)

    def steps_of(self, role: Role) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if role in step.roles)

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """Those of the repository and of its steps."""
        return (*self.metrics, *(metric for step in self.steps for metric in step.metrics))


@dataclass(frozen=True)
class Registry:
    """All repositories by name; `raw` is the file as it was read."""

    repositories: Mapping[str, Repository]
    raw: dict[str, Any]
