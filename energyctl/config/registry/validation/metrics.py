"""Checks of patterns: they must compile, and say where the number is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from energyctl.config.jsonfile.validation import shown, validated
from energyctl.config.registry.metrics import compiled, explodes
from energyctl.config.registry.model import BETTER, JSON_LINES, METRIC_WAYS
from energyctl.config.registry.schema import File, MetricFields, PatternFields, RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path, inside, written_as


def metrics(path: Path, data: Mapping[str, Any]) -> Iterator[Fault]:
    """Those of one list of patterns; each is looked at where its own types are right."""
    patterns = data.get("log_patterns")
    sources = patterns if isinstance(patterns, dict) else {}
    for name, given in sources.items():
        place = (*path, "log_patterns", name)
        if isinstance(given, str):
            yield from _pattern(place, given)
        elif isinstance(given, dict):
            fields, _ = validated(PatternFields, given)
            if fields is not None:
                yield from _way(place, fields)
                if fields.pattern is not None:
                    yield from _pattern((*place, "pattern"), fields.pattern)
                yield from inside((*place, "file"), fields.file or "")
    required = data.get("required")
    for number, name in enumerate(required if isinstance(required, list) else ()):
        if isinstance(name, str) and name not in sources:
            message = f"{shown(name)} has no pattern in log_patterns"
            yield (*path, "required", number), message, written_as(name, sources)


def _way(place: Path, fields: PatternFields) -> Iterator[Fault]:
    """It says in one way where its number stands, and in which file, where the way needs one."""
    ways = [name for name in METRIC_WAYS if getattr(fields, name) is not None]
    if not ways:
        hint = 'add a "pattern" or "told", or beside a "file" a "column", a "key" or a "tag"'
        yield place, "does not say where its number stands", hint
    for name in ways[1:]:
        yield (*place, name), f'has no effect beside "{ways[0]}"', "keep one of them"
    if ways[:1] == ["told"] and fields.file is not None:
        yield (*place, "file"), 'has no effect beside "told"', "keep one of them"
    elif ways and ways[0] not in ("pattern", "told") and fields.file is None:
        hint = 'add "file", a glob relative to the folder that the run works in'
        yield (*place, ways[0]), "has no file in which it is looked for", hint
    kept = "series" if fields.series else "reach" if fields.reach is not None else None
    if kept and ways[:1] == ["key"] and (fields.file or "").endswith(".json"):
        hint = "JSON lines (.jsonl) grow while the training runs, and tell when"
        yield (*place, kept), "a JSON document does not tell when its values came", hint
    if fields.reach is not None and not (fields.better or BETTER.get(fields.select)):
        hint = 'add "better": "higher" or "lower", or "select": "max" or "min"'
        yield (*place, "reach"), "does not say whether more or less is better", hint
    json = (".json", *JSON_LINES)
    if ways[:1] == ["key"] and fields.file is not None and not fields.file.endswith(json):
        message = f"{shown(fields.file)} does not tell whether it is JSON, or JSON lines"
        yield (*place, "file"), message, "let it end in .json, or in .jsonl or .ndjson"


def read_twice(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """Metrics of one name in several steps: which of them would count?"""
    names = set(fields.performance_metrics.log_patterns)
    for number, step in enumerate(fields.steps or ()):
        for name in step.performance_metrics.log_patterns:
            if name in names:
                place = (*path, "steps", number, "performance_metrics", "log_patterns", name)
                yield place, "is read elsewhere, too", "give it another name"
            names.add(name)


def progress(path: Path, source: str | None) -> Iterator[Fault]:
    """The pattern of the progress, or of the work."""
    if source is None:
        return
    faults = list(_pattern(path, source))
    yield from faults
    groups = {} if faults else compiled(source).groupindex
    if "total" in groups and "done" not in groups:
        yield path, 'has a group "total", but none "done"', 'name the other one "done"'


def slow(file: File) -> Iterator[Fault]:
    """Patterns that some lines would keep busy for longer than there is time for."""
    for name, fields in file.models.items():
        path: Path = ("models", name)
        yield from _slow((*path, "progress"), fields.progress)
        if fields.work is not None:
            yield from _slow((*path, "work", "pattern"), fields.work.pattern)
        yield from _slow_metrics(path, fields.performance_metrics)
        for number, step in enumerate(fields.steps or ()):
            yield from _slow_metrics((*path, "steps", number), step.performance_metrics)


def _slow_metrics(path: Path, fields: MetricFields) -> Iterator[Fault]:
    for name, given in fields.log_patterns.items():
        place = (*path, "performance_metrics", "log_patterns", name)
        if isinstance(given, str):
            yield from _slow(place, given)
        else:
            yield from _slow((*place, "pattern"), given.pattern)


def _slow(path: Path, source: str | None) -> Iterator[Fault]:
    if source is not None and explodes(source):
        hint = "repeat no group that repeats itself, as (a+)+ does, and write {number} for a number"
        yield path, "takes too long on some long lines, and is then not matched", hint


def _pattern(path: Path, source: str) -> Iterator[Fault]:
    try:
        if compiled(source).groups == 0:
            yield path, "has no group for the number", "write {number} where it stands"
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        yield path, f"is no regular expression: {error}", None
