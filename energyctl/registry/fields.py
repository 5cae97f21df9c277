"""What the registry file may hold: names, types, limits, and what an editor shows about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from energyctl.documents import Name, Scalar, Strict, Text, editor_schema, shown, text


def _number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"must be a number, not {shown(value)}")


def _arguments(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(text(item) for item in value)
    raise ValueError(f"must be a string or a list of strings, not {shown(value)}")


def _durations(value: Any) -> float | dict[str, float]:
    if isinstance(value, dict):
        return {model: _seconds(seconds) for model, seconds in value.items()}
    return _seconds(value)


def _seconds(value: Any) -> float:
    if _number(value) <= 0:
        raise ValueError(f"must be more than 0, not {shown(value)}")
    return float(value)


Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
Arguments = Annotated[
    str | tuple[str, ...],
    PlainValidator(_arguments),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
Durations = Annotated[
    float | dict[str, float],
    PlainValidator(_durations),
    WithJsonSchema({"type": ["number", "object"], "additionalProperties": {"type": "number"}}),
]


class HyperparameterFields(Strict):
    """A value that the training takes on its command line."""

    flag: Name | None = Field(
        default=None, description='Its option, as "--lr"; "--lr=" joins the value to it.'
    )
    type: Literal["int", "float", "str", "bool"] = Field(
        description="A bool is its flag alone where true, nothing where false."
    )
    default: Scalar | None = Field(
        default=None, description="Passed where nothing else is said; without it, nothing is."
    )
    range: Annotated[tuple[Number, Number], Field(strict=False)] | None = Field(
        default=None, description="Least and greatest value that mutation draws, both included."
    )
    distribution: Literal["uniform", "log_uniform"] = Field(
        default="uniform", description="How values are drawn; log_uniform needs a range above 0."
    )
    zero_probability: float = Field(
        default=0.0, ge=0, le=1, description="Share of draws that are 0 instead."
    )
    choices: Annotated[tuple[Scalar, ...], Field(strict=False)] | None = Field(
        default=None, min_length=1, description="Values that mutation draws from, for any type."
    )


class MetricFields(Strict):
    """How metrics are read from a training's output."""

    log_patterns: dict[Name, Text] = Field(
        default_factory=dict,
        description="Regular expressions by metric; the first group is the number, the last match "
        "counts. Groups as ([0-9.]+) read numbers in any notation.",
    )
    required: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), description="Metrics without which an attempt counts as failed."
    )


class RepositoryFields(Strict):
    """A repository with models to train."""

    path: Name | None = Field(
        default=None, description="Folder of the clone, relative to the workspace."
    )
    models: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = Field(
        description="Names of its models, as given to the script."
    )
    train_script: Name | None = Field(
        default=None, description="Program relative to path; *.py is run by the interpreter."
    )
    command: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="Instead of train_script: arguments with {python}, {repo} (the folder), "
        "{model}, {workspace}, {NAME} of a hyper-parameter, and {params} alone for all flags.",
    )
    interpreter: Name | None = Field(
        default=None, description="Runs the train_script: a command, or a path relative to path."
    )
    env: dict[Name, Text] = Field(default_factory=dict, description="Environment variables.")
    cwd: Name | None = Field(default=None, description="Working folder, relative to path.")
    model_flag: Name | None = Field(
        default=None, description="Option that names the model; without it, none is passed."
    )
    required_args: dict[Text, Arguments] = Field(
        default_factory=dict, description='Always passed, as {"dataset": "-d d2a"}.'
    )
    supported_hyperparams: dict[Name, HyperparameterFields] = Field(
        default_factory=dict, description="Hyper-parameters by name, in the order of the flags."
    )
    performance_metrics: MetricFields = MetricFields()
    duration_seconds: Durations | None = Field(
        default=None, description="Typical duration, of all models or by model; for estimates."
    )


class File(Strict):
    """Repositories and models that energyctl can train. Fields not named here are free text."""

    models: dict[Name, RepositoryFields] = Field(description="Repositories by name.")


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the registry file, for editors."""
    return editor_schema(File)
