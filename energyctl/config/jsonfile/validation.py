"""Judging JSON data in words: strict types, near misses of names, one clear line per problem."""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """Something wrong at one place of a file.

    `error` stops everything (exit 2), `invalid` leaves out that experiment, `warning` neither.
    Lines and columns count from 1, experiments from 0.
    """

    where: str
    message: str
    suggestion: str | None
    severity: Literal["error", "invalid", "warning"]
    experiment: int | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return (f"line {self.line}: " if self.line else "") + self.sentence

    @property
    def sentence(self) -> str:
        """``where: message; suggestion``, without the line."""
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.message}" + (f"; {self.suggestion}" if self.suggestion else "")

    def to_json(self) -> dict[str, Any]:
        """As `plan --json` and `validate --json` show it."""
        return asdict(self)


class Strict(BaseModel):
    """Base of what a file may hold: no conversions, unknown fields are free text."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


def text(value: str) -> str:
    """The string itself. Raises ValueError where no program could be given it."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must not hold NUL or a lone surrogate: no program could be given it")
    return value


def _line(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if "\n" in value or "\r" in value:
        raise ValueError("must be one line")
    return value


def _scalar(value: Any) -> int | float | str | bool:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return text(value)
    raise ValueError(f"must be a number, a string, true or false, not {shown(value)}")


Text = Annotated[str, AfterValidator(text)]
Name = Annotated[str, AfterValidator(text), AfterValidator(_line)]
Scalar = Annotated[
    int | float | str | bool,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["number", "string", "boolean"]}),
]


def validated(
    model: type[_Model], data: Mapping[str, Any]
) -> tuple[_Model | None, list[tuple[tuple[str | int, ...], str, str | None]]]:
    """The model of the data, or None and all that is wrong: (path, message, suggestion)."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, list(sentences(error))


def editor_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a file, for editors; a file may name it as `$schema`."""
    schema = model.model_json_schema(schema_generator=_EditorSchema)
    schema["properties"]["$schema"] = {"type": "string", "description": "Schema of this file."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


class _EditorSchema(GenerateJsonSchema):
    """Without titles; the string behind a field in its class is its description.

    pydantic has `use_attribute_docstrings` for that, but reads the sources at every start.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        fields = super().model_schema(schema)
        for owner in schema["cls"].__mro__:
            if issubclass(owner, Strict):
                for name, description in _field_docstrings(owner):
                    fields["properties"][name].setdefault("description", description)
        return fields


def _field_docstrings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    for pair in pairwise(body.body):
        match pair:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, " ".join(text.split())


def sentences(error: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str, str | None]]:
    """Each fault as (path, message, suggestion)."""
    for fault in error.errors(include_url=False):
        if fault["type"] == "too_short" and fault["input"]:
            continue  # pydantic counts the parts that are valid, and has said what the others are
        path = tuple(part for part in fault["loc"] if part not in _NO_PLACE)
        message = _message(fault["type"], fault.get("ctx", {}), fault["input"], fault["msg"])
        yield path, message, _remedy(fault["type"], fault.get("ctx", {}), fault["input"])


# Tags of unions, and pydantic's own mark for a fault in a key.
_NO_PLACE = ("<list>", "<number>", "<object>", "<word>", "[key]")
_WANTED = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_LIMITS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda limit: f"must be at least {limit['ge']:g}",
    "greater_than": lambda limit: f"must be more than {limit['gt']:g}",
    "less_than_equal": lambda limit: f"must be at most {limit['le']:g}",
    "literal_error": lambda limit: f"must be {limit['expected']}".replace("'", '"'),
}


def _message(kind: str, limits: Mapping[str, Any], value: Any, otherwise: str) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(limits["error"])
    if kind == "too_short":
        return "must not be empty"
    wanted = _WANTED.get(kind) or (_LIMITS[kind](limits) if kind in _LIMITS else otherwise)
    return f"{wanted}, not {shown(value)}"


def _remedy(kind: str, limits: Mapping[str, Any], value: Any) -> str | None:
    if kind == "literal_error" and isinstance(value, str):
        like = nearest(value, re.findall("'([^']*)'", limits["expected"]))
        return f"write {shown(like)}" if like else None
    if kind in ("int_type", "float_type") and isinstance(value, str):
        try:
            return f"write {json.loads(value) + 0} without quotes"
        except (ValueError, TypeError, RecursionError):
            return None
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if kind == "tuple_type" and isinstance(value, str):
        return f"write [{shown(value)}]"
    return None


def shown(value: Any) -> str:
    """A value as it would stand in the file, short."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    text = re.sub("[\ud800-\udfff\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= 60 else f"{text[:57]}…"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known value that was probably meant."""
    folded = {item.casefold(): item for item in names}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


_UNITS = ("seconds", "celsius")
_OTHER_UNITS = ("", "s", "sec", "secs", "second", "ms", "min", "mins", "minutes", "hours", "time")


def intended_field(name: str, known: Collection[str], *, beginnings: bool = True) -> str | None:
    """The field that was meant by a name that is not one, or None for free text.

    Catches another spelling (`runsPerConfig`), a missing or another unit (`timeout`), a beginning
    (`hyperparam`) and slips of the finger, word by word, so that `experiment_time` is not taken
    for `experiment_name`.
    """
    plain, known = _plain(name), sorted(known)  # ties are decided alike each time
    for field in known:
        if plain == _plain(field):
            return field
    for field in known:
        stem, _, unit = field.rpartition("_")
        if unit in _UNITS and plain in {_plain(stem) + other for other in _OTHER_UNITS}:
            return field
    for field in known if beginnings else ():
        if len(plain) >= 7 and _plain(field).startswith(plain):
            return field
    slips = {field: slip for field in known if (slip := _slips(name, field)) is not None}
    return min(slips, key=lambda field: slips[field]) if slips else None


def same_spelling(name: str, field: str) -> bool:
    """Whether the two differ in case and punctuation alone, as `runsPerConfig`."""
    return _plain(name) == _plain(field)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _slips(name: str, field: str) -> int | None:
    """How many slips turn the field into the name; None where it is another word."""
    words, field_words = name.casefold().split("_"), field.casefold().split("_")
    if len(words) != len(field_words):
        return 1 if len(field) > 4 and _distance(_plain(name), _plain(field)) == 1 else None
    total = 0
    for word, right in zip(words, field_words, strict=True):
        slips = _distance(word, right)
        if slips > (2 if len(right) >= 7 else 1) or (
            slips and len(right) <= 4 and word[:1] != right[:1]
        ):
            return None
        total += slips
    return total if total <= 2 else None


def _distance(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours (optimal string alignment)."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
