"""Checking registry data: all that is wrong, with its place, or the typed fields."""

from __future__ import annotations

from typing import Any, Literal

from energyctl.config.jsonfile.reader import Document, json_path
from energyctl.config.jsonfile.validation import Problem, validated
from energyctl.config.registry.schema import File
from energyctl.config.registry.validation.faults import Fault
from energyctl.config.registry.validation.metrics import slow
from energyctl.config.registry.validation.traversal import faults_of, is_free_text


def checked(data: Any, document: Document | None) -> tuple[File | None, tuple[Problem, ...]]:
    """The typed fields of the data, or None and all that is wrong; places as in the document."""
    faults = list(faults_of(data))
    file, wrong = validated(File, data)
    faults = wrong + [fault for fault in faults if fault[0] not in {path for path, _, _ in wrong}]
    if document is not None:
        faults += [
            (duplicate.path, "is given more than once, with different values", "keep one of them")
            for duplicate in document.duplicates
            if duplicate.differs and not is_free_text(duplicate.path[-1])
        ]
    problems = [_problem(fault, document) for fault in faults]
    if problems:
        return None, tuple(sorted(problems, key=lambda problem: problem.line or 0))
    return file, ()


def warnings(data: Any, document: Document | None) -> tuple[Problem, ...]:
    """What is not wrong with data that are valid, but may not do what is meant."""
    file = File.model_validate(data)
    return tuple(_problem(fault, document, "warning") for fault in slow(file))


def _problem(
    fault: Fault, document: Document | None, severity: Literal["error", "warning"] = "error"
) -> Problem:
    path, message, suggestion = fault
    line, column = document.locate(*path) if document else (None, None)
    return Problem(json_path(*path), message, suggestion, severity, None, line, column)


__all__ = ["checked", "warnings"]
