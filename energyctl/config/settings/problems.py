"""Collecting the problems of one experiment file, each with its place."""

from __future__ import annotations

from typing import Any, Literal

from energyctl.config.jsonfile.reader import Document, json_path
from energyctl.config.jsonfile.validation import Problem
from energyctl.config.settings.misspelled import Level, misread_names, repeated_names

Severity = Literal["error", "invalid", "warning"]
Path = tuple[str | int, ...]


class ProblemList:
    """The problems so far; knows the place of each in the file, where there is one."""

    def __init__(self, document: Document | None) -> None:
        self.problems: list[Problem] = []
        self.invalid: set[int] = set()
        self.document = document

    def add(
        self,
        path: Path,
        message: str,
        suggestion: str | None = None,
        severity: Severity = "invalid",
    ) -> None:
        """Notes one problem; which experiment it belongs to follows from the path."""
        line, column = self.document.locate(*path) if self.document else (None, None)
        number = path[1] if len(path) > 1 and path[0] == "experiments" else None
        assert not isinstance(number, str)
        if severity == "invalid" and number is not None:
            self.invalid.add(number)
        self.problems.append(
            Problem(json_path(*path), message, suggestion, severity, number, line, column)
        )


class ProblemCollector(ProblemList):
    """The problems of an experiment file as it is checked, its repeated and misspelled names."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        for path in repeated_names(document.duplicates):
            within = path[0] == "experiments" and len(path) > 2
            self.add(
                path,
                "is given more than once, with different values",
                "keep one of them",
                "invalid" if within else "error",
            )

    def names(self, level: Level, path: Path, data: Any) -> set[str]:
        """Reports names that are no field; returns the fields that were meant by them."""
        meant: set[str] = set()
        if not isinstance(data, dict):
            return meant
        for misread in misread_names(level, data):
            severity: Severity = misread.severity
            if severity == "invalid" and path[:1] != ("experiments",):  # it concerns all of them
                severity = "error"
            self.add((*path, misread.name), misread.message, misread.suggestion, severity)
            if misread.field:
                meant.add(misread.field)
        return meant
