"""What the registry knows, typed and frozen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from energyctl.config.places import Place
from energyctl.config.registry.expressions import Expression
from energyctl.config.registry.placeholders import variables_in

Kind = Literal["int", "float", "str", "bool"]
Value = int | float | str | bool
Role = Literal["foreground", "background"]
Select = Literal["last", "first", "max", "min"]
Better = Literal["higher", "lower"]
WorkspaceKind = Literal["in_place", "empty", "links", "copy"]

ROLES: tuple[Role, ...] = ("foreground", "background")
BETTER: Mapping[str, Better] = {"max": "higher", "min": "lower"}
"""What a select says of a metric."""

METRIC_WAYS = ("pattern", "column", "key", "tag", "told")
JSON_LINES = (".jsonl", ".ndjson")
"""Ends of the names of files with a JSON document in each line."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@dataclass(frozen=True)
class ConfigKey:
    """The place of a value in a file of the clone, which is written anew for each run."""

    file: str
    key: str


@dataclass(frozen=True)
class Hyperparameter:
    """One value that a training takes. Drawn from `low` to `high`, both included, or `choices`.

    `default` is None where nothing is passed unless a value is given; `value` computes it from
    others instead. `least` and `greatest` are
    hard bounds. It reaches the program by one of `flag` (with `false_flag` where a bool is false),
    `template`, `env_var`, `position` and `config`, or by a placeholder in the command;
    `unsupported` says why by none. A bool that is passed as a text is one of `true_false`.
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
    config: ConfigKey | None = None
    true_false: tuple[str, str] = ("true", "false")
    unsupported: str | None = None
    value: Expression | None = None
    scales_duration: bool = False

    @property
    def can_be_mutated(self) -> bool:
        """Whether there is anything to draw from."""
        return self.unsupported is None and (bool(self.choices) or self.low is not None)

    def accept(self, value: Any) -> Value:
        """The value in this type, within bounds and choices; the default is always one of these.

        Raises ValueError, saying what it must be.
        """
        typed = self._typed(value)
        if self.choices and typed not in (*self.choices, self.default):
            shown = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in self.choices)
            raise ValueError(f"must be one of its choices, {shown}")
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
    """How one number is read: by the one of `pattern`, `column`, `key`, `tag`, `told` that is
    there.

    The first group of `pattern` (as the user wrote it) in the output, or in the newest `file` (a
    glob relative to the run's folder); a `column` of a CSV file; a `key` (or a path of such with
    dots between) of a JSON file, or of each of its lines; a `tag` of an event file; what the
    training has `told` by that name with its epochs (energyctl.epoch). Of several numbers the one
    that `select` says, times `scale`; with `series` all of them are kept, too.
    `reach`: the scaled value to which seconds and energy are told, from `better`'s other side.
    """

    name: str
    pattern: str | None = None
    file: str | None = None
    select: Select = "last"
    scale: float = 1.0
    required: bool = False
    column: str | None = None
    key: str | None = None
    tag: str | None = None
    told: str | None = None
    series: bool = False
    reach: float | None = None
    better: Better | None = None

    def reaches(self, value: float) -> bool:
        """Whether a scaled value is at least as good as the one to reach."""
        if self.reach is None:
            return False
        return value <= self.reach if self.better == "lower" else value >= self.reach

    @property
    def tells_no_times(self) -> bool:
        """It is in a document that is written as a whole."""
        return self.key is not None and (self.file or "").endswith(".json")

    @property
    def way(self) -> str:
        """What is looked for, with its name: ``column 'val_acc'``."""
        name = next(name for name in METRIC_WAYS if getattr(self, name) is not None)
        return f"{name} {getattr(self, name)!r}"


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
class Work:
    """How much an iteration of a background has done so far, in a `unit` of its own: the number
    that the last match of `pattern` in its output tells."""

    pattern: str
    unit: str


@dataclass(frozen=True)
class Container:
    """In which the programs of a repository run: ``RUNTIME run … args … IMAGE``. `mounts`: further
    ``SOURCE[:TARGET[:ro]]``, relative to the workspace."""

    image: str
    runtime: Literal["docker", "podman"] = "docker"
    args: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """A clone with trainings in it, and how to start and read them.

    `path` and `data` are relative to the workspace, `interpreter` to the path, scripts, `cwd`,
    `writes`, `shared`, `keep` and `delete` to the folder that a run works in (the path itself where
    `workspace` is ``in_place``). There is always a step; `typical_seconds` of a model serve
    estimates. `metrics` are looked for in the output of all steps. `constraints` hold between the
    values of each training. `seed_parameter`: the hyper-parameter for the training's own seed.
    `prepare` is run once per campaign, in the clone, before any of them.
    """

    name: str
    path: str | None
    models: tuple[str, ...]
    steps: tuple[Step, ...]
    interpreter: str | None = None
    env: Mapping[str, str] = field(default_factory=_nothing)
    role_env: Mapping[str, Mapping[str, str]] = field(default_factory=_nothing)
    place: Mapping[str, Place] = field(default_factory=_nothing)
    cwd: str | None = None
    data: str | None = None
    model_flag: str | None = None
    required_args: tuple[str, ...] = ()
    per_model: Mapping[str, ModelOptions] = field(default_factory=_nothing)
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=_nothing)
    seed_parameter: str | None = None
    constraints: tuple[Expression, ...] = ()
    metrics: tuple[Metric, ...] = ()
    workspace: WorkspaceKind = "in_place"
    writes: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    progress: str | None = None
    work: Work | None = None
    needed_files: tuple[str, ...] = ()
    needed_imports: tuple[str, ...] = ()
    typical_seconds: Mapping[str, float] = field(default_factory=_nothing)
    prepare: Step | None = None
    container: Container | None = None
    _parameters: dict[str, Mapping[str, Hyperparameter]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """By model, as they were asked for: a plan asks for each run."""

    def options_of(self, model: str) -> ModelOptions:
        return self.per_model.get(model, ModelOptions())

    def parameters_of(self, model: str) -> Mapping[str, Hyperparameter]:
        """The hyper-parameters with the defaults and ranges that *model* has of its own."""
        if model in self._parameters:
            return self._parameters[model]
        options = self.options_of(model)
        result = {}
        for name, parameter in self.hyperparameters.items():
            low, high = options.ranges.get(name, (parameter.low, parameter.high))
            default = options.defaults.get(name, parameter.default)
            why = options.unsupported.get(name, parameter.unsupported)
            result[name] = replace(parameter, low=low, high=high, default=default, unsupported=why)
        return self._parameters.setdefault(model, MappingProxyType(result))

    def length_of(self, model: str, values: Mapping[str, Any]) -> float | None:
        """How long a training with these values is, in a unit of its own: the product of those
        that its duration goes by. None where one of them is no number above 0."""
        length = 1.0
        for name, parameter in self.parameters_of(model).items():
            if not parameter.scales_duration:
                continue
            value = values.get(name)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                return None
            length *= value
        return length

    def defaults_of(self, model: str) -> Mapping[str, Value]:
        """The values that it is trained with where nothing else is said."""
        parameters = self.parameters_of(model).values()
        return {one.name: one.default for one in parameters if one.default is not None}

    def steps_of(self, role: Role) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if role in step.roles)

    @property
    def variables(self) -> frozenset[str]:
        """Names of the environment that its own variables are made of."""
        own = [options.env for options in self.per_model.values()]
        values = [
            text for part in (self.env, *self.role_env.values(), *own) for text in part.values()
        ]
        return frozenset(name for text in values for name in variables_in(text))

    def reaching(self, values: Mapping[str, float]) -> Repository:
        """With these values for its metrics to reach, besides its own."""

        def aimed(metrics: tuple[Metric, ...]) -> tuple[Metric, ...]:
            return tuple(
                replace(one, reach=values[one.name], series=True) if one.name in values else one
                for one in metrics
            )

        steps = tuple(replace(step, metrics=aimed(step.metrics)) for step in self.steps)
        return replace(self, metrics=aimed(self.metrics), steps=steps)

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """Those of the repository and of its steps."""
        return (*self.metrics, *(metric for step in self.steps for metric in step.metrics))


@dataclass(frozen=True)
class Registry:
    """All repositories by name; `raw` is the file as it was read."""

    repositories: Mapping[str, Repository]
    raw: dict[str, Any]
