"""Checks of patterns: they must compile, and say where the number is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from energyctl.config.jsonfile.validation import shown, validated
from energyctl.config.registry.metrics import compiled
from energyctl.config.registry.schema import PatternFields, RepositoryFields
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
                yield from _pattern((*place, "pattern"), fields.pattern)
                yield from inside((*place, "file"), fields.file or "")
    required = data.get("required")
    for number, name in enumerate(required if isinstance(required, list) else ()):
        if isinstance(name, str) and name not in sources:
            message = f"{shown(name)} has no pattern in log_patterns"
            yield (*path, "required", number), message, written_as(name, sources)


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
    """The pattern of the progress."""
    if source is None:
        return
    faults = list(_pattern(path, source))
    yield from faults
    groups = {} if faults else compiled(source).groupindex
    if "total" in groups and "done" not in groups:
        yield path, 'has a group "total", but none "done"', 'name the other one "done"'


def _pattern(path: Path, source: str) -> Iterator[Fault]:
    try:
        if compiled(source).groups == 0:
            yield path, "has no group for the number", "write {number} where it stands"
    except (re.error, OverflowError, RecursionError) as error:
        yield path, f"is no regular expression: {error}", None
