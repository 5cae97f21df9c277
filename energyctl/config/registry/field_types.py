"""Types of single values of the registry file, with messages in words."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from energyctl.config.jsonfile.validation import shown, text

UNSUPPORTED = "the program has no way to take it"


def shape(value: Any) -> str:
    """Tag of a value that is a word or an object."""
    return "<word>" if isinstance(value, str) else "<object>"


def list_shape(value: Any) -> str:
    """Tag of a value that is a list or an object."""
    return "<list>" if isinstance(value, list | tuple) else "<object>"


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"must be a number, not {shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"must be finite, not {shown(value)}")
    return value


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


def _scale(value: Any) -> float:
    if _number(value) == 0:
        raise ValueError("must not be 0: every number would become 0")
    return float(value)


def _reason(value: Any) -> str | None:
    """Why a value is unsupported; None where it is supported after all."""
    if isinstance(value, bool):
        return UNSUPPORTED if value else None
    if isinstance(value, str) and value.strip():
        return " ".join(text(value).split())
    raise ValueError(f"must be true or a reason, not {shown(value)}")


Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
Pair = Annotated[tuple[Number, Number], Field(strict=False)]
Seconds = Annotated[
    float, PlainValidator(_seconds), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]
Scale = Annotated[float, PlainValidator(_scale), WithJsonSchema({"type": "number"})]
Reason = Annotated[
    str | None, PlainValidator(_reason), WithJsonSchema({"type": ["boolean", "string"]})
]
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
