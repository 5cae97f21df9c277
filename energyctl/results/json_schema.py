"""The types of :mod:`energyctl.results.schema` as JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typing_extensions import NotRequired, is_typeddict

from energyctl.results.schema import Result


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a result file."""
    from pydantic import TypeAdapter

    document = TypeAdapter(Result).json_schema()
    kinds = {kind.__name__: kind for kind in _kinds(Result)}
    for name, part in {"Result": document, **document["$defs"]}.items():
        part.pop("title")
        for key, hint in get_type_hints(kinds[name], include_extras=True).items():
            field = part["properties"][key]
            field.pop("title", None)
            if get_origin(hint) is NotRequired:
                (hint,) = get_args(hint)
            if get_origin(hint) is Annotated:
                field["description"] = hint.__metadata__[-1]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _kinds(hint: Any) -> Iterator[type]:
    """The typed dictionaries in a type."""
    if is_typeddict(hint):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from _kinds(inner)
    for inner in get_args(hint):
        yield from _kinds(inner)
