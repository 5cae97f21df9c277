"""What several tables ask of a result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from energyctl.results.phases import kind_of
from energyctl.results.schema import SCHEMA, STATUSES, AddedJson, Result
from energyctl.results.tables.columns import Row, flattened
from energyctl.results.tables.layouts import HYPERPARAMETERS
from energyctl.results.tables.part import NoResult, NotOurs, Part, UnknownSchema

ADDED = tuple(AddedJson.__annotations__)


def of_schema(data: Any) -> Result:
    """*data*, which is a result of our schema, though perhaps not a whole one.

    Raises NotOurs where it is no result at all, UnknownSchema where its schema is not ours.
    """
    why = "no result of energyctl (it has no experiment_id or no schema)"
    if not isinstance(data, dict) or "experiment_id" not in data:
        raise NotOurs(why)
    schema = data.get("schema")
    if schema is None:
        raise UnknownSchema(why, schema)
    if schema != SCHEMA or isinstance(schema, bool):
        newer = isinstance(schema, int) and schema > SCHEMA
        cure = "; a newer energyctl wrote it: update this one" if newer else ""
        why = f"of schema {schema!r}, where this energyctl knows {SCHEMA}{cure}"
        raise UnknownSchema(why, schema)
    return cast(Result, data)


def checked(data: Any) -> Part:
    """A whole result. Raises NoResult where it is none, or of a schema that is not ours."""
    result = Part(of_schema(data))
    if not result.text("experiment_id") or result.raw("status") not in STATUSES:
        raise NoResult(f"half a result: its status is {result.raw('status')!r}")
    if result.raw("foreground_result") is None:
        raise NoResult("half a result: it has no foreground_result")
    return result


def attempt_span(result: Part) -> tuple[float | None, float | None]:
    """Begin and end of the last attempt that ended (Unix seconds)."""
    attempts = result.part("foreground_result").parts("attempts")
    spans = [(one.time("start"), one.time("end")) for one in attempts]
    ended = [span for span in spans if None not in span]
    if ended:
        return ended[-1]
    phases = [p for p in result.parts("phases") if kind_of(p.text("name") or "") == "foreground"]
    return (phases[-1].time("start"), phases[-1].time("end")) if phases else (None, None)


def last_attempt(result: Part) -> int | None:
    """The number of the attempt whose energy the result holds; None where it holds none."""
    attempts = result.part("foreground_result").parts("attempts")
    numbers = [one.integer("attempt") for one in attempts if one.time("end") is not None]
    return numbers[-1] if numbers else None


def has_ledger(result: Part) -> bool:
    """Whether iterations of its background were counted, so that there is a ledger of them."""
    jobs = result.part("background_info").parts("jobs")
    return any(job.integer("iterations") for job in jobs)


def hyperparameters(training: Part) -> Row:
    inner = training.part("hyperparameters")
    return flattened(HYPERPARAMETERS, {name: scalar(inner.raw(name)) for name in inner.names()})


def scalar(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def reasons(missing: Part) -> str | None:
    return joined((f"{name}: {missing.text(name)}" for name in missing.names()), "; ")


def joined(items: Iterable[Any], between: str) -> str | None:
    return between.join(str(item) for item in items if item is not None) or None


def seconds_between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def watts(joules: float | None, seconds: float | None) -> float | None:
    return joules / seconds if joules is not None and seconds else None
