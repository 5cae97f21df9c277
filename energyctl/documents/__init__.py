"""JSON files that people write: read with the place of every value, and judged in words.

Shared by the settings and the registry; knows the meaning of neither.
"""

from __future__ import annotations

from energyctl.documents.checking import (
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
from energyctl.documents.editing import Edits
from energyctl.documents.reading import Document, Duplicate, parse, place, read

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
    "nearest",
    "parse",
    "place",
    "read",
    "same_spelling",
    "shown",
    "text",
    "validated",
]
