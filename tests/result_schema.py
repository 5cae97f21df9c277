"""Result files held against the published JSON Schema."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from energyctl.results.json_schema import schema
from energyctl.results.reader import load


@functools.cache
def validator() -> Any:
    from jsonschema import Draft202012Validator

    published = schema()
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published)


def faults(path: Path) -> list[str]:
    """Where a file is not as the schema says; none where it is no result that energyctl wrote.

    Tests that write results by hand, as far as a reader needs them, leave out the note on energies.
    """
    result = load(path) if path.is_file() else None
    if result is None or "energy_note" not in result:
        return []
    found = validator().iter_errors(result)
    return [f"{path}: {fault.json_path}: {fault.message[:300]}" for fault in found]
