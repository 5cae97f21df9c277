"""JSON files that people write: read with the place of every value, and judged in words.

Shared by the settings and the registry; knows the meaning of neither.
"""

from __future__ import annotations

from energyctl.config.jsonfile.editor import Edits
from energyctl.config.jsonfile.reader import Document, Duplicate, json_path, parse, read
from energyctl.config.jsonfile.validation import (
    Name,
    Problem,
    Scalar,
    Strict,
    Text,
    editor_schema,
    intended_field,
    nearest,
    same_spelling,
    shown,
    text,
    validated,
)

__all__ = [
    "Document",
    "Duplicate",
    "Edits",
    "Name",
    "Problem",
    "Scalar",
    "Strict",
    "Text",
    "editor_schema",
    "intended_field",
    "json_path",
    "nearest",
    "parse",
    "read",
    "same_spelling",
    "shown",
    "text",
    "validated",
]
